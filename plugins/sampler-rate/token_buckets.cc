#include "plugins/sampler-rate/token_buckets.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <functional>

namespace weft::sampling {
namespace {

constexpr size_t kMaxKeyBytes = 160;
constexpr size_t kMaxStateBytes = 200 << 10;
constexpr int64_t kSweepNs = 1'000'000'000;
// A clock that goes back by more than this was set; less is another batch's time.
constexpr int64_t kClockStepNs = 60'000'000'000;
constexpr double kMostTokens = 1e12;

}  // namespace

// A full bucket that stands for nobody is as good as a new one. Not for each new key: a flood of
// them would pay for a walk over all.
void TokenBuckets::ForgetFull(int64_t now_ns, double share) {
  if (now_ns >= swept_ns_ && now_ns < swept_ns_ + kSweepNs) return;
  swept_ns_ = now_ns;
  std::erase_if(keys_, [&](const auto& item) {
    Key key = item.second;
    Fill(key, now_ns, share);
    if (key.refused > 0) return false;
    for (size_t i = 0; i < kBudgets; ++i)
      if (per_second_[i] > 0 && key.tokens[i] < Capacity(i, share)) return false;
    return true;
  });
}

TokenBuckets::Key& TokenBuckets::Find(std::string_view name, int64_t now_ns, double share) {
  std::string key(name.substr(0, kMaxKeyBytes));
  if (name.size() > kMaxKeyBytes) key += std::to_string(std::hash<std::string_view>{}(name));
  if (const auto it = keys_.find(key); it != keys_.end()) return it->second;
  if (keys_.size() >= max_keys_) ForgetFull(now_ns, share);
  if (keys_.size() >= max_keys_) key = "";
  return keys_[key];
}

// Never less than one trace, or a small share would never pass anything.
double TokenBuckets::Capacity(size_t budget, double share) const {
  return std::max(per_second_[budget] * share * burst_seconds_, budget == kTraces ? 1.0 : 0.0);
}

void TokenBuckets::Fill(Key& key, int64_t now_ns, double share) const {
  const double seconds =
      key.at_ns == 0 ? 1e9 : static_cast<double>(std::max<int64_t>(0, now_ns - key.at_ns)) * 1e-9;
  key.at_ns = now_ns < key.at_ns - kClockStepNs ? now_ns : std::max(key.at_ns, now_ns);
  for (size_t i = 0; i < kBudgets; ++i)
    if (per_second_[i] > 0)
      key.tokens[i] =
          std::min(Capacity(i, share), key.tokens[i] + per_second_[i] * share * seconds);
}

double TokenBuckets::Offer(Key& key, const Costs& costs, int64_t now_ns, double share) {
  Fill(key, now_ns, share);
  bool passes = true;
  for (size_t i = 0; i < kBudgets; ++i)
    if (per_second_[i] > 0) passes &= i == kTraces ? key.tokens[i] >= 1 : key.tokens[i] > 0;
  if (!passes) return ++key.refused, 0;
  for (size_t i = 0; i < kBudgets; ++i)
    if (per_second_[i] > 0) key.tokens[i] -= costs[i];
  const double stands_for = 1 + key.refused;
  key.refused = 0;
  return stands_for;
}

void TokenBuckets::Save(std::string& state) const {
  for (const auto& [name, key] : keys_) {
    if (state.size() > kMaxStateBytes) break;
    const auto size = static_cast<uint32_t>(name.size());
    state.append(reinterpret_cast<const char*>(&size), sizeof size).append(name);
    state.append(reinterpret_cast<const char*>(&key), sizeof key);
  }
}

bool TokenBuckets::Load(std::string_view state) {
  std::unordered_map<std::string, Key> keys;
  while (!state.empty()) {
    uint32_t size = 0;
    Key key;
    if (state.size() < sizeof size) return false;
    std::memcpy(&size, state.data(), sizeof size);
    state.remove_prefix(sizeof size);
    if (size > kMaxKeyBytes + 32 || state.size() < size + sizeof key) return false;
    const std::string name(state.substr(0, size));
    std::memcpy(&key, state.data() + size, sizeof key);
    state.remove_prefix(size + sizeof key);
    const bool bounded =
        std::ranges::all_of(key.tokens, [](double t) { return std::abs(t) <= kMostTokens; });
    if (!bounded || key.at_ns < 0 || !(key.refused >= 0 && key.refused < kMostTokens)) return false;
    if (keys.size() < max_keys_) keys[name] = key;
  }
  keys_ = std::move(keys);
  return true;
}

}  // namespace weft::sampling
