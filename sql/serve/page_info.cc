// GET /api/weft/info: what there is to ask about, for the page's head and search form.
#include <algorithm>

#include "sql/serve/answers.h"
#include "sql/serve/json_out.h"
#include "sql/serve/page_api.h"

namespace weft::serve {

Result<Reply> AnswerInfo(const PageQuestion& question) {
  const auto lease = question.pool.Take();
  if (!lease) return std::unexpected(lease.error());
  const sql::StoreSet& stores = lease->stores();
  int64_t newest = 0, oldest = INT64_MAX;
  for (const sql::Database& db : stores) {
    newest = std::max(newest, db.QueryInt("SELECT max(start_ns) FROM trace_rows").value_or(0));
    const int64_t first = db.QueryInt("SELECT min(start_ns) FROM trace_rows").value_or(0);
    if (first > 0) oldest = std::min(oldest, first);
  }
  JsonOut json;
  json.Object().Field("store", stores.Name()).Field("now_us", question.clock.UnixNs() / 1'000);
  json.Field("newest_us", newest / 1'000);
  json.Field("oldest_us", oldest == INT64_MAX ? 0 : oldest / 1'000);
  json.Key("unread").Array();
  for (const Error& error : stores.unread()) json.Put(error.message);
  json.End();
  const auto services = ReadServices(stores);
  if (!services) return std::unexpected(services.error());
  json.Key("services").Array();
  for (const std::string& service : *services) {
    auto operations = ReadOperations(stores, service);
    if (!operations) return std::unexpected(operations.error());
    const auto same = std::ranges::unique(*operations, {}, &Operation::name);
    operations->erase(same.begin(), same.end());
    json.Object().Field("name", service).Key("operations").Array();
    for (const Operation& one : *operations) json.Put(one.name);
    json.End().End();
  }
  json.End().End();
  Reply reply;
  reply.body = std::move(json).Take();
  return reply;
}

}  // namespace weft::serve
