#include "plugins/sampler-rate/token_buckets.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <functional>

namespace weft::sampling {
namespace {

constexpr size_t kMaxKeyBytes = 160;
constexpr size_t kMaxStateBytes = 200 << 10;
constexpr int64_t kForgetNs = 300'000'000'000;

}  // namespace

TokenBuckets::Key& TokenBuckets::Find(std::string_view name, int64_t now_ns) {
  std::string key(name.substr(0, kMaxKeyBytes));
  if (name.size() > kMaxKeyBytes) key += std::to_string(std::hash<std::string_view>{}(name));
  if (const auto it = keys_.find(key); it != keys_.end()) return it->second;
  // Full buckets that owe nothing need not be remembered.
  if (keys_.size() >= max_keys_)
    std::erase_if(keys_, [&](const auto& k) { return k.second.at_ns + kForgetNs < now_ns; });
  if (keys_.size() >= max_keys_) key = "";
  return keys_[key];
}

double TokenBuckets::Offer(Key& key, const Costs& costs, int64_t now_ns, double share) {
  const double seconds =
      key.at_ns == 0 ? 1e9 : static_cast<double>(std::max<int64_t>(0, now_ns - key.at_ns)) * 1e-9;
  key.at_ns = std::max(key.at_ns, now_ns);
  bool passes = true;
  for (size_t i = 0; i < kBudgets; ++i) {
    if (per_second_[i] <= 0) continue;
    const double rate = per_second_[i] * share;
    // Never less than one trace, or a small share would never pass anything.
    const double capacity = std::max(rate * burst_seconds_, i == kTraces ? 1.0 : 0.0);
    key.tokens[i] = std::min(capacity, key.tokens[i] + rate * seconds);
    passes &= i == kTraces ? key.tokens[i] >= 1 : key.tokens[i] > 0;
  }
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
    const bool finite = std::ranges::all_of(key.tokens, [](double t) { return std::isfinite(t); });
    if (!finite || key.at_ns < 0 || !(key.refused >= 0 && key.refused < 1e15)) return false;
    if (keys.size() <= max_keys_) keys[name] = key;
  }
  keys_ = std::move(keys);
  return true;
}

}  // namespace weft::sampling
