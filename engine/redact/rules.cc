#include "engine/redact/rules.h"

#include <algorithm>
#include <array>
#include <fstream>

#include <fmt/format.h>
#include <re2/re2.h>

#include "engine/base/secrets.h"
#include "engine/redact/hidden_text.h"

namespace weft::redact {
namespace {

// What spans have as columns, under the names that exporters give them.
constexpr std::array<std::string_view, 8> kColumns = {
    "service.name",         "host.name",         "process.pid",           "process.executable.path",
    "network.peer.address", "network.peer.port", "network.local.address", "network.local.port"};

bool IsEvents(std::string_view key) { return key == "otel.events" || key == "otel.links"; }

bool Matches(const std::vector<std::string>& keys, std::string_view key) {
  return std::ranges::any_of(keys, [key](std::string_view k) {
    return k.ends_with('*') ? key.starts_with(k.substr(0, k.size() - 1)) : key == k;
  });
}

// 32 hex digits, as `openssl rand -hex 16` writes them.
Result<SipKey> ReadKey(const std::string& path) {
  std::ifstream file(path);
  std::string text;
  if (!file || !std::getline(file, text))
    return Fail(Code::kIo, fmt::format("redact.hash_key_file: {} cannot be read", path));
  while (!text.empty() && (text.back() == '\r' || text.back() == ' ')) text.pop_back();
  const bool hex = std::ranges::all_of(
      text, [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
  if (text.size() != 32 || !hex)
    return Fail(Code::kInvalid, fmt::format("redact.hash_key_file: {} must hold 32 hex digits; "
                                            "make one with: openssl rand -hex 16 > {}",
                                            path, path));
  return SipKey{std::stoull(text.substr(0, 16), nullptr, 16),
                std::stoull(text.substr(16), nullptr, 16)};
}

}  // namespace

Rules::~Rules() = default;

Result<std::shared_ptr<const Rules>> Rules::Make(const RedactSettings& settings) {
  std::shared_ptr<Rules> rules(new Rules());
  rules->secret_names_ = settings.secrets;
  if (settings.secrets) rules->shapes_ |= kNames;
  for (const std::string& value : settings.values) {
    const uint8_t shape = value == "tokens"   ? kTokens
                          : value == "cards"  ? kCards
                          : value == "emails" ? kEmails
                                              : 0;
    if (shape == 0)
      return Fail(Code::kInvalid,
                  fmt::format("redact.values: '{:.40}' is none of tokens, cards, emails", value));
    rules->shapes_ |= shape;
  }
  for (const auto* keys : {&settings.deny, &settings.hash})
    for (const std::string& key : *keys)
      if (std::ranges::find(kColumns, key) != kColumns.end())
        return Fail(Code::kInvalid,
                    fmt::format("redact: '{}' is a part of every span, not an attribute: it can be "
                                "neither denied nor hashed",
                                key));
  for (const std::string& key : settings.hash)
    if (IsEvents(key))
      return Fail(Code::kInvalid,
                  fmt::format("redact.hash: '{}' is a list of what has attributes of its own: name "
                              "their keys, or put it in redact.deny",
                              key));
  rules->allow_ = settings.allow;
  rules->deny_ = settings.deny;
  rules->hash_ = settings.hash;
  if (!settings.hash.empty()) {
    if (settings.hash_key_file.empty())
      return Fail(Code::kInvalid,
                  "redact.hash: redact.hash_key_file is missing; without a key anybody could try "
                  "values until one gives the same hash");
    const auto key = ReadKey(settings.hash_key_file);
    if (!key) return std::unexpected(key.error());
    rules->hash_key_ = *key;
  }
  for (const std::string& pattern : settings.patterns) {
    RE2::Options options;
    options.set_log_errors(false);
    auto compiled = std::make_unique<RE2>(pattern, options);
    if (!compiled->ok())
      return Fail(Code::kInvalid,
                  fmt::format("redact.patterns: '{:.80}': {}", pattern, compiled->error()));
    if (RE2::FullMatch("", *compiled))
      return Fail(Code::kInvalid,
                  fmt::format("redact.patterns: '{:.80}' matches the empty text", pattern));
    rules->patterns_.push_back(std::move(compiled));
  }
  const bool nothing = !rules->secret_names_ && rules->shapes_ == 0 && rules->allow_.empty() &&
                       rules->deny_.empty() && rules->hash_.empty() && rules->patterns_.empty();
  return nothing ? nullptr : std::shared_ptr<const Rules>(std::move(rules));
}

Fate Rules::FateOf(std::string_view key) const {
  if (Matches(deny_, key)) return Fate::kDrop;
  // Fields of OTLP that weft has no columns for: `allow` is about attributes.
  if (IsEvents(key)) return Fate::kEvents;
  if (key != kTraceState && !allow_.empty() && !Matches(allow_, key)) return Fate::kDrop;
  if (Matches(hash_, key)) return Fate::kHash;
  CanonicalBuffer buffer;
  if (secret_names_ && IsSecretWord(CanonicalName(key, &buffer))) return Fate::kHide;
  return Fate::kLook;
}

bool Rules::Hide(std::string_view text, bool query, std::string* out) const {
  std::string hidden;
  bool any = shapes_ != 0 && HideSecrets(shapes_, text, query, &hidden);
  for (const auto& pattern : patterns_) {
    if (!any && !RE2::PartialMatch(text, *pattern)) continue;
    if (!any) hidden = text;
    any = true;
    RE2::GlobalReplace(&hidden, *pattern, re2::StringPiece(kRedacted.data(), kRedacted.size()));
  }
  if (any) *out = std::move(hidden);
  return any;
}

std::string Rules::Hash(std::string_view text) const {
  return fmt::format("{:016x}", SipHash(*hash_key_, text));
}

}  // namespace weft::redact
