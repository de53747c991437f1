#include "engine/base/json_text.h"

#include <charconv>
#include <cmath>

#include "engine/base/utf8.h"

namespace weft {
namespace {

constexpr char kHex[] = "0123456789abcdef";

bool Plain(unsigned char c) { return c >= 0x20 && c < 0x80 && c != '"' && c != '\\'; }

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
    } else if (const size_t sequence = Utf8Sequence(text); sequence != 0) {
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

}  // namespace weft
