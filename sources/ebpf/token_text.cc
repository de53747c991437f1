#include "sources/ebpf/token_text.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "engine/base/ascii.h"

namespace weft::ebpf {
namespace {

constexpr size_t kMaxWord = 128;  // longer ones are blobs
constexpr std::string_view kTruthName = "weft-truth";

// '%' only so that a word with one can be left out: who knows what is encoded in it.
constexpr bool IsWord(char c) {
  return IsAlpha(c) || IsDigit(c) || c == '-' || c == '_' || c == '.' || c == '@' || c == '~' ||
         c == '%' || static_cast<unsigned char>(c) >= 0x80;
}
// What a character is to Scan; several bits may be set.
enum : uint8_t { kInWord = 1, kIsDigit = 2, kMaySeparate = 4 };
constexpr std::array<uint8_t, 256> kClass = [] {
  std::array<uint8_t, 256> table{};
  for (size_t i = 0; i < 256; ++i) {
    const char c = static_cast<char>(i);
    if (IsWord(c)) table[i] |= kInWord;
    if (IsDigit(c)) table[i] |= kIsDigit;
  }
  // What SeparatorAt looks at.
  for (const char c : std::string_view("/:=>\"'\\ \t\r\n"))
    table[static_cast<uint8_t>(c)] |= kMaySeparate;
  return table;
}();
constexpr uint8_t ClassOf(char c) { return kClass[static_cast<uint8_t>(c)]; }

// Lower of eight characters; *percent gets a bit where there is a '%'.
uint64_t LowerWord(uint64_t x, uint64_t* percent) {
  constexpr uint64_t kOnes = 0x0101010101010101, kHigh = kOnes << 7;
  const uint64_t low = x & ~kHigh;
  const uint64_t upper = (low + kOnes * (0x80 - 'A')) & ~(low + kOnes * (0x7f - 'Z')) & ~x & kHigh;
  const uint64_t other = low ^ kOnes * '%';
  *percent |= ~(other + kOnes * 0x7f) & ~x & kHigh;
  return x | upper >> 2;
}

constexpr bool IsBlank(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }
constexpr bool IsQuote(char c) { return c == '"' || c == '\''; }

// Behind a word: the separator that makes a name of it, and where its value begins.
struct Separator {
  char kind = 0;        // ':', '=', '/', '>'; 0: it is no name
  bool quoted = false;  // the name stood in quotes
  size_t value = 0;
};

// Whether the word that begins there is the name of an XML element, with or without a prefix.
bool OpensElement(std::string_view text, size_t begin) {
  if (begin > 0 && text[begin - 1] == ':') {
    --begin;
    while (begin > 0 && (ClassOf(text[begin - 1]) & kInWord) != 0) --begin;
  }
  return begin > 0 && text[begin - 1] == '<';
}

Separator SeparatorAt(std::string_view text, size_t begin, size_t end) {
  constexpr size_t kReach = 4;  // of quotes, escapes and blanks
  Separator found;
  size_t i = end;
  if (i < text.size() && text[i] == '/') return {'/', false, i + 1};
  if (i < text.size() && (text[i] == '>' || IsBlank(text[i])) && OpensElement(text, begin))
    return {'>', false, std::min(text.find('>', i), text.size() - 1) + 1};
  for (size_t n = 0; n < kReach && i < text.size(); ++n, ++i) {
    if (text[i] == ':' || text[i] == '=') return {text[i], found.quoted, i + 1};
    if (IsQuote(text[i]))
      found.quoted = true;
    else if (text[i] != '\\' && !IsBlank(text[i]))
      return {};
  }
  return {};
}

size_t FindAny(std::string_view text, std::string_view ends, size_t from) {
  return std::min(text.find_first_of(ends, from), text.size());
}

// Behind the quote that closes the one at `at`.
size_t BehindQuoted(std::string_view text, size_t at) {
  const bool escaped = at > 0 && text[at - 1] == '\\';
  for (size_t i = at + 1; i < text.size(); ++i) {
    if (text[i] == '\\' && !escaped)
      ++i;
    else if (text[i] == text[at])
      return i + 1;
  }
  return text.size();
}

size_t BehindNested(std::string_view text, size_t at) {
  int depth = 0;
  for (size_t i = at; i < text.size();) {
    if (IsQuote(text[i])) {
      i = BehindQuoted(text, i);
      continue;
    }
    depth += text[i] == '{' || text[i] == '[' ? 1 : text[i] == '}' || text[i] == ']' ? -1 : 0;
    ++i;
    if (depth == 0) return i;
  }
  return text.size();
}

// Behind the value that a secret name has; rather too far than too near.
size_t BehindValue(std::string_view text, const Separator& by) {
  if (by.kind == '/') return FindAny(text, "/?#&\"' \t\r\n", by.value);
  if (by.kind == '>') return FindAny(text, "<", by.value);
  size_t at = by.value;
  while (at < text.size() && (IsBlank(text[at]) || text[at] == '\\')) ++at;
  if (at == text.size()) return at;
  if (IsQuote(text[at])) return BehindQuoted(text, at);
  if (text[at] == '{' || text[at] == '[') return BehindNested(text, at);
  const bool json = by.quoted && by.kind == ':';
  if (json) return FindAny(text, ",}]\r\n", at);
  return FindAny(text, by.kind == '=' ? "&;\"'<> \t\r\n" : "&\"'<\r\n", at);
}

// Behind "user:password@" of a URL.
size_t BehindUserInfo(std::string_view text, size_t at) {
  const size_t end = FindAny(text, "@/?#\"' \t\r\n", at);
  return end < text.size() && text[end] == '@' ? end + 1 : at;
}

// How likely a value is one of few: what is kept when not all fit. The engine measures; this only
// has to be right about what can never be rare.
uint8_t RankOf(std::string_view word, bool digit) {
  if (!digit) return word.size() >= 20 ? 2 : 0;
  return word.size() >= 16 ? 4 : word.size() >= 4 ? 3 : word.size() >= 2 ? 2 : 1;
}

}  // namespace

TokenText::TokenText(std::string_view salt, const std::vector<std::string>& excluded)
    : secrets_(excluded), key_{SipHash({1, 2}, salt), SipHash({3, 4}, salt)} {}

bool TokenText::IsSecretName(std::string_view text) const {
  constexpr size_t kLongest = 32;
  const bool name =
      !text.empty() && text.size() <= kLongest && std::ranges::all_of(text, [](char c) {
        return IsAlpha(c) || c == '-' || c == '_' || c == '.';
      });
  return name && IsSecret(text);
}

bool TokenText::IsSecret(std::string_view name) const { return secrets_.IsSecretName(name); }

void TokenText::Add(std::string_view word, bool digit, TokenSet* out) const {
  const auto edge = [](char c) { return c == '-' || c == '_' || c == '.'; };
  while (!word.empty() && edge(word.front())) word.remove_prefix(1);
  while (!word.empty() && edge(word.back())) word.remove_suffix(1);
  if (word.empty() || word.size() > kMaxWord) return;
  if (!digit && (word.size() < 3 || word == "true" || word == "false" || word == "null")) return;
  // "eyJ" is how base64 begins for `{"`: a JSON web token.
  if (word.size() >= 20 && word.starts_with("eyJ")) return;
  const uint8_t rank = RankOf(word, digit);
  if (!out->Wants(rank)) return;
  char lower[kMaxWord];
  uint64_t percent = 0;
  const auto put = [&](size_t at, size_t n) {
    uint64_t x = 0;
    std::memcpy(&x, word.data() + at, n);
    x = LowerWord(x, &percent);
    std::memcpy(lower + at, &x, n);
  };
  for (size_t at = 0; at + 8 < word.size(); at += 8) put(at, 8);
  if (word.size() >= 8)
    put(word.size() - 8, 8);  // some of them again
  else
    put(0, word.size());
  if (percent == 0) out->Add(static_cast<uint32_t>(SipHash(key_, {lower, word.size()})), rank);
}

bool TokenText::Scan(std::string_view text, bool cut, TokenSet* out) const {
  bool secret = false;
  const size_t size = text.size();
  for (size_t i = 0; i < size;) {
    if ((ClassOf(text[i]) & kInWord) == 0) {
      ++i;
      continue;
    }
    const size_t begin = i;
    uint8_t seen = 0;
    for (; i < size; ++i) {
      const uint8_t what = ClassOf(text[i]);
      if ((what & kInWord) == 0) break;
      seen |= what;
    }
    const bool digit = (seen & kIsDigit) != 0;
    if (i == size && cut) return secret;
    const std::string_view word = text.substr(begin, i - begin);
    if (i == size || (ClassOf(text[i]) & kMaySeparate) == 0) {
      Add(word, digit, out);
      continue;
    }
    if (text[i] == ':' && text.substr(i, 3) == "://") {
      i = BehindUserInfo(text, i + 3);
      continue;
    }
    const Separator separator = SeparatorAt(text, begin, i);
    if (separator.kind != 0) {
      const bool truth = EqualsNoCase(word, kTruthName) || EqualsNoCase(word, "x-weft-truth");
      if (truth || IsSecret(word)) {
        secret |= !truth;
        i = BehindValue(text, separator);
        continue;
      }
      // "57:profile", {"57": ...}: what has digits in it may be an id as well.
      if (!digit && separator.kind != '/') continue;
    }
    Add(word, digit, out);
  }
  return secret;
}

bool TokenText::ScanEncoded(std::string_view text, bool cut, TokenSet* out) const {
  if (text.find('%') == text.npos && text.find('+') == text.npos) return Scan(text, cut, out);
  std::string decoded;
  for (size_t i = 0; i < text.size(); ++i) {
    const bool hex = text[i] == '%' && i + 2 < text.size() && HexValue(text[i + 1]) >= 0 &&
                     HexValue(text[i + 2]) >= 0;
    if (!hex) {
      decoded.push_back(text[i] == '+' ? ' ' : text[i]);
      continue;
    }
    decoded.push_back(static_cast<char>(HexValue(text[i + 1]) * 16 + HexValue(text[i + 2])));
    i += 2;
  }
  return Scan(decoded, cut, out);
}

}  // namespace weft::ebpf
