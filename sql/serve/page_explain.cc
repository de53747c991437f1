// GET /api/weft/explain/SPAN: why a span has its parent, as `weft explain` says it.
#include "sql/explanation.h"
#include "sql/serve/page_api.h"
#include "sql/serve/page_json.h"

namespace weft::serve {
namespace {

void PutParent(JsonOut& json, const sql::Explanation& why) {
  json.Key("parent");
  if (why.span.parent_id == 0) {
    json.Put(nullptr);
    return;
  }
  json.Object().Field("id", sql::HexId(why.span.parent_id));
  json.Field("stored", why.parent.has_value());
  if (why.parent) {
    json.Field("service", why.parent->service).Field("operation", why.parent->operation);
    json.Field("before_ns", why.span.start_ns - why.parent->start_ns);
  }
  json.End();
}

void PutWeighed(JsonOut& json, const sql::Explanation& why) {
  json.Key("candidates").Array();
  for (const auto& [candidate, stored, share, chosen] : why.weighed) {
    json.Object();
    json.Field("id", candidate.span_id == 0 ? std::string() : sql::HexId(candidate.span_id));
    json.Field("service", stored ? stored->service : std::string());
    json.Field("operation", stored ? stored->operation : std::string()).Key("before_ns");
    if (stored)
      json.Put(why.span.start_ns - stored->start_ns);
    else
      json.Put(nullptr);
    json.Field("log_odds", candidate.log_odds).Field("share", share).Key("evidence");
    PutEvidence(json, candidate.evidence);
    json.Field("chosen", chosen).End();
  }
  json.End();
}

}  // namespace

Result<Reply> AnswerExplain(const PageQuestion& question, std::string_view id) {
  const auto lease = question.pool.Take();
  if (!lease) return std::unexpected(lease.error());
  const auto why = sql::Explain(lease->stores(), id);
  if (!why) return std::unexpected(why.error());
  JsonOut json;
  json.Object().Field("decision", why->decision).Field("no_parent", why->no_parent);
  PutParent(json, *why);
  json.Key("because").Array();
  for (const std::string_view reason : why->because) json.Put(reason);
  json.End();
  PutWeighed(json, *why);
  json.End();
  Reply reply;
  reply.body = std::move(json).Take();
  return reply;
}

}  // namespace weft::serve
