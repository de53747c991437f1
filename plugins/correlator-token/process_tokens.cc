#include "plugins/correlator-token/process_tokens.h"

#include <algorithm>
#include <cstring>

namespace weft::plugins::token {
namespace {

constexpr uint32_t kStateVersion = 1;
// An unknown value of an unknown operation is taken to be in one request of ten; it is never taken
// to be rarer than could be measured.
constexpr float kPriorCount = 0.5f, kPriorSeen = 5.0f;

template <class T>
void Append(std::string& out, const T& value) {
  out.append(reinterpret_cast<const char*>(&value), sizeof value);
}

template <class T>
bool Take(std::string_view& in, T& value) {
  if (in.size() < sizeof value) return false;
  std::memcpy(&value, in.data(), sizeof value);
  in.remove_prefix(sizeof value);
  return true;
}

bool IsCount(float v) { return v >= 0 && v < 1e9f; }

}  // namespace

float ProcessTokens::Frequency(uint64_t operation, Way way, uint32_t token, bool counted) const {
  const float self = counted ? 1.0f : 0.0f;
  const float seen = counts_.Get(TokenCounts::Key(operation, way)) - self;
  const float with = counts_.Get(TokenKey(operation, way, token)) - self;
  return std::min(1.0f, (std::max(with, 0.0f) + kPriorCount) / (std::max(seen, 0.0f) + kPriorSeen));
}

TokenReliability& ProcessTokens::Reliability(uint64_t operation, uint64_t call, Way way) {
  const uint64_t key = Mix(Mix(operation) ^ call) + way;
  const auto found = kinds_.find(key);
  if (found != kinds_.end()) return found->second;
  return kinds_[kinds_.size() < kMaxKinds ? key : uint64_t{way}];
}

void ProcessTokens::Save(std::string& out) const {
  Append(out, kStateVersion);
  Append(out, static_cast<uint32_t>(kinds_.size()));
  for (const auto& [key, value] : kinds_) {
    Append(out, key);
    Append(out, value);
  }
  counts_.Each([&out](uint32_t key, float count) {
    Append(out, key);
    Append(out, count);
  });
}

bool ProcessTokens::Load(std::string_view in) {
  uint32_t version = 0, kinds = 0;
  if (!Take(in, version) || version != kStateVersion || !Take(in, kinds) ||
      kinds > kMaxKinds + kWays)
    return false;
  ProcessTokens loaded;
  for (uint32_t i = 0; i < kinds; ++i) {
    uint64_t key = 0;
    TokenReliability value;
    if (!Take(in, key) || !Take(in, value)) return false;
    if (!IsCount(value.seen) || !(value.shared >= 0 && value.shared <= value.seen)) return false;
    loaded.kinds_[key] = value;
  }
  if (in.size() % 8 != 0 || in.size() / 8 > TokenCounts::kMaxEntries) return false;
  uint32_t key = 0;
  float count = 0;
  while (Take(in, key) && Take(in, count)) {
    if ((key & 1) == 0 || !IsCount(count)) return false;
    loaded.counts_.Add(key, count);
  }
  *this = std::move(loaded);
  return true;
}

}  // namespace weft::plugins::token
