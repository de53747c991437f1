// PageApi: /api/weft/..., what the page asks. Not for others: it changes with the page, and says
// what Jaeger's API has no words for (confidence, evidence, critical path, decisions).
//
// Times are microseconds since 1970 (a browser's numbers hold no nanoseconds), durations and
// offsets in a trace nanoseconds. Immutable; any thread. Lent: the pool and the clock.
#pragma once

#include <optional>

#include "engine/base/clock.h"
#include "sql/serve/reader_pool.h"
#include "sql/serve/request.h"

namespace weft::serve {

class PageApi {
 public:
  PageApi(ReaderPool& pool, const Clock& clock) : pool_(pool), clock_(clock) {}

  // Nothing where it has no such path.
  std::optional<Reply> Answer(const Request& request) const;

 private:
  ReaderPool& pool_;
  const Clock& clock_;
};

// The parts: each in a file of its own. kNotFound, kInvalid, ... become replies in PageApi.
struct PageQuestion {
  ReaderPool& pool;
  const Clock& clock;
  const Request& request;
};
Result<Reply> AnswerInfo(const PageQuestion& question);                          // page_info.cc
Result<Reply> AnswerSearch(const PageQuestion& question);                        // page_search.cc
Result<Reply> AnswerTrace(const PageQuestion& question, std::string_view id);    // page_trace.cc
Result<Reply> AnswerExplain(const PageQuestion& question, std::string_view id);  // page_explain.cc
Result<Reply> AnswerRed(const PageQuestion& question);                           // page_red.cc
Result<Reply> AnswerGraph(const PageQuestion& question);
Result<Reply> AnswerSql(const PageQuestion& question);  // page_sql.cc
Result<Reply> AnswerSchema(const PageQuestion& question);

}  // namespace weft::serve
