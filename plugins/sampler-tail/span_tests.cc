#include "plugins/sampler-tail/span_tests.h"

namespace weft::tail {
uint32_t SpanTests::AddAttribute(std::string_view key,
                                 std::function<bool(const AttributeValue&, bool)> passes) {
  Tests& tests = by_key_[std::string(key)];
  tests.push_back({tests_, std::move(passes)});
  if (tests.size() == 1) {
    if (const ColumnReader* column = FindColumn(key)) columns_.push_back({column, &tests});
    if (const ColumnReader* column = FindProcessColumn(key))
      process_columns_.push_back({column, &tests});
  }
  return tests_++;
}

uint32_t SpanTests::AddStatus(uint32_t statuses) {
  status_tests_.emplace_back(tests_, statuses);
  return tests_++;
}

void SpanTests::Begin(const weft_spans& spans) {
  spans_ = &spans;
  const size_t n = words();
  status_bits_.assign(n * 3, 0);
  for (const auto& [bit, statuses] : status_tests_)
    for (uint32_t status = 0; status < 3; ++status)
      if ((statuses >> status & 1) != 0)
        status_bits_[status * n + bit / 64] |= uint64_t{1} << (bit % 64);
  pair_bits_.clear();
  process_bits_.clear();
  if (by_key_.empty()) return;
  key_tests_.assign(spans.n_strings, &unknown_);
  const uint32_t pairs = spans.pairs == nullptr ? 0 : spans.pairs->n;
  pair_bits_.assign(n * pairs, 0);
  for (uint32_t pair = 0; pair < pairs; ++pair) AskPair(pair, true, &pair_bits_[n * pair]);
  const uint32_t processes = spans.processes == nullptr ? 0 : spans.processes->n;
  process_bits_.assign(n * processes, 0);
  for (uint32_t p = 0; p < processes; ++p) AskProcess(p, &process_bits_[n * p]);
}

void SpanTests::Ask(const Tests& tests, const AttributeValue& value, bool of_span,
                    uint64_t* words) const {
  for (const AttributeTest& test : tests)
    if (test.passes(value, of_span)) words[test.bit / 64] |= uint64_t{1} << (test.bit % 64);
}

const SpanTests::Tests* SpanTests::TestsOf(uint32_t key) {
  const Tests*& known = key_tests_[key];
  if (known == &unknown_) {
    const auto it = by_key_.find(std::string(sdk::View(spans_->strings[key])));
    known = it == by_key_.end() ? nullptr : &it->second;
  }
  return known;
}

AttributeValue SpanTests::PairValue(uint32_t pair) const {
  const weft_pairs& pairs = *spans_->pairs;
  AttributeValue value{pairs.type[pair], {}, pairs.value[pair]};
  if (value.type == WEFT_ATTR_STRING) value.text = sdk::View(spans_->strings[value.bits]);
  return value;
}

void SpanTests::AskPair(uint32_t pair, bool of_span, uint64_t* words) {
  const Tests* tests = TestsOf(spans_->pairs->key[pair]);
  if (tests != nullptr) Ask(*tests, PairValue(pair), of_span, words);
}

void SpanTests::AskProcess(uint32_t process, uint64_t* words) {
  const weft_processes& p = *spans_->processes;
  for (const ColumnTests& column : process_columns_)
    if (const AttributeValue value = (*column.read)(*spans_, process); !Absent(value))
      Ask(*column.tests, value, false, words);
  if (p.attr_offset == nullptr) return;
  for (uint32_t at = p.attr_offset[process]; at < p.attr_offset[process + 1]; ++at)
    AskPair(p.attr[at], false, words);
}

void SpanTests::Collect(uint32_t first_row, uint32_t n_rows, TestBits& bits) {
  const weft_spans& s = *spans_;
  const size_t n = words();
  uint64_t* out = bits.words().data();
  std::fill_n(out, n, 0);
  for (uint32_t row = first_row; row < first_row + n_rows; ++row) {
    if (!status_tests_.empty()) {
      const uint32_t status = s.status == nullptr || s.status[row] > 2 ? 0 : s.status[row];
      for (size_t w = 0; w < n; ++w) out[w] |= status_bits_[status * n + w];
    }
    if (!process_bits_.empty())
      for (size_t w = 0; w < n; ++w) out[w] |= process_bits_[s.process[row] * n + w];
    if (!pair_bits_.empty() && s.attr_offset != nullptr) {
      const uint32_t *attr = s.attr + s.attr_offset[row], *end = s.attr + s.attr_offset[row + 1];
      if (n == 1)
        for (; attr != end; ++attr) *out |= pair_bits_[*attr];
      else
        for (; attr != end; ++attr)
          for (size_t w = 0; w < n; ++w) out[w] |= pair_bits_[*attr * n + w];
    }
    for (const ColumnTests& column : columns_)
      if (const AttributeValue value = (*column.read)(s, row); !Absent(value))
        Ask(*column.tests, value, true, out);
  }
}

}  // namespace weft::tail
