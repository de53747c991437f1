// Compiled twice: into weft, and with WEFT_SQL_EXTENSION into the loadable extension, whose calls
// go through the table that the host program hands over.
#ifdef WEFT_SQL_EXTENSION
#include <sqlite3ext.h>
extern const sqlite3_api_routines* sqlite3_api;
#else
#include <sqlite3.h>
#endif

#include "sql/functions.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <ctime>
#include <string>
#include <string_view>

#include <fmt/format.h>

#include "engine/base/units.h"
#include "sql/json_member.h"

namespace weft::sql {
namespace {

using Context = sqlite3_context;
using Value = sqlite3_value;

std::string_view Text(Value* value) {
  const void* const text = sqlite3_value_text(value);
  const auto size = static_cast<size_t>(sqlite3_value_bytes(value));
  return {static_cast<const char*>(text), text ? size : 0};
}

void Answer(Context* context, std::string_view text) {
  sqlite3_result_text64(context, text.data(), text.size(), SQLITE_TRANSIENT, SQLITE_UTF8);
}

void Fail(Context* context, const std::string& message) {
  sqlite3_result_error(context, message.c_str(), static_cast<int>(message.size()));
}

void TraceIdText(Context* context, int, Value** value) {
  const void* const blob = sqlite3_value_blob(value[0]);
  const auto size = static_cast<size_t>(sqlite3_value_bytes(value[0]));
  std::string hex;
  for (const char c : std::string_view(static_cast<const char*>(blob), blob ? size : 0))
    hex += fmt::format("{:02x}", static_cast<unsigned char>(c));
  Answer(context, hex);
}

void SpanIdText(Context* context, int, Value** value) {
  Answer(context, fmt::format("{:016x}", static_cast<uint64_t>(sqlite3_value_int64(value[0]))));
}

void SpanId(Context* context, int, Value** value) {
  const std::string_view text = Text(value[0]);
  uint64_t id = 0;
  const auto read = std::from_chars(text.data(), text.data() + text.size(), id, 16);
  if (text.empty() || read.ec != std::errc{} || read.ptr != text.data() + text.size())
    return Fail(context, fmt::format("span_id('{}'): expected 16 hex digits", text));
  sqlite3_result_int64(context, static_cast<int64_t>(id));
}

void DurationText(Context* context, int, Value** value) {
  Answer(context, ShortDuration(sqlite3_value_int64(value[0])));
}

void Duration(Context* context, int, Value** value) {
  const auto ns = ParseDuration(Text(value[0]));
  if (!ns) return Fail(context, "duration: " + ns.error().message);
  sqlite3_result_int64(context, *ns);
}

void TimeText(Context* context, int, Value** value) {
  const int64_t ns = sqlite3_value_int64(value[0]);
  const std::time_t seconds = ns / 1'000'000'000;
  std::tm tm{};
  gmtime_r(&seconds, &tm);
  char text[40];
  const size_t size = std::strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S", &tm);
  Answer(context, fmt::format("{}.{:03}", std::string_view(text, size), ns / 1'000'000 % 1'000));
}

void Attribute(Context* context, int, Value** value) {
  const JsonMember member = FindMember(Text(value[0]), Text(value[1]));
  switch (member.kind) {
    case JsonMember::kNone:
    case JsonMember::kNull: return;
    case JsonMember::kTrue:
    case JsonMember::kFalse: return sqlite3_result_int(context, member.kind == JsonMember::kTrue);
    case JsonMember::kNested: return Answer(context, member.raw);
    case JsonMember::kText: return Answer(context, Unescape(member.raw));
    case JsonMember::kNumber: break;
  }
  const char* const end = member.raw.data() + member.raw.size();
  int64_t whole = 0;
  double number = 0;
  if (const auto read = std::from_chars(member.raw.data(), end, whole);
      read.ec == std::errc{} && read.ptr == end)
    return sqlite3_result_int64(context, whole);
  if (std::from_chars(member.raw.data(), end, number).ec == std::errc{})
    sqlite3_result_double(context, number);
}

// Of an aggregate: SQLite gives room for it, zeroed. The values are SQLite's memory, so that they
// count where it is limited.
struct Sample {
  double* values;
  uint64_t count, room;
  double percent;
};

void PercentileStep(Context* context, int, Value** value) noexcept {
  auto* const sample = static_cast<Sample*>(sqlite3_aggregate_context(context, sizeof(Sample)));
  if (!sample) return sqlite3_result_error_nomem(context);
  sample->percent = sqlite3_value_double(value[1]);
  if (sqlite3_value_type(value[0]) == SQLITE_NULL) return;
  if (sample->count == sample->room) {
    const uint64_t room = std::max<uint64_t>(64, sample->room * 2);
    void* const more = sqlite3_realloc64(sample->values, room * sizeof(double));
    if (!more) return sqlite3_result_error_nomem(context);
    sample->values = static_cast<double*>(more);
    sample->room = room;
  }
  sample->values[sample->count++] = sqlite3_value_double(value[0]);
}

void PercentileFinal(Context* context) noexcept {
  auto* const sample = static_cast<Sample*>(sqlite3_aggregate_context(context, 0));
  if (!sample) return;
  if (!(sample->percent >= 0 && sample->percent <= 100)) {
    Fail(context, "percentile: the second argument is a percentage, 0 to 100");
  } else if (sample->count != 0) {
    const auto n = static_cast<double>(sample->count);
    const auto rank = static_cast<size_t>(std::max(std::ceil(n * sample->percent / 100), 1.0));
    std::nth_element(sample->values, sample->values + (rank - 1), sample->values + sample->count);
    sqlite3_result_double(context, sample->values[rank - 1]);
  }
  sqlite3_free(sample->values);
}

using Scalar = void (*)(Context*, int, Value**);

// NULL in, NULL out; nothing is thrown into SQLite.
template <Scalar function>
void Guarded(Context* context, int n, Value** value) noexcept {
  for (int i = 0; i < n; ++i)
    if (sqlite3_value_type(value[i]) == SQLITE_NULL) return;
  try {
    function(context, n, value);
  } catch (...) {
    sqlite3_result_error_nomem(context);
  }
}

}  // namespace

int RegisterFunctions(sqlite3* db) {
  static constexpr int kFlags = SQLITE_UTF8 | SQLITE_DETERMINISTIC | SQLITE_INNOCUOUS;
  const struct {
    const char* name;
    int arguments;
    Scalar function;
  } all[] = {
      {"trace_id_text", 1, Guarded<TraceIdText>},
      {"span_id_text", 1, Guarded<SpanIdText>},
      {"span_id", 1, Guarded<SpanId>},
      {"duration_text", 1, Guarded<DurationText>},
      {"duration", 1, Guarded<Duration>},
      {"time_text", 1, Guarded<TimeText>},
      {"attribute", 2, Guarded<Attribute>},
  };
  for (const auto& f : all) {
    const int rc = sqlite3_create_function_v2(db, f.name, f.arguments, kFlags, nullptr, f.function,
                                              nullptr, nullptr, nullptr);
    if (rc != SQLITE_OK) return rc;
  }
  return sqlite3_create_function_v2(db, "percentile", 2, kFlags, nullptr, nullptr, PercentileStep,
                                    PercentileFinal, nullptr);
}

}  // namespace weft::sql
