#include "plugins/sampling/trace_state.h"

#include <charconv>

namespace weft::sampling {
namespace {

std::string_view View(const weft_str& s) { return {s.data, static_cast<size_t>(s.size)}; }

// The next piece before `mark`, which is taken off.
std::string_view Next(std::string_view* rest, char mark) {
  const std::string_view piece = rest->substr(0, rest->find(mark));
  rest->remove_prefix(piece.size() == rest->size() ? piece.size() : piece.size() + 1);
  return piece;
}

std::string_view Trim(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

std::optional<uint64_t> Hex(std::string_view digits) {
  uint64_t value = 0;
  const auto [end, error] =
      std::from_chars(digits.data(), digits.data() + digits.size(), value, 16);
  if (digits.empty() || digits.size() > 14 || error != std::errc() ||
      end != digits.data() + digits.size())
    return std::nullopt;
  return value;
}

}  // namespace

OtState ParseOtState(std::string_view state) {
  OtState out;
  while (!state.empty()) {
    std::string_view member = Trim(Next(&state, ','));
    if (!member.starts_with("ot=")) continue;
    for (member.remove_prefix(3); !member.empty();) {
      const std::string_view field = Next(&member, ';');
      // Trailing zeros of a threshold may be left out; randomness has all its 14 digits.
      if (field.starts_with("th:") && field.size() > 3)
        if (const auto value = Hex(field.substr(3)))
          out.threshold = *value << (4 * (14 - (field.size() - 3)));
      if (field.starts_with("rv:") && field.size() == 17) out.randomness = Hex(field.substr(3));
    }
    break;
  }
  return out;
}

void TraceStates::Begin(const weft_spans& spans) {
  spans_ = &spans;
  is_state_.clear();
  if (spans.pairs == nullptr) return;
  uint32_t key = WEFT_NONE;
  for (uint32_t i = 0; i < spans.pairs->n; ++i) {
    if (key == WEFT_NONE && View(spans.strings[spans.pairs->key[i]]) == "w3c.tracestate") {
      key = spans.pairs->key[i];
      is_state_.assign(spans.pairs->n, 0);
    }
    if (spans.pairs->key[i] == key) is_state_[i] = spans.pairs->type[i] == WEFT_ATTR_STRING;
  }
}

std::string_view TraceStates::Of(uint32_t row) const {
  // The engine takes these flags from a request whose sender is outside the trusted networks.
  constexpr uint32_t kTrusted =
      WEFT_FLAG_CONTEXT | WEFT_FLAG_SAMPLED | WEFT_FLAG_UNSAMPLED | WEFT_FLAG_REPORTED;
  if (is_state_.empty() || spans_->attr_offset == nullptr || (spans_->flags[row] & kTrusted) == 0)
    return {};
  for (uint32_t at = spans_->attr_offset[row]; at < spans_->attr_offset[row + 1]; ++at)
    if (is_state_[spans_->attr[at]])
      return View(spans_->strings[spans_->pairs->value[spans_->attr[at]]]);
  return {};
}

}  // namespace weft::sampling
