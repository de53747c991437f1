// WindowTable: one window of spans as a table of an in-memory SQLite database, and the user's query
// over it.
//
//   spans(row, role, kind, wants_parent, span_id, parent_id, start_ns, end_ns, service, operation,
//         peer, protocol, status, connection, local_address, local_port, remote_address,
//         remote_port, fd, request_tid, response_tid, request_bytes, response_bytes, request_id)
//
// The query is a single SELECT whose first three columns are: row of the call, row of the request
// that may have caused it (NULL: none here), log-odds. It can read the table and nothing else: no
// file, no other database, no writing. One thread; throws sdk::ConfigError for a wrong query.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <sqlite3.h>

#include "engine/api/plugin.h"

namespace weft::plugins::sql {

struct Voice {
  uint32_t call, request;  // WEFT_NONE: none
  float log_odds;
};

class WindowTable {
 public:
  explicit WindowTable(const std::string& query);
  WindowTable(const WindowTable&) = delete;
  WindowTable& operator=(const WindowTable&) = delete;

  enum class Outcome { kDone, kTooLong, kTooMany, kFailed };
  // Runs the query over the window until deadline_ns of the host's clock; at most max_voices rows
  // of it that make sense go to *out. With any other outcome than kDone nothing should be said.
  Outcome Ask(const weft_spans& window, const sdk::Host& host, uint64_t deadline_ns,
              size_t max_voices, std::vector<Voice>* out);
  uint64_t senseless() const { return senseless_; }  // rows of the last Ask that name no such spans
  std::string failure() const { return sqlite3_errmsg(db_.get()); }

 private:
  struct CloseDatabase {
    void operator()(sqlite3* db) const { sqlite3_close_v2(db); }
  };
  struct Finalize {
    void operator()(sqlite3_stmt* s) const { sqlite3_finalize(s); }
  };
  using Statement = std::unique_ptr<sqlite3_stmt, Finalize>;

  Statement Prepare(const std::string& text) const;
  bool Fill(const weft_spans& window);
  void BindRow(const weft_spans& window, uint32_t row);
  bool Read(const weft_spans& window, std::vector<Voice>* out);

  std::unique_ptr<sqlite3, CloseDatabase> db_;
  Statement insert_, clear_, query_;
  const sdk::Host* host_ = nullptr;
  uint64_t deadline_ns_ = 0, senseless_ = 0;
};

}  // namespace weft::plugins::sql
