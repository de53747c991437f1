#include "engine/redact/redactor.h"

#include <bit>

#include <fmt/format.h>

#include "engine/base/secrets.h"
#include "engine/redact/event_text.h"

namespace weft::redact {
namespace {

constexpr uint8_t kUnknown = 255;
constexpr size_t kMaxKnown = 4096;
constexpr uint64_t kShortestCard = 1'000'000'000'000;  // 13 digits

// Values of such keys are query strings without a `?`.
bool IsQuery(std::string_view key) { return key.ends_with("query"); }

std::string TextOf(const api::SpanTable& spans, uint32_t pair) {
  const uint64_t value = spans.pairs.value[pair];
  switch (spans.pairs.type[pair]) {
    case WEFT_ATTR_STRING: return std::string(spans.strings.Text(static_cast<uint32_t>(value)));
    case WEFT_ATTR_DOUBLE: return fmt::format("{}", std::bit_cast<double>(value));
    case WEFT_ATTR_BOOL: return value != 0 ? "true" : "false";
    default: return fmt::format("{}", static_cast<int64_t>(value));
  }
}

}  // namespace

Redactor::Redactor(std::shared_ptr<const Rules> rules, Metrics& metrics)
    : rules_(std::move(rules)),
      hidden_(metrics.Get("redact.hidden")),
      hashed_(metrics.Get("redact.hashed")),
      dropped_(metrics.Get("redact.dropped")) {}

Fate Redactor::FateOf(std::string_view key) {
  const auto it = known_.find(std::string(key));
  if (it != known_.end()) return it->second;
  if (known_.size() >= kMaxKnown) known_.clear();
  return known_.emplace(key, rules_->FateOf(key)).first->second;
}

uint32_t Redactor::Clean(api::SpanTable& spans, uint32_t string, bool query) {
  std::vector<uint32_t>& memory = query ? queries_ : clean_;
  if (memory[string] != WEFT_NONE) return memory[string];
  uint32_t clean = string;
  if (rules_->Hide(spans.strings.Text(string), query, &text_)) {
    clean = spans.strings.Append(text_);
    hidden_.Add();
  }
  return memory[string] = clean;
}

uint32_t Redactor::CleanEvents(api::SpanTable& spans, uint32_t string) {
  const Changes changes = RewriteEvents(*rules_, spans.strings.Text(string), &text_);
  hidden_.Add(changes.hidden);
  hashed_.Add(changes.hashed);
  dropped_.Add(changes.dropped);
  return changes.any() ? spans.strings.Append(text_) : string;
}

void Redactor::ApplyToPairs(api::SpanTable& spans) {
  uint32_t redacted = WEFT_NONE;
  for (uint32_t i = 0; i < spans.pairs.size(); ++i) {
    const uint32_t key = spans.pairs.key[i];
    uint8_t& known = fate_of_key_[key];
    if (known == kUnknown) known = static_cast<uint8_t>(FateOf(spans.strings.Text(key)));
    auto& value = spans.pairs.value[i];
    auto& type = spans.pairs.type[i];
    switch (static_cast<Fate>(known)) {
      case Fate::kDrop:
        goes_.resize(spans.pairs.size());
        goes_[i] = 1;
        dropped_.Add();
        break;
      case Fate::kHash:
        value = spans.strings.Append(rules_->Hash(TextOf(spans, i)));
        type = WEFT_ATTR_STRING;
        hashed_.Add();
        break;
      case Fate::kHide:
        // gen_ai.usage.input_tokens is a count of tokens, not a token.
        if (type != WEFT_ATTR_STRING && spans.strings.Text(key).contains("token")) break;
        type = WEFT_ATTR_STRING;
        if (redacted == WEFT_NONE) redacted = spans.strings.Intern(kRedacted);
        value = redacted;
        hidden_.Add();
        break;
      case Fate::kEvents:
        if (type == WEFT_ATTR_STRING) value = CleanEvents(spans, static_cast<uint32_t>(value));
        break;
      case Fate::kLook:
        if (type == WEFT_ATTR_STRING)
          value = Clean(spans, static_cast<uint32_t>(value), IsQuery(spans.strings.Text(key)));
        else if (type == WEFT_ATTR_INT && value >= kShortestCard &&
                 rules_->Hide(TextOf(spans, i), false, &text_)) {
          value = spans.strings.Append(text_);
          type = WEFT_ATTR_STRING;
          hidden_.Add();
        }
        break;
    }
  }
}

void Redactor::Drop(std::vector<uint32_t>* offset, std::vector<uint32_t>* attr) const {
  uint32_t to = 0, from = 0;
  for (size_t row = 1; row < offset->size(); ++row) {
    for (const uint32_t end = (*offset)[row]; from < end; ++from)
      if (goes_[(*attr)[from]] == 0) (*attr)[to++] = (*attr)[from];
    (*offset)[row] = to;
  }
  attr->resize(to);
}

void Redactor::Apply(api::SpanTable& spans) {
  if (rules_ == nullptr) return;
  fate_of_key_.assign(spans.strings.size(), kUnknown);
  clean_.assign(spans.strings.size(), WEFT_NONE);
  queries_.assign(spans.strings.size(), WEFT_NONE);
  goes_.clear();
  ApplyToPairs(spans);
  if (!goes_.empty()) {
    goes_.resize(spans.pairs.size());
    Drop(&spans.attr_offset, &spans.attr);
    Drop(&spans.processes.attr_offset, &spans.processes.attr);
  }
  for (uint32_t& operation : spans.operation)
    if (operation < clean_.size()) operation = Clean(spans, operation, false);
}

}  // namespace weft::redact
