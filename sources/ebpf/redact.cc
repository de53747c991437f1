#include "sources/ebpf/redact.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "engine/base/ascii.h"

namespace weft::ebpf {
namespace {

constexpr std::array<std::string_view, 8> kHeaders = {
    "authorization", "proxyauthorization", "cookie",         "setcookie", "xapikey",
    "xauth",         "authenticationinfo", "wwwauthenticate"};

// Printable ASCII with nothing in it that could be a token or credentials in a URL: nearly all.
bool IsPlain(std::string_view text) {
  constexpr uint64_t kOnes = 0x0101010101010101, kHigh = kOnes << 7;
  const char* at = text.data();
  uint64_t odd = 0;
  size_t left = text.size();
  for (; left >= 8; at += 8, left -= 8) {
    uint64_t x;
    std::memcpy(&x, at, 8);
    // Below 0x20, 0x7f, or above.
    odd |= x | ((x - kOnes * 0x20) & ~x) | (x + kOnes);
  }
  odd &= kHigh;
  for (; left > 0; ++at, --left) odd |= *at >= 0x20 && *at < 0x7f ? 0 : 1;
  if (odd != 0) return false;
  // The rare letter of "eyJ" and of "://" is looked for.
  for (size_t i = text.find('J'); i != std::string_view::npos; i = text.find('J', i + 1))
    if (text.substr(0, i).ends_with("ey")) return false;
  for (size_t i = text.find(':'); i != std::string_view::npos; i = text.find(':', i + 1))
    if (text.substr(i + 1).starts_with("//")) return false;
  return true;
}

// A URL as a value has its parameters encoded: "...%26token%3Dabc". Calls `is_secret` for each
// name.
template <typename F>
bool AnyEncodedName(std::string_view value, F is_secret) {
  for (size_t i = value.find('%'); i < value.size() && i + 2 < value.size(); ++i) {
    if (value[i] != '%' || value[i + 1] != '3' || Lower(value[i + 2]) != 'd') continue;
    size_t begin = i;
    while (begin > 0 && IsTokenChar(value[begin - 1])) --begin;
    // The digits of the separator's own encoding stand right before the name.
    const bool encoded = begin > 0 && value[begin - 1] == '%' && i - begin >= 2;
    if (is_secret(value.substr(begin + (encoded ? 2 : 0), i - begin - (encoded ? 2 : 0))))
      return true;
  }
  return false;
}

}  // namespace

Redactor::Redactor(const std::vector<std::string>& names) {
  CanonicalBuffer buffer;
  for (const std::string& name : names) names_.emplace_back(CanonicalName(name, &buffer));
}

bool Redactor::JudgeName(std::string_view name) const {
  CanonicalBuffer buffer;
  const std::string_view canonical = CanonicalName(name, &buffer);
  if (canonical.empty()) return false;
  return IsSecretParameter(canonical) || std::ranges::find(names_, canonical) != names_.end() ||
         name.size() > 3 * kMaxCanonicalName;  // cannot be judged
}

bool Redactor::IsSecretHeader(std::string_view name) const {
  CanonicalBuffer buffer;
  const std::string_view canonical = CanonicalName(name, &buffer);
  return std::ranges::find(kHeaders, canonical) != kHeaders.end() ||
         std::ranges::find(names_, canonical) != names_.end() || IsSecretWord(canonical);
}

void Redactor::Query(std::string_view query, std::string* out) const { Pairs(query, "&;", out); }

void Redactor::Baggage(std::string_view members, std::string* out) const {
  Pairs(members, ",;", out);
}

// Nothing in it is to be hidden: nearly always. There are two separators.
bool Redactor::IsPlainPairs(std::string_view text, std::string_view separators) const {
  if (text.size() > kMaxText || !IsPlain(text)) return false;
  const bool encoded = text.find('%') != std::string_view::npos;
  const auto secret = [this](std::string_view name) { return IsSecretName(name); };
  for (size_t begin = 0, i = 0; i <= text.size(); ++i) {
    const bool end = i == text.size() || text[i] == separators[0] || text[i] == separators[1];
    if (!end && text[i] != '=') continue;
    if (!end) {  // the first '=' of a pair
      if (secret(text.substr(begin, i - begin))) return false;
      const size_t value = i;
      while (i < text.size() && text[i] != separators[0] && text[i] != separators[1]) ++i;
      if (encoded && AnyEncodedName(text.substr(value, i - value), secret)) return false;
    }
    begin = i + 1;
  }
  return true;
}

void Redactor::Pairs(std::string_view text, std::string_view separators, std::string* out) const {
  if (IsPlainPairs(text, separators)) {
    out->append(text);
    return;
  }
  const size_t limit = out->size() + kMaxText;
  const auto secret = [&](std::string_view name) { return IsSecretName(name); };
  while (!text.empty() && out->size() < limit) {
    const size_t end = text.find_first_of(separators);
    const std::string_view pair = text.substr(0, end);
    const size_t equals = pair.find('=');
    if (equals != std::string_view::npos &&
        (secret(pair.substr(0, equals)) || AnyEncodedName(pair.substr(equals), secret))) {
      Text(pair.substr(0, equals + 1), out);
      out->append(kRedacted);
    } else {
      Text(pair, out);
    }
    if (end == std::string_view::npos) break;
    out->push_back(text[end]);
    text.remove_prefix(end + 1);
  }
}

void Redactor::Path(std::string_view path, std::string* out) const {
  size_t semicolon = path.find(';');
  Text(path.substr(0, semicolon), out);
  while (semicolon != std::string_view::npos) {
    path.remove_prefix(semicolon + 1);
    const size_t end = std::min(path.find(';'), path.find('/'));
    const std::string_view pair = path.substr(0, end);
    const size_t equals = pair.find('=');
    out->push_back(';');
    if (equals != std::string_view::npos && IsSecretName(pair.substr(0, equals))) {
      Text(pair.substr(0, equals + 1), out);
      out->append(kRedacted);
    } else {
      Text(pair, out);
    }
    if (end == std::string_view::npos) break;
    path.remove_prefix(end);
    semicolon = path.find(';');
    Text(path.substr(0, semicolon), out);
  }
}

void Redactor::HeaderValue(std::string_view name, std::string_view value, std::string* out) const {
  if (IsSecretHeader(name)) {
    out->append(kRedacted);
  } else {
    Text(value, out);
  }
}

void Redactor::CommandLine(std::string_view arguments, std::string* out) const {
  const size_t limit = out->size() + kMaxText;
  bool hide_next = false;
  while (!arguments.empty() && out->size() < limit) {
    const size_t end = arguments.find('\0');
    const std::string_view argument = arguments.substr(0, end);
    if (!out->empty()) out->push_back(' ');
    const size_t equals = argument.find('=');
    const bool secret = IsSecretName(argument.substr(0, equals));
    if (hide_next) {
      out->append(kRedacted);
      hide_next = false;
    } else if (secret && equals != std::string_view::npos) {
      Text(argument.substr(0, equals + 1), out);
      out->append(kRedacted);
    } else {
      // "--password x" and "-a x", not a program or file that happens to be named so.
      hide_next = secret && argument.starts_with('-');
      Text(argument, out);
    }
    if (end == std::string_view::npos) break;
    arguments.remove_prefix(end + 1);
  }
}

void Redactor::Text(std::string_view text, std::string* out) const {
  if (text.size() <= kMaxText && IsPlain(text)) {
    out->append(text);
    return;
  }
  const size_t limit = out->size() + kMaxText;
  for (size_t i = 0; i < text.size() && out->size() < limit; ++i) {
    const char c = text[i];
    if (c == 'e' && (i == 0 || !IsTokenChar(text[i - 1]))) {
      if (const size_t n = JsonWebTokenLength(text.substr(i)); n > 0) {
        out->append(kRedacted);
        i += n - 1;
        continue;
      }
    }
    out->push_back(c >= 0x20 && c < 0x7f ? c : '?');
    if (c == '/' && i >= 2 && text[i - 1] == '/' && text[i - 2] == ':') {
      if (const size_t n = UserInfoLength(text.substr(i + 1)); n > 0) {
        out->append(kRedacted).push_back('@');
        i += n;
      }
    }
  }
}

}  // namespace weft::ebpf
