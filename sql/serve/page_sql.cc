// POST /api/weft/sql: one statement; GET /api/weft/schema: what there is to ask.
#include <map>

#include "sql/embedded_sql.h"
#include "sql/serve/page_api.h"
#include "sql/serve/page_json.h"
#include "sql/serve/sql_box.h"
#include "sql/serve/view_docs.h"

namespace weft::serve {

Result<Reply> AnswerSql(const PageQuestion& question) {
  auto lease = question.pool.Take();
  if (!lease) return std::unexpected(lease.error());
  const int64_t begin = question.clock.MonotonicNs();
  JsonOut json;
  json.Object();
  const bool plan = !question.request.target.Get("plan").empty();
  WEFT_TRY(RunSql(*lease, question.request.body, plan, json));
  json.Field("took_ns", question.clock.MonotonicNs() - begin).End();
  Reply reply;
  reply.body = std::move(json).Take();
  return reply;
}

Result<Reply> AnswerSchema(const PageQuestion& question) {
  auto lease = question.pool.Take();
  if (!lease) return std::unexpected(lease.error());
  const auto db = lease->Sql();
  if (!db) return std::unexpected(db.error());
  std::vector<ViewDoc> docs;
  for (const sql::SqlFile& file : sql::ViewFiles()) AppendViewDocs(file.text, docs);
  auto columns = (*db)->Prepare("SELECT name, type FROM pragma_table_info(?1)");
  if (!columns) return std::unexpected(columns.error());
  JsonOut json;
  json.Object().Key("views").Array();
  for (const ViewDoc& doc : docs) {
    json.Object().Field("name", doc.name).Field("text", doc.text);
    json.Field("question", doc.question).Field("example", doc.example).Key("columns").Array();
    columns->Bind(1, std::string_view(doc.name));
    for (;;) {
      const Result<bool> row = columns->Step();
      if (!row) return std::unexpected(row.error());
      if (!*row) break;
      json.Put(columns->Text(0));
    }
    json.End().End();
  }
  json.End().End();
  Reply reply;
  reply.body = std::move(json).Take();
  return reply;
}

}  // namespace weft::serve
