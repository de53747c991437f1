// Secrets inside texts, by their shape: what HideSecrets finds becomes REDACTED.
//
//   names   values of secret names: ?token=x, password='x', {"password":"x"}
//   tokens  JSON web tokens, Bearer and Basic credentials, user:password@ of URLs, private keys in
//           PEM, keys with the prefix of a well-known provider
//   cards   payment card numbers: length, first digits and Luhn's check digit
//   emails  addresses
//
// Replacements never touch a quote, so that JSON stays JSON. Pure; any thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace weft::redact {

enum Shape : uint8_t { kNames = 1, kTokens = 2, kCards = 4, kEmails = 8 };

// Writes the text without its secrets to *out. False: there is none, *out is untouched.
// `query`: the text is a query string, so its first name counts as a parameter.
bool HideSecrets(uint8_t shapes, std::string_view text, bool query, std::string* out);

}  // namespace weft::redact
