#include "engine/redact/hidden_text.h"

#include <algorithm>
#include <array>
#include <compare>
#include <vector>

#include "engine/base/ascii.h"
#include "engine/base/secrets.h"

namespace weft::redact {
namespace {

struct Range {
  size_t first = 0, second = 0;
  bool quote = false;  // stands for a number of JSON: its replacement is a string
  auto operator<=>(const Range&) const = default;
};

// What makes a text worth a closer look.
struct Look {
  size_t digits = 0, longest_run = 0;  // of token characters
  bool equals = false, quotes = false, at = false, dashes = false;
};

Look LookAt(std::string_view text) {
  Look look;
  size_t run = 0;
  for (const char c : text) {
    run = IsTokenChar(c) ? run + 1 : 0;
    look.longest_run = std::max(look.longest_run, run);
    look.digits += IsDigit(c);
    look.equals |= c == '=';
    look.quotes |= c == '"';
    look.at |= c == '@';
  }
  look.dashes = text.find("-----BEGIN") != text.npos;
  return look;
}

struct Prefix {
  std::string_view text;
  size_t at_least;  // characters in all
};
constexpr std::array kPrefixes = {
    Prefix{"AKIA", 20},  Prefix{"ASIA", 20},        Prefix{"ghp_", 36},
    Prefix{"gho_", 36},  Prefix{"ghu_", 36},        Prefix{"ghs_", 36},
    Prefix{"ghr_", 36},  Prefix{"github_pat_", 40}, Prefix{"glpat-", 20},
    Prefix{"xoxa-", 20}, Prefix{"xoxb-", 20},       Prefix{"xoxp-", 20},
    Prefix{"xoxr-", 20}, Prefix{"xoxs-", 20},       Prefix{"AIza", 35},
    Prefix{"ya29.", 20}, Prefix{"sk_live_", 20},    Prefix{"rk_live_", 20},
    Prefix{"sk-", 32},   Prefix{"npm_", 36},        Prefix{"SG.", 40},
    Prefix{"hvs.", 24},  Prefix{"dop_v1_", 60},     Prefix{"dckr_pat_", 20},
    Prefix{"whsec_", 24}};

// Whether what begins with that letter may be one of them; most words do not.
constexpr auto kBeginsPrefix = [] {
  std::array<bool, 256> begins{};
  for (const Prefix& p : kPrefixes) begins[static_cast<uint8_t>(p.text[0])] = true;
  return begins;
}();

void FindTokens(std::string_view text, const Look& look, std::vector<Range>* out) {
  for (size_t i = 0; i < text.size();) {
    if (!IsTokenChar(text[i])) {
      if (text.substr(i).starts_with("://"))
        if (const size_t n = UserInfoLength(text.substr(i + 3)); n > 1)
          out->push_back({i + 3, i + 3 + n - 1});  // the @ stays
      ++i;
      continue;
    }
    size_t end = i;
    while (end < text.size() && IsTokenChar(text[end])) ++end;
    const std::string_view run = text.substr(i, end - i);
    if (const size_t n = JsonWebTokenLength(run); n > 0) out->push_back({i, i + n});
    if (kBeginsPrefix[static_cast<uint8_t>(run[0])])
      for (const Prefix& p : kPrefixes)
        if (run.size() >= p.at_least && run.starts_with(p.text)) out->push_back({i, end});
    // An authorization header's value wherever it stands: "Bearer abc", "Basic dXNlcjpwdw==".
    if (EqualsNoCase(run, "bearer") || EqualsNoCase(run, "basic")) {
      size_t to = end + 1;
      const auto base64 = [](char c) {
        return IsTokenChar(c) || c == '+' || c == '/' || c == '~' || c == '=';
      };
      while (end < text.size() && text[end] == ' ' && to < text.size() && base64(text[to])) ++to;
      constexpr size_t kShortest = 12;
      if (to >= end + 1 + kShortest) {
        out->push_back({end + 1, to});
        end = to;
      }
    }
    i = end;
  }
  if (!look.dashes) return;
  for (size_t i = text.find("-----BEGIN"); i != text.npos; i = text.find("-----BEGIN", i + 1)) {
    constexpr size_t kLongestHead = 64;
    const size_t in_head = text.substr(i, kLongestHead).find("PRIVATE KEY-----");
    if (in_head == text.npos) continue;
    const size_t from = i + in_head + 16;
    const size_t to = std::min({text.find("-----END", from), text.find('"', from), text.size()});
    out->push_back({from, to});
    i = to - 1;
  }
}

// The end of a value that begins at `from`: at its quote, if it has one, else before a separator.
Range ValueAt(std::string_view text, size_t from) {
  if (text.substr(from).starts_with("\\\""))
    return {from + 2, std::min(text.find("\\\"", from + 2), text.size())};
  const bool quoted = from < text.size() && (text[from] == '"' || text[from] == '\'');
  if (!quoted) {
    const size_t end = text.find_first_of("&;, \t\r\n\"'#)}]<>", from);
    return {from, end == text.npos ? text.size() : end};
  }
  size_t end = from + 1;
  while (end < text.size() && text[end] != text[from]) end += text[end] == '\\' ? 2 : 1;
  return {from + 1, std::min(end, text.size())};
}

// The texts in a list or an object of JSON that begins at `from`; returns where it ends.
size_t FindTexts(std::string_view text, size_t from, std::vector<Range>* out) {
  size_t depth = 0, i = from;
  for (; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '{' || c == '[') ++depth;
    if ((c == '}' || c == ']') && --depth == 0) break;
    if (c != '"') continue;
    const Range one = ValueAt(text, i);
    i = one.second;
    size_t next = i + 1;
    while (next < text.size() && text[next] == ' ') ++next;
    const bool name = next < text.size() && text[next] == ':';
    if (!name && one.first < one.second) out->push_back(one);
  }
  return std::min(i, text.size());
}

bool IsNameChar(char c) { return IsTokenChar(c) || c == '%'; }

void FindNamed(std::string_view text, bool query, std::vector<Range>* out) {
  CanonicalBuffer buffer;
  for (size_t i = text.find_first_of("=:"); i != text.npos; i = text.find_first_of("=:", i + 1)) {
    size_t end = i;
    while (end > 0 && text[end - 1] == ' ') --end;
    const bool quoted = end > 0 && text[end - 1] == '"';
    if (text[i] == ':' && !quoted) continue;  // a name before a colon is prose or a clock
    if (quoted) --end;
    if (quoted && end > 0 && text[end - 1] == '\\') --end;  // JSON inside JSON
    size_t begin = end;
    while (begin > 0 && IsNameChar(text[begin - 1])) --begin;
    if (begin == end) continue;
    const bool parameter =
        !quoted && (begin == 0 ? query : text[begin - 1] == '?' || text[begin - 1] == '&');
    const std::string_view name = CanonicalName(text.substr(begin, end - begin), &buffer);
    if (!(parameter ? IsSecretParameter(name) : IsSecretWord(name))) continue;
    size_t from = i + 1;
    while (!parameter && from < text.size() && text[from] == ' ') ++from;
    if (quoted && text[i] == ':' && from < text.size() && text[from] != '"' && text[from] != '\\') {
      // Numbers, true and null are counts and flags, and could not become a text without quotes.
      if (text[from] == '[' || text[from] == '{') i = FindTexts(text, from, out);
      continue;
    }
    const Range range = ValueAt(text, from);
    const std::string_view value = text.substr(range.first, range.second - range.first);
    // Hidden already, or a placeholder of a statement.
    const bool nothing = value.empty() || value == kRedacted ||
                         (value.size() <= 3 && std::string_view("?$%:").contains(value[0]));
    if (nothing) continue;
    out->push_back(range);
    i = range.second - 1;
  }
}

// The first digits of the issuers that there are; random numbers pass the check digit too often.
bool IsIssuer(std::string_view digits) {
  const int two = (digits[0] - '0') * 10 + (digits[1] - '0');
  return digits[0] == '4' || (two >= 51 && two <= 55) || (two >= 22 && two <= 27) || two == 34 ||
         two == 37 || two == 30 || two == 36 || two == 38 || two == 35 || two == 60 || two == 62 ||
         two == 64 || two == 65;
}

bool PassesLuhn(std::string_view digits) {
  int sum = 0;
  for (size_t i = 0; i < digits.size(); ++i) {
    int d = digits[digits.size() - 1 - i] - '0';
    if (i % 2 == 1) d = d * 2 > 9 ? d * 2 - 9 : d * 2;
    sum += d;
  }
  return sum % 10 == 0;
}

void FindCards(std::string_view text, std::vector<Range>* out) {
  for (size_t i = 0; i < text.size(); ++i) {
    if (!IsDigit(text[i]) || (i > 0 && (IsTokenChar(text[i - 1]) || text[i - 1] == '+'))) continue;
    std::array<char, 19> digits;
    size_t n = 0, end = i, separators = 0;
    bool whole = true;
    for (; end < text.size(); ++end) {
      const char c = text[end];
      if (IsDigit(c)) {
        if (n == digits.size()) {
          whole = false;
          break;
        }
        digits[n++] = c;
      } else if ((c == ' ' || c == '-') && n >= 4 && end + 1 < text.size() &&
                 IsDigit(text[end + 1])) {
        ++separators;
      } else {
        whole = !IsAlpha(c) && c != '_';
        break;
      }
    }
    const std::string_view number(digits.data(), n);
    // In one piece 17 and more digits are more likely an id.
    const bool length = n >= 13 && (separators == 0 ? n <= 16 : separators >= 2 && separators <= 4);
    const bool json = separators == 0 && i > 1 &&
                      (text[i - 1] == ':' || text[i - 1] == '[' || text[i - 1] == ',') &&
                      end < text.size() && std::string_view(",]}").contains(text[end]);
    if (whole && length && IsIssuer(number) && PassesLuhn(number)) out->push_back({i, end, json});
    i = end;
  }
}

void FindEmails(std::string_view text, std::vector<Range>* out) {
  const auto local = [](char c) { return IsTokenChar(c) || c == '+' || c == '%'; };
  for (size_t at = text.find('@'); at != text.npos; at = text.find('@', at + 1)) {
    size_t begin = at, end = at + 1, dot = 0;
    while (begin > 0 && local(text[begin - 1])) --begin;
    for (; end < text.size() && IsTokenChar(text[end]) && text[end] != '_'; ++end)
      if (text[end] == '.') dot = end;
    const size_t top = dot + 1;
    if (begin < at && dot > at + 1 && end - top >= 2 && IsAlpha(text[top]))
      out->push_back({begin, end});
  }
}

}  // namespace

bool HideSecrets(uint8_t shapes, std::string_view text, bool query, std::string* out) {
  const Look look = LookAt(text);
  std::vector<Range> found;
  constexpr size_t kShortestRun = 16, kShortestCard = 13;
  if ((shapes & kNames) != 0 && (look.equals || look.quotes)) FindNamed(text, query, &found);
  if ((shapes & kTokens) != 0 && (look.longest_run >= kShortestRun || look.at || look.dashes))
    FindTokens(text, look, &found);
  if ((shapes & kCards) != 0 && look.digits >= kShortestCard) FindCards(text, &found);
  if ((shapes & kEmails) != 0 && look.at) FindEmails(text, &found);
  if (found.empty()) return false;
  std::ranges::sort(found);
  std::string hidden;
  size_t at = 0;
  for (size_t i = 0; i < found.size();) {
    auto [from, to, quote] = found[i];
    for (; i < found.size() && found[i].first <= to; ++i) to = std::max(to, found[i].second);
    hidden.append(text.substr(at, from - at)).append(quote ? "\"" : "");
    hidden.append(kRedacted).append(quote ? "\"" : "");
    at = to;
  }
  hidden.append(text.substr(at));
  *out = std::move(hidden);
  return true;
}

}  // namespace weft::redact
