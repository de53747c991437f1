// GET /api/weft/trace/ID: one trace with everything that its waterfall, flame graph and span
// details show. A unique prefix of the id is enough.
#include <algorithm>

#include "sql/serve/answers.h"
#include "sql/serve/page_api.h"
#include "sql/serve/page_json.h"
#include "sql/set_reader.h"
#include "sql/trace_times.h"

namespace weft::serve {
namespace {

void PutSpan(JsonOut& json, const WholeTrace& whole, size_t i, const sql::SpanTimes& times,
             bool cause) {
  const sql::StoredSpan& s = whole.spans[i];
  json.Object().Field("id", sql::HexId(s.span_id));
  json.Field("parent", s.parent_id == 0 ? std::string() : sql::HexId(s.parent_id));
  json.Field("service", s.service).Field("operation", s.operation);
  json.Field("kind", KindName(s.kind)).Field("error", s.status == 2);
  json.Field("start_ns", s.start_ns - whole.trace.start_ns).Field("duration_ns", s.duration_ns);
  json.Field("self_ns", times.self_ns).Field("path_ns", times.path_ns);
  json.Field("on_path", times.on_path).Field("orphan", times.orphan).Field("cause", cause);
  json.Field("confidence", s.confidence).Key("evidence");
  PutEvidence(json, s.evidence);
  json.Key("flags");
  PutFlags(json, s.flags);
  json.Field("peer", s.peer).Field("node", s.node).Field("pid", s.pid);
  json.Field("request_tid", s.request_tid).Field("response_tid", s.response_tid);
  json.Key("attributes").Raw(s.attributes).End();
}

}  // namespace

Result<Reply> AnswerTrace(const PageQuestion& question, std::string_view id) {
  const auto lease = question.pool.Take();
  if (!lease) return std::unexpected(lease.error());
  auto trace = sql::FindTrace(lease->stores(), id);
  if (!trace) return std::unexpected(trace.error());
  const auto whole = ReadWhole(lease->stores(), std::move(*trace));
  if (!whole) return std::unexpected(whole.error());
  const std::vector<sql::SpanTimes> times = sql::TimesOf(whole->spans);
  const std::vector<size_t> causes = sql::ErrorCauses(whole->spans);
  JsonOut json;
  json.Object().Key("trace").Object();
  PutTraceFields(json, whole->trace);
  json.End().Key("spans").Array();
  for (size_t i = 0; i < whole->spans.size(); ++i) {
    PutSpan(json, *whole, i, times[i], std::ranges::find(causes, i) != causes.end());
    if (json.size() > kMaxAnswerBytes)
      return Fail(Code::kFull, "the trace is too large to be shown; `weft trace` shows it");
  }
  json.End().End();
  Reply reply;
  reply.body = std::move(json).Take();
  return reply;
}

}  // namespace weft::serve
