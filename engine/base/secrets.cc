#include "engine/base/secrets.h"

#include <algorithm>

namespace weft {
namespace {

// Secret if it is one of these ...
constexpr std::array<std::string_view, 14> kWords = {
    "pw",  "pwd",  "pass", "otp", "totp",      "jwt",        "sas",
    "cvv", "csrf", "xsrf", "ssn", "sessionid", "jsessionid", "phpsessid"};
// ... or, as a parameter, one of these ...
constexpr std::array<std::string_view, 8> kParameters = {"auth", "key", "sig",     "sid",
                                                         "code", "pin", "session", "nonce"};
// ... or contains one of these.
constexpr std::array<std::string_view, 18> kParts = {
    "passw",   "passphrase", "secret",      "token",      "apikey",           "accesskey",
    "authkey", "privatekey", "credential",  "signature",  "authorization",    "sessionkey",
    "bearer",  "cookie",     "requirepass", "masterauth", "connectionstring", "subscriptionkey"};

}  // namespace

std::string_view CanonicalName(std::string_view name, CanonicalBuffer* buffer) {
  size_t n = 0;
  for (size_t i = 0; i < name.size() && n < kMaxCanonicalName; ++i) {
    char c = name[i];
    if (c == '%' && i + 2 < name.size() && HexValue(name[i + 1]) >= 0 &&
        HexValue(name[i + 2]) >= 0) {
      c = static_cast<char>(HexValue(name[i + 1]) * 16 + HexValue(name[i + 2]));
      i += 2;
    }
    if (IsAlpha(c) || IsDigit(c)) (*buffer)[n++] = Lower(c);
  }
  return {buffer->data(), n};
}

bool IsSecretWord(std::string_view canonical) {
  if (std::ranges::find(kWords, canonical) != kWords.end()) return true;
  constexpr size_t kShortestPart = 5;
  if (canonical.size() < kShortestPart) return false;
  return std::ranges::any_of(kParts, [&](std::string_view part) {
    return canonical.find(part) != std::string_view::npos;
  });
}

bool IsSecretParameter(std::string_view canonical) {
  return std::ranges::find(kParameters, canonical) != kParameters.end() || IsSecretWord(canonical);
}

// "eyJ" is how base64 begins for `{"`: header.payload.signature.
size_t JsonWebTokenLength(std::string_view text) {
  if (!text.starts_with("eyJ")) return 0;
  size_t n = 0, dots = 0;
  while (n < text.size() && IsTokenChar(text[n])) dots += text[n++] == '.' ? 1 : 0;
  return dots >= 2 || n >= 64 ? n : 0;
}

size_t UserInfoLength(std::string_view text) {
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '@') return i + 1;
    if (text[i] == '/' || text[i] == '?' || text[i] == '#' || text[i] == ' ') return 0;
  }
  return 0;
}

}  // namespace weft
