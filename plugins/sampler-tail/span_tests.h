// SpanTests: what the policies ask of the spans of a trace, answered for all policies in one pass.
//
// Each test is a bit. Equal attributes of a batch are stored once, so a test looks at each distinct
// (key, value) once per batch, however many spans have it; the bits of a trace are then the union
// of those of its spans' attributes and processes. So forty attribute policies cost hardly more
// than one. Attributes that the columns hold (network.peer.address, thread.id, ...) are found under
// the names that the exporters give them. Begin lends the batch; one thread.
//
//   Add* (Begin Collect*)*
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "plugins/sampler-tail/columns.h"

namespace weft::tail {

// The union of the bits of a trace's spans.
class TestBits {
 public:
  explicit TestBits(size_t words = 0) : words_(words) {}
  bool operator[](uint32_t test) const { return (words_[test / 64] >> (test % 64) & 1) != 0; }
  std::vector<uint64_t>& words() { return words_; }

 private:
  std::vector<uint64_t> words_;
};

class SpanTests {
 public:
  // A span, or a process (a resource), has the attribute `key` and its value passes. The
  // predicate is told whether the value is a span's.
  uint32_t AddAttribute(std::string_view key,
                        std::function<bool(const AttributeValue&, bool of_span)> passes);
  // A span has one of these states: bit s of `statuses` for weft_status s.
  uint32_t AddStatus(uint32_t statuses);

  void Begin(const weft_spans& spans);
  void Collect(uint32_t first_row, uint32_t n_rows, TestBits& bits);
  size_t words() const { return (tests_ + 63) / 64; }

 private:
  struct AttributeTest {
    uint32_t bit;
    std::function<bool(const AttributeValue&, bool)> passes;
  };
  using Tests = std::vector<AttributeTest>;
  struct ColumnTests {
    const ColumnReader* read;
    const Tests* tests;
  };
  void Ask(const Tests& tests, const AttributeValue& value, bool of_span, uint64_t* words) const;
  const Tests* TestsOf(uint32_t key);
  AttributeValue PairValue(uint32_t pair) const;
  void AskPair(uint32_t pair, bool of_span, uint64_t* words);
  void AskProcess(uint32_t process, uint64_t* words);

  uint32_t tests_ = 0;
  std::unordered_map<std::string, Tests> by_key_;  // nodes stay where they are
  std::vector<ColumnTests> columns_, process_columns_;
  std::vector<std::pair<uint32_t, uint32_t>> status_tests_;  // bit, statuses

  const weft_spans* spans_ = nullptr;
  std::vector<const Tests*> key_tests_;  // by string; &unknown_: not looked up yet
  Tests unknown_;
  std::vector<uint64_t> pair_bits_;  // words() per pair
  std::vector<uint64_t> process_bits_;
  std::vector<uint64_t> status_bits_;  // words() per weft_status
};

}  // namespace weft::tail
