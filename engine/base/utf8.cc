#include "engine/base/utf8.h"

#include <cstdint>
#include <cstring>

namespace weft {
namespace {

// The number of bytes at the begin that are ASCII, eight at a time.
size_t AsciiPrefix(std::string_view text) {
  size_t at = 0;
  for (uint64_t word; at + 8 <= text.size(); at += 8) {
    std::memcpy(&word, text.data() + at, 8);
    if ((word & 0x8080808080808080ULL) != 0) break;
  }
  while (at < text.size() && static_cast<unsigned char>(text[at]) < 0x80) ++at;
  return at;
}

}  // namespace

size_t Utf8Sequence(std::string_view text) {
  const auto at = [&](size_t i) {
    return i < text.size() ? static_cast<unsigned char>(text[i]) : 0u;
  };
  const auto tail = [&](size_t i) { return (at(i) & 0xc0) == 0x80; };
  const unsigned lead = at(0), second = at(1);
  if (lead < 0x80) return text.empty() ? 0 : 1;
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

bool IsUtf8(std::string_view text) {
  while (true) {
    text.remove_prefix(AsciiPrefix(text));
    if (text.empty()) return true;
    const size_t length = Utf8Sequence(text);
    if (length == 0) return false;
    text.remove_prefix(length);
  }
}

std::string RepairUtf8(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const size_t ascii = AsciiPrefix(text);
    out.append(text.substr(0, ascii));
    text.remove_prefix(ascii);
    if (text.empty()) break;
    const size_t length = Utf8Sequence(text);
    length != 0 ? out.append(text.substr(0, length)) : out.append("\xef\xbf\xbd");
    text.remove_prefix(length != 0 ? length : 1);
  }
  return out;
}

}  // namespace weft
