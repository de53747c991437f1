// Redactor: applies Rules to batches of spans before they leave for the exporters.
//
// Works on a batch's dictionaries: what a thousand rows share is looked at once. Verdicts on keys
// are remembered over batches. One thread.
//
// Counters, of different texts in each batch, not of rows: redact.hidden, redact.hashed,
// redact.dropped.
#pragma once

#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "engine/api/span_table.h"
#include "engine/base/metrics.h"
#include "engine/redact/rules.h"

namespace weft::redact {

class Redactor {
 public:
  // No rules: does nothing.
  Redactor(std::shared_ptr<const Rules> rules, Metrics& metrics);

  // Views of the table become invalid, and its pairs are no longer interned.
  void Apply(api::SpanTable& spans);

 private:
  Fate FateOf(std::string_view key);
  uint32_t Clean(api::SpanTable& spans, uint32_t string, bool query);
  uint32_t CleanEvents(api::SpanTable& spans, uint32_t string);
  void ApplyToPairs(api::SpanTable& spans);
  void Drop(std::vector<uint32_t>* offset, std::vector<uint32_t>* attr) const;

  const std::shared_ptr<const Rules> rules_;
  Counter &hidden_, &hashed_, &dropped_;
  std::unordered_map<std::string, Fate> known_;
  // Of one batch.
  std::vector<uint8_t> fate_of_key_;       // by string; of keys alone
  std::vector<uint32_t> clean_, queries_;  // by string: what replaces it
  std::vector<uint8_t> goes_;              // by pair; empty: none does
  std::string text_;
};

}  // namespace weft::redact
