#include "sql/serve/page_api.h"

#include "sql/serve/answers.h"
#include "sql/serve/json_out.h"

namespace weft::serve {

std::optional<Reply> PageApi::Answer(const Request& request) const {
  const auto& path = request.target.segments;
  if (path.size() < 3 || path[0] != "api" || path[1] != "weft") return std::nullopt;
  const PageQuestion question{pool_, clock_, request};
  const std::string& what = path[2];
  const bool get = request.method == "GET";
  std::optional<Result<Reply>> reply;
  if (path.size() == 3 && get && what == "info") reply = AnswerInfo(question);
  if (path.size() == 3 && get && what == "search") reply = AnswerSearch(question);
  if (path.size() == 4 && get && what == "trace") reply = AnswerTrace(question, path[3]);
  if (path.size() == 4 && get && what == "explain") reply = AnswerExplain(question, path[3]);
  if (path.size() == 3 && get && what == "red") reply = AnswerRed(question);
  if (path.size() == 3 && get && what == "graph") reply = AnswerGraph(question);
  if (path.size() == 3 && get && what == "schema") reply = AnswerSchema(question);
  if (path.size() == 3 && request.method == "POST" && what == "sql") reply = AnswerSql(question);
  if (!reply) return std::nullopt;
  if (*reply) return **reply;
  Reply refusal;
  refusal.status = StatusOf(reply->error().code);
  JsonOut json;
  json.Object().Field("error", MessageOf(reply->error(), pool_.options().query_ns)).End();
  refusal.body = std::move(json).Take();
  return refusal;
}

}  // namespace weft::serve
