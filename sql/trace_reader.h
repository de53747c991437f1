// Reading single traces and spans of a store: by id or a unique prefix of it.
//
// For the commands that show one trace, and tests. Functions over a Database that is open for
// reading; results own their text.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "engine/base/result.h"
#include "sql/database.h"

namespace weft::sql {

struct StoredTrace {
  size_t store = 0;  // of a StoreSet
  int64_t row = 0;
  std::string trace_id;            // 32 hex digits
  std::string service, operation;  // of the root; "" where none was seen
  int64_t start_ns = 0, duration_ns = 0;
  uint32_t spans = 0, errors = 0, flags = 0;
  double weight = 1;
  std::string rule;
};

struct StoredSpan {
  size_t store = 0;  // of a StoreSet
  int64_t row = 0;
  uint64_t span_id = 0, parent_id = 0;
  int64_t start_ns = 0, duration_ns = 0;  // 0 while open
  std::string service, operation, peer, node;
  uint8_t kind = 0, status = 0;
  uint32_t flags = 0, evidence = 0;
  double confidence = 0;
  int64_t pid = 0, request_tid = 0, response_tid = 0;
  std::string attributes;  // a JSON object

  int64_t trace_row() const;
  int64_t end_ns() const { return start_ns + duration_ns; }
};

struct StoredCandidate {
  uint64_t span_id = 0;
  double log_odds = 0;
  uint32_t evidence = 0;
};

std::string HexId(uint64_t id);
std::string TraceIdOf(std::string_view blob);
// "thread+delay"; "" for none. Bits as weft_evidence.
std::string EvidenceText(uint32_t evidence);

// kInvalid: several traces or spans (`what`) begin so; the message lists some of `matches`.
std::unexpected<Error> Ambiguous(std::string_view prefix, std::string_view what,
                                 const std::vector<std::string>& matches);

Result<StoredTrace> ReadTrace(const Database& db, int64_t row);
// By the beginning of its id. kInvalid: no hex digits, or several traces begin so (named in the
// message); kNotFound.
Result<StoredTrace> FindTrace(const Database& db, std::string_view prefix);
// Its spans by start time.
Result<std::vector<StoredSpan>> ReadSpans(const Database& db, int64_t trace_row);
// By the beginning of its id, in all traces; errors as FindTrace.
Result<StoredSpan> FindSpan(const Database& db, std::string_view prefix);
// The span of that exact id, wherever it is. kNotFound.
Result<StoredSpan> ReadSpan(const Database& db, uint64_t span_id);
// What was weighed for its parent, best first; empty where there was no choice.
Result<std::vector<StoredCandidate>> ReadCandidates(const Database& db, int64_t span_row);

}  // namespace weft::sql
