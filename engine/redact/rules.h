// Rules: what leaves weft of the attributes of spans and processes, and of operations.
//
// In this order, for each attribute: one whose key is in `deny`, or not in `allow` where that is
// not empty, goes; one in `hash` becomes 16 hex digits of a keyed hash, the same for the same
// value; one whose key is secret by name becomes REDACTED; in any other text the shapes of
// hidden_text.h and the user's own patterns are hidden. Operations are such texts too. A key ends
// with * where it stands for all that begin so. Events, links and the trace state stay whatever
// `allow` says, unless `deny` has them; events and links go by the keys of their attributes
// (event_text.h), so `hash` cannot name them. Immutable: any thread.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/base/config.h"
#include "engine/base/result.h"
#include "engine/base/siphash.h"

namespace re2 {
class RE2;
}

namespace weft::redact {

// What a request's trace state is stored under; those of links go by the rules for it too.
inline constexpr std::string_view kTraceState = "w3c.tracestate";

enum class Fate : uint8_t { kLook, kDrop, kHash, kHide, kEvents };

class Rules {
 public:
  // Reads the file of the hash key. kInvalid names the setting; kIo the file. nullptr where the
  // settings ask for nothing.
  static Result<std::shared_ptr<const Rules>> Make(const RedactSettings& settings);
  ~Rules();

  Fate FateOf(std::string_view key) const;
  // The text without secrets to *out; false: it has none, *out is untouched.
  bool Hide(std::string_view text, bool query, std::string* out) const;
  // 16 hex digits. Requires: there is a key, as there is where any fate is kHash.
  std::string Hash(std::string_view text) const;

 private:
  Rules() = default;

  uint8_t shapes_ = 0;
  bool secret_names_ = false;
  std::vector<std::string> allow_, deny_, hash_;
  std::optional<SipKey> hash_key_;
  std::vector<std::unique_ptr<re2::RE2>> patterns_;
};

}  // namespace weft::redact
