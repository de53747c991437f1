// The class column of trace_rows and span_rows: a duration in half octaves plus the error bit, one
// byte that an index can search "at least 50 ms, failed" by. Stored: the numbers never change.
#pragma once

#include <bit>
#include <cstdint>
#include <string>

namespace weft::sql {

inline constexpr int kDurationClasses = 64;
inline constexpr int kErrorClass = 64;  // added for spans with status ERROR

// Half octaves above 1.024 us: 0 is "less than that", 63 everything from 52 minutes on. Ascending
// with the duration.
constexpr int DurationClass(int64_t duration_ns) {
  if (duration_ns < 1024) return 0;
  const auto ns = static_cast<uint64_t>(duration_ns);
  const int octave = static_cast<int>(std::bit_width(ns)) - 1;
  const int half = static_cast<int>(ns >> (octave - 1)) & 1;
  const int number = 2 * (octave - 10) + half + 1;
  return number < kDurationClasses ? number : kDurationClasses - 1;
}

constexpr int SpanClass(int64_t duration_ns, bool error) {
  return DurationClass(duration_ns) + (error ? kErrorClass : 0);
}

// Buckets of the histograms in minute_rows: sixteen an octave above 1.024 us, so that no bucket is
// wider than 6.3 % of its begin; 0 is "less", the last one everything from 36 minutes on.
inline constexpr int kDurationBuckets = 498;
constexpr int DurationBucket(int64_t duration_ns) {
  if (duration_ns < 1024) return 0;
  const auto ns = static_cast<uint64_t>(duration_ns);
  const int octave = static_cast<int>(std::bit_width(ns)) - 1;
  const int bucket = 16 * (octave - 10) + (static_cast<int>(ns >> (octave - 4)) & 15) + 1;
  return bucket < kDurationBuckets ? bucket : kDurationBuckets - 1;
}

// Row ids of span_rows: trace << kTraceShift | number in the trace.
inline constexpr int kTraceShift = 20;
// Traces of a block, by which the index of operations is divided; a new one begins after
// kBlockSpans spans as well. Known to schema/0003_blocks.sql.
inline constexpr int kBlockShift = 13;
inline constexpr uint64_t kBlockSpans = 100'000;
// What span_directory holds of a span id.
constexpr uint32_t SpanIdPrefix(uint64_t span_id) { return static_cast<uint32_t>(span_id >> 32); }
inline void AppendSpanIdPrefix(std::string& out, uint64_t span_id) {
  const uint32_t prefix = SpanIdPrefix(span_id);
  for (int shift = 0; shift < 32; shift += 8) out.push_back(static_cast<char>(prefix >> shift));
}

}  // namespace weft::sql
