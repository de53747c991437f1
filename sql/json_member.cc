#include "sql/json_member.h"

#include <charconv>
#include <cstdint>

namespace weft::sql {
namespace {

class Scanner {
 public:
  explicit Scanner(std::string_view text) : text_(text) {}

  bool Take(char c) {
    Blank();
    if (at_ >= text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }
  // The inside of a string.
  bool String(std::string_view* raw) {
    if (!Take('"')) return false;
    const size_t begin = at_;
    for (; at_ < text_.size(); ++at_) {
      if (text_[at_] == '\\') {
        ++at_;
      } else if (text_[at_] == '"') {
        *raw = text_.substr(begin, at_++ - begin);
        return true;
      }
    }
    return false;
  }
  bool Value(JsonMember* out) {
    Blank();
    if (at_ >= text_.size()) return false;
    if (text_[at_] == '"') {
      out->kind = JsonMember::kText;
      return String(&out->raw);
    }
    const size_t begin = at_;
    const bool nested = text_[at_] == '{' || text_[at_] == '[';
    if (nested ? !Nested() : !Word()) return false;
    out->raw = text_.substr(begin, at_ - begin);
    out->kind = nested                ? JsonMember::kNested
                : out->raw == "true"  ? JsonMember::kTrue
                : out->raw == "false" ? JsonMember::kFalse
                : out->raw == "null"  ? JsonMember::kNull
                                      : JsonMember::kNumber;
    return true;
  }

 private:
  void Blank() {
    while (at_ < text_.size() && (text_[at_] == ' ' || (text_[at_] >= '\t' && text_[at_] <= '\r')))
      ++at_;
  }
  bool Word() {
    const size_t begin = at_;
    while (at_ < text_.size() &&
           std::string_view(",]} \t\r\n").find(text_[at_]) == std::string_view::npos)
      ++at_;
    return at_ > begin;
  }
  bool Nested() {
    size_t depth = 0;
    while (at_ < text_.size()) {
      const char c = text_[at_];
      std::string_view ignored;
      if (c == '"') {
        if (!String(&ignored)) return false;
        continue;
      }
      ++at_;
      if (c == '{' || c == '[') ++depth;
      if ((c == '}' || c == ']') && --depth == 0) return true;
    }
    return false;
  }

  std::string_view text_;
  size_t at_ = 0;
};

void AppendUtf8(std::string& out, uint32_t code) {
  if (code < 0x80) {
    out += static_cast<char>(code);
  } else if (code < 0x800) {
    out += static_cast<char>(0xc0 | code >> 6);
    out += static_cast<char>(0x80 | (code & 0x3f));
  } else if (code < 0x10000) {
    out += static_cast<char>(0xe0 | code >> 12);
    out += static_cast<char>(0x80 | (code >> 6 & 0x3f));
    out += static_cast<char>(0x80 | (code & 0x3f));
  } else {
    out += static_cast<char>(0xf0 | code >> 18);
    out += static_cast<char>(0x80 | (code >> 12 & 0x3f));
    out += static_cast<char>(0x80 | (code >> 6 & 0x3f));
    out += static_cast<char>(0x80 | (code & 0x3f));
  }
}

// Four hex digits at `at`.
bool Hex4(std::string_view raw, size_t at, uint32_t* code) {
  if (at + 4 > raw.size()) return false;
  const auto read = std::from_chars(raw.data() + at, raw.data() + at + 4, *code, 16);
  return read.ec == std::errc{} && read.ptr == raw.data() + at + 4;
}

}  // namespace

JsonMember FindMember(std::string_view json, std::string_view key) {
  Scanner scan(json);
  if (!scan.Take('{')) return {};
  do {
    std::string_view name;
    JsonMember member;
    if (!scan.String(&name) || !scan.Take(':') || !scan.Value(&member)) return {};
    const bool escaped = name.find('\\') != std::string_view::npos;
    if (escaped ? Unescape(name) == key : name == key) return member;
  } while (scan.Take(','));
  return {};
}

void EachMember(std::string_view json,
                const std::function<void(std::string_view key, const JsonMember&)>& visit) {
  Scanner scan(json);
  if (!scan.Take('{')) return;
  do {
    std::string_view name;
    JsonMember member;
    if (!scan.String(&name) || !scan.Take(':') || !scan.Value(&member)) return;
    visit(name, member);
  } while (scan.Take(','));
}

std::string Unescape(std::string_view raw) {
  std::string out;
  out.reserve(raw.size());
  for (size_t i = 0; i < raw.size(); ++i) {
    if (raw[i] != '\\' || i + 1 == raw.size()) {
      out += raw[i];
      continue;
    }
    static constexpr std::string_view kShort = "nrtbf", kMeaning = "\n\r\t\b\f";
    const char c = raw[++i];
    uint32_t code = 0, low = 0;
    if (const size_t at = kShort.find(c); at != std::string_view::npos) {
      out += kMeaning[at];
    } else if (c == 'u' && Hex4(raw, i + 1, &code)) {
      i += 4;
      const bool pair = code >= 0xd800 && code < 0xdc00 && raw.substr(i + 1, 2) == "\\u" &&
                        Hex4(raw, i + 3, &low) && low >= 0xdc00 && low < 0xe000;
      if (pair) {
        code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
        i += 6;
      }
      AppendUtf8(out, code >= 0xd800 && code < 0xe000 ? 0xfffd : code);
    } else {
      out += c;
    }
  }
  return out;
}

}  // namespace weft::sql
