#include "plugins/sampling/trace_bytes.h"

namespace weft::sampling {
namespace {

uint64_t Varint(uint64_t value) {
  uint64_t bytes = 1;
  for (; value >= 0x80; value >>= 7) ++bytes;
  return bytes;
}

// A field that has a length: tag, length, content.
uint64_t Field(uint64_t size) { return 1 + Varint(size) + size; }

uint64_t Attribute(uint64_t key, uint64_t value) { return Field(Field(key) + Field(value)); }

}  // namespace

void TraceBytes::Begin(const weft_spans& spans) {
  spans_ = &spans;
  const uint32_t pairs = spans.pairs == nullptr ? 0 : spans.pairs->n;
  pair_bytes_.resize(pairs);
  for (uint32_t i = 0; i < pairs; ++i) {
    const uint64_t value = spans.pairs->value[i];
    uint64_t size = 9;  // a double
    if (spans.pairs->type[i] == WEFT_ATTR_STRING) size = Field(spans.strings[value].size);
    if (spans.pairs->type[i] == WEFT_ATTR_INT) size = 1 + Varint(value);
    if (spans.pairs->type[i] == WEFT_ATTR_BOOL) size = 2;
    pair_bytes_[i] =
        static_cast<uint32_t>(Attribute(spans.strings[spans.pairs->key[i]].size, size));
  }
  seen_.assign(spans.processes == nullptr ? 0 : spans.processes->n, 0);
  trace_ = 0;
}

uint64_t TraceBytes::ProcessBytes(uint32_t process) const {
  const weft_processes& p = *spans_->processes;
  uint64_t size = 0;
  const auto text = [&](uint64_t key, const uint32_t* column) {
    if (column != nullptr && column[process] != 0)
      size += Attribute(key, Field(spans_->strings[column[process]].size));
  };
  text(12, p.service);  // lengths of service.name, host.name, process.executable.path
  text(9, p.host);
  text(23, p.executable);
  if (p.attr_offset != nullptr)
    for (uint32_t at = p.attr_offset[process]; at < p.attr_offset[process + 1]; ++at)
      size += pair_bytes_[p.attr[at]];
  return Field(Field(size));
}

uint64_t TraceBytes::Of(uint32_t first_row, uint32_t n_rows) {
  ++trace_;
  uint64_t total = 0;
  const weft_spans& s = *spans_;
  for (uint32_t row = first_row; row < first_row + n_rows; ++row) {
    // Trace id 18, span id 10, kind 2, two times 18.
    uint64_t size = 48 + Field(s.strings[s.operation[row]].size);
    if (s.parent_id != nullptr && s.parent_id[row] != 0) size += 10;
    if (s.status != nullptr && s.status[row] != 0) size += 4;
    if (s.attr_offset != nullptr)
      for (uint32_t at = s.attr_offset[row]; at < s.attr_offset[row + 1]; ++at)
        size += pair_bytes_[s.attr[at]];
    total += Field(size);
    const uint32_t process = s.process[row];
    if (process >= seen_.size() || seen_[process] == trace_) continue;
    seen_[process] = trace_;
    total += ProcessBytes(process);
  }
  return total;
}

}  // namespace weft::sampling
