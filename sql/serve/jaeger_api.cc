#include "sql/serve/jaeger_api.h"

#include <algorithm>
#include <functional>

#include <fmt/format.h>

#include "sql/serve/answers.h"
#include "sql/serve/jaeger_query.h"
#include "sql/serve/jaeger_search.h"
#include "sql/serve/json_out.h"
#include "sql/service_graph.h"
#include "sql/set_reader.h"
#include "sql/trace_json.h"

namespace weft::serve {
namespace {

// Jaeger says "trace not found" whatever its store is.
constexpr std::string_view kNoTrace = "trace not found";

Reply ErrorReply(int status, std::string_view message) {
  JsonOut json;
  json.Object().Field("data", nullptr).Field("total", 0).Field("limit", 0).Field("offset", 0);
  json.Key("errors").Array().Object().Field("code", status).Field("msg", message);
  json.End().End().End();
  Reply reply;
  reply.status = status;
  reply.content_type = "text/plain; charset=utf-8";  // Jaeger's errors are JSON that says so
  reply.body = std::move(json).Take() + "\n";
  return reply;
}

// {"data":...,"total":N,...,"errors":null}, the value of "data" written by `write`.
Reply DataReply(size_t total, const std::function<void(JsonOut&)>& write) {
  JsonOut json;
  json.Object().Key("data");
  write(json);
  json.Field("total", total).Field("limit", 0).Field("offset", 0).Field("errors", nullptr).End();
  Reply reply;
  reply.body = std::move(json).Take() + "\n";
  return reply;
}

// Where the upper half is empty Jaeger shows the lower one.
std::string_view ShortId(std::string_view id) {
  return id.find_first_not_of('0') >= 16 ? id.substr(16) : id;
}

Error TooLarge() {
  return {Code::kFull, fmt::format("the answer has more than {} MB; ask for fewer traces (limit)",
                                   kMaxAnswerBytes >> 20)};
}

}  // namespace

std::optional<Reply> JaegerApi::Answer(const Request& request) const {
  const auto& path = request.target.segments;
  if (request.method != "GET" || path.size() < 2 || path[0] != "api") return std::nullopt;
  const Result<Reply> reply = [&]() -> Result<Reply> {
    if (path.size() == 2 && path[1] == "services") return Services();
    if (path.size() == 2 && path[1] == "operations") return Operations(request.target);
    if (path.size() == 4 && path[1] == "services" && path[3] == "operations")
      return OperationNames(path[2]);
    if (path.size() == 2 && path[1] == "traces") return Search(request.target);
    if (path.size() == 3 && path[1] == "traces") return Trace(request.target);
    if (path.size() == 2 && path[1] == "dependencies") return Dependencies(request.target);
    return Reply{.status = 0, .content_type = {}, .body = {}, .headers = {}};
  }();
  if (!reply)
    return ErrorReply(StatusOf(reply.error().code),
                      MessageOf(reply.error(), pool_.options().query_ns));
  if (reply->status == 0) return std::nullopt;
  return *reply;
}

Result<Reply> JaegerApi::Services() const {
  const auto lease = pool_.Take();
  if (!lease) return std::unexpected(lease.error());
  const auto services = ReadServices(lease->stores());
  if (!services) return std::unexpected(services.error());
  return DataReply(services->size(), [&](JsonOut& json) {
    json.Array();
    for (const std::string& service : *services) json.Put(service);
    json.End();
  });
}

Result<Reply> JaegerApi::Operations(const Target& target) const {
  const std::string_view service = target.Get("service"), kind = target.Get("spanKind");
  if (service.empty()) return Fail(Code::kInvalid, "parameter 'service' is required");
  const auto lease = pool_.Take();
  if (!lease) return std::unexpected(lease.error());
  auto operations = ReadOperations(lease->stores(), service);
  if (!operations) return std::unexpected(operations.error());
  if (!kind.empty())
    std::erase_if(*operations, [&](const Operation& one) { return one.kind != kind; });
  return DataReply(operations->size(), [&](JsonOut& json) {
    json.Array();
    for (const Operation& one : *operations)
      json.Object().Field("name", one.name).Field("spanKind", one.kind).End();
    json.End();
  });
}

Result<Reply> JaegerApi::OperationNames(const std::string& service) const {
  const auto lease = pool_.Take();
  if (!lease) return std::unexpected(lease.error());
  auto operations = ReadOperations(lease->stores(), service);
  if (!operations) return std::unexpected(operations.error());
  // In order of names: those that differ in kind stand together.
  const auto same = std::ranges::unique(*operations, {}, &Operation::name);
  operations->erase(same.begin(), same.end());
  return DataReply(operations->size(), [&](JsonOut& json) {
    json.Array();
    for (const Operation& one : *operations) json.Put(one.name);
    json.End();
  });
}

Result<Reply> JaegerApi::Search(const Target& target) const {
  const auto query = ParseJaegerQuery(target, clock_.UnixNs());
  if (!query) return std::unexpected(query.error());
  const auto lease = pool_.Take();
  if (!lease) return std::unexpected(lease.error());
  const auto found = FindJaegerTraces(lease->stores(), *query);
  if (!found) return std::unexpected(found.error());
  JsonOut json;
  json.Object().Key("data").Array();
  for (const sql::StoredTrace& trace : found->traces) {
    const auto whole = ReadWhole(lease->stores(), trace);
    if (!whole) return std::unexpected(whole.error());
    if (whole->spans.empty()) continue;  // retention took it meanwhile
    sql::AppendJaegerJson(json.Slot(), whole->trace, whole->spans);
    if (json.size() > kMaxAnswerBytes) return std::unexpected(TooLarge());
  }
  json.End().Field("total", 0).Field("limit", 0).Field("offset", 0).Key("errors");
  if (found->missing.empty()) {
    json.Put(nullptr);
  } else {
    json.Array();
    for (const std::string& id : found->missing)
      json.Object().Field("msg", kNoTrace).Field("traceID", ShortId(id)).End();
    json.End();
  }
  json.End();
  Reply reply;
  reply.body = std::move(json).Take() + "\n";
  return reply;
}

Result<Reply> JaegerApi::Trace(const Target& target) const {
  const auto id = ParseJaegerTraceId(target.segments[2]);
  if (!id) return std::unexpected(id.error());
  for (const std::string_view name : {"start", "end"})
    if (const auto time = ParseJaegerTime(target, name, 1'000, 0); !time)
      return std::unexpected(time.error());
  const auto lease = pool_.Take();
  if (!lease) return std::unexpected(lease.error());
  auto trace = sql::FindTrace(lease->stores(), *id);
  if (!trace && trace.error().code == Code::kNotFound)
    return Fail(Code::kNotFound, std::string(kNoTrace));
  if (!trace) return std::unexpected(trace.error());
  const auto whole = ReadWhole(lease->stores(), std::move(*trace));
  if (!whole) return std::unexpected(whole.error());
  return DataReply(0, [&](JsonOut& json) {
    json.Array();
    sql::AppendJaegerJson(json.Slot(), whole->trace, whole->spans);
    json.End();
  });
}

Result<Reply> JaegerApi::Dependencies(const Target& target) const {
  static constexpr int64_t kDayNs = 86'400'000'000'000, kMsNs = 1'000'000;
  const auto end = ParseJaegerTime(target, "endTs", kMsNs, clock_.UnixNs());
  if (!end) return std::unexpected(end.error());
  const auto lookback = ParseJaegerTime(target, "lookback", kMsNs, kDayNs);
  if (!lookback) return std::unexpected(lookback.error());
  const std::string_view service = target.Get("service");
  const auto lease = pool_.Take();
  if (!lease) return std::unexpected(lease.error());
  const int64_t from = *end < INT64_MIN + *lookback ? INT64_MIN : *end - *lookback;
  auto graph = sql::ReadServiceGraph(lease->stores(), from, *end);
  if (!graph) return std::unexpected(graph.error());
  // Jaeger knows spans, and callers and callees that have some.
  std::erase_if(graph->edges, [&](const sql::GraphEdge& edge) {
    return edge.caller.empty() || !edge.traced ||
           (!service.empty() && edge.caller != service && edge.callee != service);
  });
  return DataReply(0, [&](JsonOut& json) {
    json.Array();
    for (const sql::GraphEdge& edge : graph->edges)
      json.Object()
          .Field("parent", edge.caller)
          .Field("child", edge.callee)
          .Field("callCount", edge.calls)
          .End();
    json.End();
  });
}

}  // namespace weft::serve
