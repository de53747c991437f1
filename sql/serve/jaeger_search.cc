#include "sql/serve/jaeger_search.h"

#include <algorithm>
#include <optional>

#include "sql/json_member.h"
#include "sql/serve/answers.h"
#include "sql/set_reader.h"

namespace weft::serve {
namespace {

constexpr int64_t kMostTraces = 1'500;
// What is looked at after the search makes it find less: so many times as much is asked for.
constexpr size_t kSpare = 10;
constexpr uint8_t kError = 2;

// The text that Jaeger compares a tag with: a fact of the span that has no attribute.
std::optional<std::string> Fact(const sql::StoredSpan& span, std::string_view tag) {
  if (tag == "error") return span.status == kError ? "true" : "false";
  if (tag == "otel.status_code") return span.status == kError ? "ERROR" : "";
  if (tag == "span.kind") return std::string(KindName(span.kind));
  if (tag == "peer.address") return span.peer;
  if (tag == "host.name") return span.node;
  if (tag == "process.pid") return std::to_string(span.pid);
  return std::nullopt;
}

bool IsFact(std::string_view tag) { return Fact(sql::StoredSpan{}, tag).has_value(); }

std::string AttributeText(const sql::StoredSpan& span, std::string_view key) {
  const sql::JsonMember member = sql::FindMember(span.attributes, key);
  return member.kind == sql::JsonMember::kText ? sql::Unescape(member.raw)
                                               : std::string(member.raw);
}

// As the search itself: one span has it all.
bool Matches(const sql::StoredSpan& span, const JaegerQuery& query) {
  if (!query.service.empty() && span.service != query.service) return false;
  if (!query.operation.empty() && span.operation != query.operation) return false;
  if (span.duration_ns < query.min_duration_ns) return false;
  if (query.max_duration_ns > 0 && span.duration_ns > query.max_duration_ns) return false;
  return std::ranges::all_of(query.tags, [&](const auto& tag) {
    const auto fact = Fact(span, tag.first);
    return (fact ? *fact : AttributeText(span, tag.first)) == tag.second;
  });
}

Result<JaegerTraces> ById(const sql::StoreSet& stores, const JaegerQuery& query) {
  JaegerTraces out;
  for (const std::string& id : query.trace_ids) {
    Result<sql::StoredTrace> trace = sql::FindTrace(stores, id);
    if (trace)
      out.traces.push_back(std::move(*trace));
    else if (trace.error().code == Code::kNotFound)
      out.missing.push_back(id);
    else
      return std::unexpected(trace.error());
  }
  return out;
}

sql::TraceFilter FilterOf(const JaegerQuery& query) {
  sql::TraceFilter filter;
  filter.service = query.service;
  filter.operation = query.operation;
  filter.min_duration_ns = std::max<int64_t>(query.min_duration_ns, 0);
  if (query.max_duration_ns > 0) filter.max_duration_ns = query.max_duration_ns;
  filter.from_ns = query.from_ns;
  filter.to_ns = query.to_ns;
  filter.limit = static_cast<size_t>(std::clamp<int64_t>(query.limit, 0, kMostTraces));
  return filter;
}

}  // namespace

Result<JaegerTraces> FindJaegerTraces(const sql::StoreSet& stores, const JaegerQuery& query) {
  if (!query.trace_ids.empty()) return ById(stores, query);
  sql::TraceFilter filter = FilterOf(query);
  const size_t wanted = filter.limit;
  if (wanted == 0) return JaegerTraces{};
  bool look = false;
  for (const auto& [key, value] : query.tags) {
    const bool errors = key == "error" && value == "true";
    filter.errors = filter.errors || errors;
    if (IsFact(key) || key.find('"') != key.npos)
      look = look || !errors;
    else
      filter.attributes.emplace_back(key, value);
  }
  if (look) filter.limit *= kSpare;
  Result<std::vector<sql::StoredTrace>> found = sql::SearchTraces(stores, filter);
  if (!found) return std::unexpected(found.error());
  JaegerTraces out;
  for (sql::StoredTrace& trace : *found) {
    if (out.traces.size() == wanted) break;
    if (look) {
      const auto spans = sql::ReadSpans(stores[trace.store], trace.row);
      if (!spans) return std::unexpected(spans.error());
      if (std::ranges::none_of(*spans, [&](const auto& s) { return Matches(s, query); })) continue;
    }
    out.traces.push_back(std::move(trace));
  }
  return out;
}

}  // namespace weft::serve
