#include "sinks/jsonl/json_text.h"

#include <bit>
#include <charconv>
#include <cmath>

#include "engine/api/dictionary.h"

namespace weft::sinks {
namespace {

constexpr char kHex[] = "0123456789abcdef";

bool Plain(unsigned char c) { return c >= 0x20 && c < 0x80 && c != '"' && c != '\\'; }

// Length of the UTF-8 sequence at `text`, 0 if it is none (RFC 3629: no overlong forms, no
// surrogates, nothing above U+10FFFF).
size_t SequenceLength(std::string_view text) {
  const auto at = [&](size_t i) {
    return i < text.size() ? static_cast<unsigned char>(text[i]) : 0u;
  };
  const auto tail = [&](size_t i) { return (at(i) & 0xc0) == 0x80; };
  const unsigned lead = at(0), second = at(1);
  if (lead >= 0xc2 && lead <= 0xdf) return tail(1) ? 2 : 0;
  if (lead >= 0xe0 && lead <= 0xef) {
    if ((lead == 0xe0 && second < 0xa0) || (lead == 0xed && second > 0x9f)) return 0;
    return tail(1) && tail(2) ? 3 : 0;
  }
  if (lead >= 0xf0 && lead <= 0xf4) {
    if ((lead == 0xf0 && second < 0x90) || (lead == 0xf4 && second > 0x8f)) return 0;
    return tail(1) && tail(2) && tail(3) ? 4 : 0;
  }
  return 0;
}

void AppendEscaped(std::string& out, unsigned char c) {
  switch (c) {
    case '"': out += "\\\""; return;
    case '\\': out += "\\\\"; return;
    case '\n': out += "\\n"; return;
    case '\r': out += "\\r"; return;
    case '\t': out += "\\t"; return;
    default: out.append("\\u00").push_back(kHex[c >> 4]); out.push_back(kHex[c & 15]);
  }
}

template <typename T>
void AppendNumber(std::string& out, T value) {
  char buffer[32];
  const auto end = std::to_chars(buffer, buffer + sizeof buffer, value).ptr;
  out.append(buffer, end);
}

}  // namespace

void AppendJsonString(std::string& out, std::string_view text) {
  out.push_back('"');
  while (!text.empty()) {
    size_t plain = 0;
    while (plain < text.size() && Plain(static_cast<unsigned char>(text[plain]))) ++plain;
    out.append(text.substr(0, plain));
    text.remove_prefix(plain);
    if (text.empty()) break;
    const auto c = static_cast<unsigned char>(text[0]);
    size_t length = 1;
    if (c < 0x80) {
      AppendEscaped(out, c);
    } else if (const size_t sequence = SequenceLength(text); sequence != 0) {
      out.append(text.substr(0, length = sequence));
    } else {
      out += "\xef\xbf\xbd";
    }
    text.remove_prefix(length);
  }
  out.push_back('"');
}

void AppendInt(std::string& out, int64_t value) { AppendNumber(out, value); }
void AppendUint(std::string& out, uint64_t value) { AppendNumber(out, value); }

void AppendDouble(std::string& out, double value) {
  if (std::isnan(value)) {
    out += "\"NaN\"";
  } else if (std::isinf(value)) {
    out += value > 0 ? "\"Infinity\"" : "\"-Infinity\"";
  } else {
    AppendNumber(out, value);
  }
}

void AppendHex(std::string& out, uint64_t value) {
  char digits[16];
  for (int i = 15; i >= 0; --i, value >>= 4) digits[i] = kHex[value & 15];
  out.append(digits, 16);
}

void AppendPlainValue(std::string& out, const weft_spans& spans, uint32_t pair) {
  const uint64_t value = spans.pairs->value[pair];
  switch (spans.pairs->type[pair]) {
    case WEFT_ATTR_INT: AppendInt(out, std::bit_cast<int64_t>(value)); break;
    case WEFT_ATTR_DOUBLE: AppendDouble(out, std::bit_cast<double>(value)); break;
    case WEFT_ATTR_BOOL: out += value != 0 ? "true" : "false"; break;
    default: AppendJsonString(out, api::View(spans.strings[static_cast<uint32_t>(value)]));
  }
}

}  // namespace weft::sinks
