// TokenText: finds the values in a text (ids, numbers, words in paths, queries, JSON, forms, keys)
// and puts their salted hashes into a TokenSet. Names are not values, and neither is what a secret
// name names: its value is passed over unread, nested ones too.
//
// Lexical on purpose: the payload is a prefix and may be anything. Errs on the side of taking
// nothing. One thread.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "sources/ebpf/redact.h"
#include "engine/base/siphash.h"
#include "sources/ebpf/token_set.h"

namespace weft::ebpf {

class TokenText {
 public:
  // `salt`: any text; equal on all agents whose observations one engine reads, and kept secret.
  // `excluded`: names whose values are never hashed, beside those that the Redactor knows.
  TokenText(std::string_view salt, const std::vector<std::string>& excluded);

  // `cut`: the text goes on behind its end, so its last word may be a part of one. True when a
  // secret was passed over.
  bool Scan(std::string_view text, bool cut, TokenSet* out) const;
  // The same for percent-encoded text.
  bool ScanEncoded(std::string_view text, bool cut, TokenSet* out) const;
  // Whether the whole text is such a name and nothing else; one with digits is taken for a value.
  bool IsSecretName(std::string_view text) const;
  bool IsSecretHeader(std::string_view name) const { return secrets_.IsSecretHeader(name); }

 private:
  void Add(std::string_view word, bool digit, TokenSet* out) const;
  bool IsSecret(std::string_view name) const;

  Redactor secrets_;
  SipKey key_;
};

}  // namespace weft::ebpf
