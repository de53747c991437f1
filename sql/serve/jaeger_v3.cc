#include "sql/serve/jaeger_v3.h"

#include <fmt/format.h>

#include "sql/serve/answers.h"
#include "sql/serve/jaeger_search.h"
#include "sql/serve/json_out.h"
#include "sql/trace_json.h"

namespace weft::serve {
namespace {

struct Name {
  std::string_view snake, camel;
};
constexpr Name kService = {"query.service_name", "query.serviceName"};
constexpr Name kOperation = {"query.operation_name", "query.operationName"};
constexpr Name kFrom = {"query.start_time_min", "query.startTimeMin"};
constexpr Name kTo = {"query.start_time_max", "query.startTimeMax"};
constexpr Name kLimit = {"query.num_traces", "query.searchDepth"};
constexpr Name kMin = {"query.duration_min", "query.durationMin"};
constexpr Name kMax = {"query.duration_max", "query.durationMax"};

std::string_view Get(const Target& target, const Name& name) {
  const std::string_view snake = target.Get(name.snake);
  return snake.empty() ? target.Get(name.camel) : snake;
}

Error Malformed(std::string_view name, const Error& error) {
  return {Code::kInvalid, fmt::format("malformed parameter {}: {}", name, error.message)};
}

// Leaves what is not given as it is.
template <typename Parse>
Result<void> Read(const Target& target, const Name& name, const Parse& parse, int64_t* out) {
  const std::string_view text = Get(target, name);
  if (text.empty()) return {};
  const Result<int64_t> value = parse(text);
  if (!value) return std::unexpected(Malformed(name.snake, value.error()));
  *out = *value;
  return {};
}

Result<JaegerQuery> ParseSearch(const Target& target) {
  JaegerQuery query;
  query.service = Get(target, kService);
  query.operation = Get(target, kOperation);
  if (Get(target, kFrom).empty() || Get(target, kTo).empty())
    return Fail(Code::kInvalid, fmt::format("{} and {} are required", kFrom.snake, kTo.snake));
  WEFT_TRY(Read(target, kFrom, ParseRfc3339, &query.from_ns));
  WEFT_TRY(Read(target, kTo, ParseRfc3339, &query.to_ns));
  WEFT_TRY(Read(target, kLimit, ParseGoInt, &query.limit));
  WEFT_TRY(Read(target, kMin, ParseGoDuration, &query.min_duration_ns));
  WEFT_TRY(Read(target, kMax, ParseGoDuration, &query.max_duration_ns));
  for (const std::string_view json : target.All("query.attributes"))
    WEFT_TRY(AddJaegerTags(json, &query.tags));
  return query;
}

Reply JsonReply(JsonOut json, int status) {
  Reply reply;
  reply.status = status;
  reply.body = std::move(json).Take();
  return reply;
}

Reply ErrorReply(int status, std::string_view message) {
  JsonOut json;
  json.Object().Key("error").Object().Field("httpCode", status).Field("message", message);
  json.End().End();
  return JsonReply(std::move(json), status);
}

}  // namespace

std::optional<Reply> JaegerV3::Answer(const Request& request) const {
  const auto& path = request.target.segments;
  if (request.method != "GET" || path.size() < 3 || path[0] != "api" || path[1] != "v3")
    return std::nullopt;
  std::optional<Result<Reply>> reply;
  if (path.size() == 3 && path[2] == "services") reply = Services();
  if (path.size() == 3 && path[2] == "operations") reply = Operations(request.target);
  if (path.size() == 3 && path[2] == "traces") {
    const auto query = ParseSearch(request.target);
    reply = query ? Traces(*query) : std::unexpected(query.error());
  }
  if (path.size() == 4 && path[2] == "traces") {
    JaegerQuery query;
    const auto id = ParseJaegerTraceId(path[3]);
    if (id) query.trace_ids.push_back(*id);
    reply = id ? Traces(query) : std::unexpected(Malformed("trace_id", id.error()));
  }
  if (!reply) return std::nullopt;
  if (*reply) return **reply;
  return ErrorReply(StatusOf(reply->error().code),
                    MessageOf(reply->error(), pool_.options().query_ns));
}

Result<Reply> JaegerV3::Services() const {
  const auto lease = pool_.Take();
  if (!lease) return std::unexpected(lease.error());
  const auto services = ReadServices(lease->stores());
  if (!services) return std::unexpected(services.error());
  JsonOut json;
  json.Object().Key("services").Array();
  for (const std::string& service : *services) json.Put(service);
  json.End().End();
  return JsonReply(std::move(json), 200);
}

Result<Reply> JaegerV3::Operations(const Target& target) const {
  const std::string_view kind = Get(target, {"span_kind", "spanKind"});
  const auto lease = pool_.Take();
  if (!lease) return std::unexpected(lease.error());
  const auto operations = ReadOperations(lease->stores(), target.Get("service"));
  if (!operations) return std::unexpected(operations.error());
  JsonOut json;
  json.Object().Key("operations").Array();
  for (const Operation& one : *operations)
    if (kind.empty() || one.kind == kind)
      json.Object().Field("name", one.name).Field("spanKind", one.kind).End();
  json.End().End();
  return JsonReply(std::move(json), 200);
}

Result<Reply> JaegerV3::Traces(const JaegerQuery& query) const {
  const auto lease = pool_.Take();
  if (!lease) return std::unexpected(lease.error());
  const auto found = FindJaegerTraces(lease->stores(), query);
  if (!found) return std::unexpected(found.error());
  if (found->traces.empty()) return Fail(Code::kNotFound, "No traces found");
  JsonOut json;
  json.Object().Key("result").Object().Key("resourceSpans").Array();
  for (const sql::StoredTrace& trace : found->traces) {
    const auto whole = ReadWhole(lease->stores(), trace);
    if (!whole) return std::unexpected(whole.error());
    if (whole->spans.empty()) continue;  // retention took it meanwhile
    sql::AppendResourceSpans(json.Slot(), whole->trace, whole->spans);
    if (json.size() > kMaxAnswerBytes)
      return Fail(Code::kFull, fmt::format("the answer has more than {} MB; ask for fewer traces",
                                           kMaxAnswerBytes >> 20));
  }
  json.End().End().End();
  return JsonReply(std::move(json), 200);
}

}  // namespace weft::serve
