#include "sql/serve/request.h"

#include <cctype>

namespace weft::serve {
namespace {

int HexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  const char lower = static_cast<char>(c | 0x20);
  return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

// Calls `visit` with each part between the separators, empty ones too.
template <typename Visit>
void Split(std::string_view text, char separator, const Visit& visit) {
  while (true) {
    const size_t end = text.find(separator);
    visit(text.substr(0, end));
    if (end == text.npos) return;
    text.remove_prefix(end + 1);
  }
}

}  // namespace

std::string_view Target::Get(std::string_view name) const {
  for (const auto& [key, value] : parameters)
    if (key == name) return value;
  return {};
}

std::vector<std::string_view> Target::All(std::string_view name) const {
  std::vector<std::string_view> values;
  for (const auto& [key, value] : parameters)
    if (key == name) values.push_back(value);
  return values;
}

std::string Target::Path() const {
  std::string path;
  for (const std::string& segment : segments) path.append("/").append(segment);
  return path.empty() ? "/" : path;
}

std::string DecodeUrl(std::string_view text, bool plus_is_blank) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    const int high = i + 2 < text.size() ? HexDigit(text[i + 1]) : -1;
    const int low = high >= 0 ? HexDigit(text[i + 2]) : -1;
    if (text[i] == '%' && low >= 0) {
      out.push_back(static_cast<char>(high << 4 | low));
      i += 2;
    } else {
      out.push_back(plus_is_blank && text[i] == '+' ? ' ' : text[i]);
    }
  }
  return out;
}

std::string EncodeUrl(std::string_view text) {
  static constexpr std::string_view kDigits = "0123456789ABCDEF";
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (std::isalnum(byte) != 0 || c == '-' || c == '_' || c == '.' || c == '~') {
      out.push_back(c);
    } else {
      out.push_back('%');
      out.push_back(kDigits[byte >> 4]);
      out.push_back(kDigits[byte & 15]);
    }
  }
  return out;
}

Target MakeTarget(std::string_view text) {
  Target target;
  const size_t question = text.find('?');
  Split(text.substr(0, question), '/', [&](std::string_view part) {
    if (!part.empty()) target.segments.push_back(DecodeUrl(part, false));
  });
  if (question == text.npos) return target;
  Split(text.substr(question + 1), '&', [&](std::string_view part) {
    if (part.empty()) return;
    const size_t equals = part.find('=');
    target.parameters.emplace_back(
        DecodeUrl(part.substr(0, equals), true),
        equals == part.npos ? std::string() : DecodeUrl(part.substr(equals + 1), true));
  });
  return target;
}

}  // namespace weft::serve
