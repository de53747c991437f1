#include "engine/cli/json_writer.h"

#include <cmath>

#include <fmt/format.h>

namespace weft::cli {
namespace {

// Bytes of the well-formed UTF-8 sequence at the front, 0 if there is none (Unicode table 3-7).
size_t Utf8Length(std::string_view s) {
  const auto at = [&](size_t i) { return i < s.size() ? static_cast<unsigned char>(s[i]) : 0u; };
  const auto tail = [&](size_t i) { return (at(i) & 0xc0) == 0x80; };
  const unsigned a = at(0), b = at(1);
  if (a < 0x80) return 1;
  if (a >= 0xc2 && a <= 0xdf) return tail(1) ? 2 : 0;
  if (a >= 0xe0 && a <= 0xef) {
    const bool valid = tail(1) && tail(2) && !(a == 0xe0 && b < 0xa0) && !(a == 0xed && b > 0x9f);
    return valid ? 3 : 0;
  }
  if (a >= 0xf0 && a <= 0xf4) {
    const bool valid =
        tail(1) && tail(2) && tail(3) && !(a == 0xf0 && b < 0x90) && !(a == 0xf4 && b > 0x8f);
    return valid ? 4 : 0;
  }
  return 0;
}

}  // namespace

void JsonWriter::Quote(std::string_view text) {
  text_.push_back('"');
  while (!text.empty()) {
    const size_t length = Utf8Length(text);
    const char c = text[0];
    if (length == 0)
      text_ += "\xef\xbf\xbd";
    else if (c == '"' || c == '\\')
      text_.append("\\").push_back(c);
    else if (static_cast<unsigned char>(c) < 0x20)
      text_ += fmt::format("\\u{:04x}", static_cast<unsigned>(c));
    else
      text_ += text.substr(0, length);
    text.remove_prefix(length == 0 ? 1 : length);
  }
  text_.push_back('"');
}

void JsonWriter::Next(std::string_view name) {
  if (!first_) text_.push_back(',');
  if (!closers_.empty()) text_.append("\n").append(2 * closers_.size(), ' ');
  first_ = false;
  if (name.empty()) return;
  Quote(name);
  text_ += ": ";
}

void JsonWriter::Open(std::string_view name, char bracket) {
  Next(name);
  text_.push_back(bracket);
  closers_.push_back(bracket == '{' ? '}' : ']');
  first_ = true;
}

void JsonWriter::End() {
  const char closer = closers_.back();
  closers_.pop_back();
  if (!first_) text_.append("\n").append(2 * closers_.size(), ' ');
  text_.push_back(closer);
  if (closers_.empty()) text_.push_back('\n');
  first_ = false;
}

void JsonWriter::Field(std::string_view name, std::string_view text) {
  Next(name);
  Quote(text);
}

void JsonWriter::Field(std::string_view name, double value) {
  Raw(name, std::isfinite(value) ? fmt::format("{}", value) : "null");
}

void JsonWriter::Field(std::string_view name, bool value) { Raw(name, value ? "true" : "false"); }

void JsonWriter::Raw(std::string_view name, std::string_view json) {
  Next(name);
  text_ += json;
}

}  // namespace weft::cli
