// Rows of a span table as one line of text each, for tests that compare what two decoders made.
#pragma once

#include <algorithm>
#include <bit>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "engine/api/span_table.h"

namespace weft::test {

inline std::string ShowPair(const api::SpanTable& t, uint32_t pair) {
  const std::string_view key = t.strings.Text(t.pairs.key[pair]);
  const uint64_t value = t.pairs.value[pair];
  switch (t.pairs.type[pair]) {
    case WEFT_ATTR_INT: return fmt::format("{}={}", key, std::bit_cast<int64_t>(value));
    case WEFT_ATTR_DOUBLE: return fmt::format("{}={}d", key, std::bit_cast<double>(value));
    case WEFT_ATTR_BOOL: return fmt::format("{}={}", key, value != 0);
    default: return fmt::format("{}='{}'", key, t.strings.Text(static_cast<uint32_t>(value)));
  }
}

inline std::string ShowPairs(const api::SpanTable& t, uint32_t begin, uint32_t end,
                             const std::vector<uint32_t>& pairs) {
  std::vector<std::string> shown;
  for (uint32_t a = begin; a < end; ++a) shown.push_back(ShowPair(t, pairs[a]));
  std::ranges::sort(shown);
  return fmt::format("{}", fmt::join(shown, " "));
}

// Everything that OTLP says of a span.
inline std::string ShowRow(const api::SpanTable& t, uint32_t row) {
  const uint32_t p = t.process[row];
  return fmt::format(
      "{:016x}{:016x} {:016x} <- {:016x} {} '{}' {}..{} status {} flags {} {{{}}} of {} host '{}' "
      "exe '{}' pid {} {{{}}}",
      t.trace_hi[row], t.trace_lo[row], t.span_id[row], t.parent_id[row], t.kind[row],
      t.strings.Text(t.operation[row]), t.start_ns[row], t.end_ns[row], t.status[row], t.flags[row],
      ShowPairs(t, t.attr_offset[row], t.attr_offset[row + 1], t.attr),
      t.strings.Text(t.service[row]), t.strings.Text(t.processes.host[p]),
      t.strings.Text(t.processes.executable[p]), t.processes.pid[p],
      ShowPairs(t, t.processes.attr_offset[p], t.processes.attr_offset[p + 1], t.processes.attr));
}

inline std::vector<std::string> ShowRows(const api::SpanTable& t) {
  std::vector<std::string> out;
  for (uint32_t row = 0; row < t.n(); ++row) out.push_back(ShowRow(t, row));
  return out;
}

}  // namespace weft::test
