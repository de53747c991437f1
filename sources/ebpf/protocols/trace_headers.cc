#include "sources/ebpf/protocols/trace_headers.h"

#include <array>

#include "engine/base/text_words.h"
#include "engine/base/ascii.h"

namespace weft::ebpf {
namespace {

constexpr uint8_t kNoDigit = 16;
constexpr std::array<uint8_t, 256> kDigits = [] {
  std::array<uint8_t, 256> values{};
  values.fill(kNoDigit);
  for (uint8_t i = 0; i < 16; ++i) values[static_cast<uint8_t>("0123456789abcdef"[i])] = i;
  return values;
}();

// Eight of them at once, as bytes of a word.
bool ParseEight(const char* digits, uint64_t* out) {
  constexpr uint64_t kOnes = 0x0101010101010101;
  const auto word = LoadWord<uint64_t>(digits);
  const uint64_t letter = word >> 6 & kOnes;
  uint64_t v = (word & kOnes * 0x0f) + letter * 9;
  const uint64_t at_least_ten = (v + kOnes * 6) >> 4 & kOnes;
  if ((v & kOnes * 0xf0) != 0 || at_least_ten != letter ||
      word != v + kOnes * '0' + letter * ('a' - '0' - 10))
    return false;
  v = __builtin_bswap64(v);
  v = (v | v >> 4) & 0x00ff00ff00ff00ff;
  v = (v | v >> 8) & 0x0000ffff0000ffff;
  *out = (v | v >> 16) & 0xffffffff;
  return true;
}

// Both specifications allow lower-case hex digits only.
bool ParseHex(std::string_view digits, uint64_t* out) {
  uint64_t value = 0;
  uint8_t all = 0;
  for (; digits.size() >= 8; digits.remove_prefix(8)) {
    uint64_t eight = 0;
    if (!ParseEight(digits.data(), &eight)) return false;
    value = value << 32 | eight;
  }
  for (const char c : digits) {
    const uint8_t digit = kDigits[static_cast<uint8_t>(c)];
    all = static_cast<uint8_t>(all | digit);
    value = value << 4 | (digit & 15u);
  }
  *out = value;
  return (all & kNoDigit) == 0;
}

bool ParseTraceId(std::string_view digits, TraceContext* out) {
  if (digits.size() == 16) {
    out->trace_hi = 0;
    return ParseHex(digits, &out->trace_lo) && out->trace_lo != 0;
  }
  return digits.size() == 32 && ParseHex(digits.substr(0, 16), &out->trace_hi) &&
         ParseHex(digits.substr(16), &out->trace_lo) && (out->trace_hi | out->trace_lo) != 0;
}

bool ParseSpanId(std::string_view digits, TraceContext* out) {
  return digits.size() == 16 && ParseHex(digits, &out->span_id) && out->span_id != 0;
}

// trace-context level 2, section 3.3.1.3.1: key.
bool ValidKey(std::string_view key) {
  if (key.empty() || key.size() > 256) return false;
  const auto lower = [](char c) { return c >= 'a' && c <= 'z'; };
  if (!lower(key[0]) && !IsDigit(key[0])) return false;
  for (char c : key) {
    if (!lower(c) && !IsDigit(c) && std::string_view("_-*/@").find(c) == std::string_view::npos)
      return false;
  }
  return true;
}

bool ValidMemberValue(std::string_view value) {
  if (value.empty() || value.size() > 256) return false;
  for (char c : value)
    if (c < 0x20 || c > 0x7e || c == ',' || c == '=') return false;
  return true;
}

}  // namespace

bool ParseTraceparent(std::string_view value, TraceContext* out) {
  constexpr size_t kLength = 55;  // version 00; later versions may append "-..."
  uint64_t version = 0, flags = 0;
  if (value.size() < kLength || value[2] != '-' || value[35] != '-' || value[52] != '-')
    return false;
  if (!ParseHex(value.substr(0, 2), &version) || version == 0xff) return false;
  if (value.size() > kLength && (version == 0 || value[kLength] != '-')) return false;
  TraceContext context;
  if (!ParseTraceId(value.substr(3, 32), &context) ||
      !ParseSpanId(value.substr(36, 16), &context) || !ParseHex(value.substr(53, 2), &flags))
    return false;
  context.sampled = (flags & 1) != 0;
  context.unsampled = !context.sampled;
  *out = context;
  return true;
}

bool ParseB3(std::string_view value, TraceContext* out) {
  *out = {};
  if (value == "0" || value == "1" || value == "d") return true;
  const size_t dash = value.find('-');
  if (dash == std::string_view::npos) return false;
  TraceContext context;
  if (!ParseTraceId(value.substr(0, dash), &context) ||
      !ParseSpanId(value.substr(dash + 1, 16), &context))
    return false;
  std::string_view rest = value.substr(dash + 17);
  if (!rest.empty()) {
    if (rest.size() < 2 || rest[0] != '-' || std::string_view("01d").find(rest[1]) == rest.npos)
      return false;
    context.sampled = rest[1] != '0';
    context.unsampled = !context.sampled;
    rest.remove_prefix(2);
  }
  TraceContext parent;
  if (!rest.empty() && (rest[0] != '-' || !ParseSpanId(rest.substr(1), &parent))) return false;
  *out = context;
  return true;
}

bool ValidTracestate(std::string_view members) {
  int count = 0;
  while (true) {
    const size_t comma = members.find(',');
    const std::string_view member = TrimBlank(members.substr(0, comma));
    if (!member.empty()) {  // empty members are allowed and do not count
      const size_t equals = member.find('=');
      if (equals == std::string_view::npos || !ValidKey(member.substr(0, equals)) ||
          !ValidMemberValue(member.substr(equals + 1)) || ++count > 32)
        return false;
    }
    if (comma == std::string_view::npos) return count > 0;
    members.remove_prefix(comma + 1);
  }
}

void TraceHeaders::Clear() { *this = TraceHeaders(); }

bool TraceHeaders::Add(std::string_view name, std::string_view value) {
  value = TrimBlank(value);
  if (EqualsNoCase(name, "traceparent")) {
    ++traceparents_;
    w3c_valid_ = ParseTraceparent(value, &w3c_);
  } else if (EqualsNoCase(name, "tracestate")) {
    if (!trace_state_.empty()) trace_state_ += ',';
    if (trace_state_.size() < 8192) trace_state_ += value;
  } else if (EqualsNoCase(name, "b3")) {
    b3_valid_ = ParseB3(value, &b3_) && !any_b3_;
    b3_bad_ = !b3_valid_;
    any_b3_ = true;
  } else if (EqualsNoCase(name, "x-b3-traceid")) {
    multi_trace_ = ParseTraceId(value, &multi_);
    b3_bad_ |= !multi_trace_;
  } else if (EqualsNoCase(name, "x-b3-spanid")) {
    multi_span_ = ParseSpanId(value, &multi_);
    b3_bad_ |= !multi_span_;
  } else if (EqualsNoCase(name, "x-b3-sampled")) {
    // The words are of older libraries, and still sent.
    const bool yes = value == "1" || value == "true";
    multi_.sampled = yes;
    multi_.unsampled = !yes;
    b3_bad_ |= !yes && value != "0" && value != "false";
  } else if (EqualsNoCase(name, "x-b3-parentspanid")) {
    TraceContext parent;
    b3_bad_ |= !ParseSpanId(value, &parent);
  } else if (EqualsNoCase(name, "x-b3-flags")) {
    if (value == "1") multi_.sampled = true, multi_.unsampled = false;
  } else {
    return false;
  }
  return true;
}

TraceHeaders::Verdict TraceHeaders::Finish(TraceContext* context, std::string* trace_state) const {
  // Two traceparent headers: neither may be used, and another format must not override that.
  if (traceparents_ > 0) {
    if (traceparents_ > 1 || !w3c_valid_) return Verdict::kInvalid;
    *context = w3c_;
    if (ValidTracestate(trace_state_)) *trace_state = trace_state_;
    return Verdict::kValid;
  }
  if (b3_bad_) return Verdict::kInvalid;
  if (b3_valid_ && b3_.valid()) {
    *context = b3_;
    return Verdict::kValid;
  }
  if (multi_trace_ && multi_span_) {
    *context = multi_;
    return Verdict::kValid;
  }
  return multi_trace_ || multi_span_ ? Verdict::kInvalid : Verdict::kNone;
}

}  // namespace weft::ebpf
