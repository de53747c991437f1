// GET /api/weft/search: traces for the table and the scatter plot, newest first.
#include "sql/serve/answers.h"
#include "sql/serve/page_api.h"
#include "sql/serve/page_json.h"
#include "sql/serve/page_query.h"
#include "sql/set_reader.h"
#include "sql/span_class.h"

namespace weft::serve {
namespace {

// Who took part, by number of spans.
Result<void> PutServices(JsonOut& json, sql::Statement& rows, int64_t trace) {
  rows.Bind(1, trace << sql::kTraceShift);
  rows.Bind(2, (trace + 1) << sql::kTraceShift);
  json.Array();
  for (;;) {
    const Result<bool> row = rows.Step();
    if (!row) return std::unexpected(row.error());
    if (!*row) break;
    json.Object().Field("name", rows.Text(0)).Field("spans", rows.Int(1));
    json.Field("errors", rows.Int(2)).End();
  }
  json.End();
  return {};
}

}  // namespace

Result<Reply> AnswerSearch(const PageQuestion& question) {
  const auto filter = ParsePageQuery(question.request.target, question.clock.UnixNs());
  if (!filter) return std::unexpected(filter.error());
  const auto lease = question.pool.Take();
  if (!lease) return std::unexpected(lease.error());
  const sql::StoreSet& stores = lease->stores();
  const auto traces = sql::SearchTraces(stores, *filter);
  if (!traces) return std::unexpected(traces.error());
  std::vector<sql::Statement> services;
  for (const sql::Database& db : stores) {
    auto rows = db.Prepare(
        "SELECT o.service, count(*), sum(s.status = 2) FROM span_rows s"
        " JOIN operations o ON o.id = s.operation WHERE s.id >= ?1 AND s.id < ?2"
        " GROUP BY 1 ORDER BY 2 DESC, 1");
    if (!rows) return std::unexpected(rows.error());
    services.push_back(std::move(*rows));
  }
  JsonOut json;
  json.Object().Field("limit", filter->limit).Key("traces").Array();
  for (const sql::StoredTrace& trace : *traces) {
    json.Object();
    PutTraceFields(json, trace);
    json.Key("services");
    WEFT_TRY(PutServices(json, services[trace.store], trace.row));
    json.End();
  }
  json.End().End();
  Reply reply;
  reply.body = std::move(json).Take();
  return reply;
}

}  // namespace weft::serve
