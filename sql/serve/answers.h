// What the read APIs have in common: services, operations and traces out of all stores of a lease,
// bounded, and errors as replies. Functions over what they are lent.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "engine/base/result.h"
#include "sql/serve/reader_pool.h"
#include "sql/serve/request.h"
#include "sql/trace_reader.h"

namespace weft::serve {

// Larger answers are refused (kFull): they would take the memory of the machine, or the browser's.
inline constexpr size_t kMaxAnswerBytes = 64 << 20;
inline constexpr uint32_t kMaxTraceSpans = 100'000;

// OpenTelemetry's SpanKind in small letters: "server"; "" for what has none.
std::string_view KindName(int64_t kind);

Result<std::vector<std::string>> ReadServices(const sql::StoreSet& stores);
struct Operation {
  std::string name;
  std::string kind;
  auto operator<=>(const Operation&) const = default;
};
// Of one service, or of all for "".
Result<std::vector<Operation>> ReadOperations(const sql::StoreSet& stores,
                                              std::string_view service);

struct WholeTrace {
  sql::StoredTrace trace;
  std::vector<sql::StoredSpan> spans;
};
// kFull where it has more than kMaxTraceSpans.
Result<WholeTrace> ReadWhole(const sql::StoreSet& stores, sql::StoredTrace trace);

int StatusOf(Code code);
// For people, about a failed query: says what time it had and what may help.
std::string MessageOf(const Error& error, int64_t query_ns);

}  // namespace weft::serve
