#include "plugins/sampling/trace_batch_keys.h"

namespace weft::sampling {
namespace {

std::string_view Text(const weft_spans& spans, uint32_t index) {
  const weft_str& s = spans.strings[index];
  return {s.data, static_cast<size_t>(s.size)};
}

}  // namespace

bool ParseKeyOf(std::string_view text, KeyOf* out) {
  if (text == "all") return *out = KeyOf::kAll, true;
  if (text == "service") return *out = KeyOf::kService, true;
  if (text == "operation") return *out = KeyOf::kOperation, true;
  return false;
}

uint32_t RowOfTrace(const weft_traces& traces, uint32_t trace) {
  const uint32_t root = traces.root_row[trace];
  return root == WEFT_NONE ? traces.first_row[trace] : root;
}

uint64_t BatchKey(KeyOf of, const weft_spans& spans, uint32_t row) {
  if (of == KeyOf::kAll) return 0;
  const uint64_t service = spans.service[row];
  return of == KeyOf::kService ? service : service << 32 | spans.operation[row];
}

std::string KeyText(KeyOf of, const weft_spans& spans, uint32_t row) {
  if (of == KeyOf::kAll) return {};
  std::string key(Text(spans, spans.service[row]));
  if (of == KeyOf::kOperation) key.append("\n").append(Text(spans, spans.operation[row]));
  return key;
}

}  // namespace weft::sampling
