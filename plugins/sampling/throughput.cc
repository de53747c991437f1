#include "plugins/sampling/throughput.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

#include "plugins/sampling/randomness.h"

namespace weft::sampling {
namespace {

constexpr double kMemory = 5;           // seconds of the running mean
constexpr uint32_t kForgetAfter = 300;  // seconds without a trace
constexpr size_t kMaxKeyBytes = 160;
constexpr size_t kMaxStateBytes = 200 << 10;
constexpr double kNoLimit = 1e300;
constexpr int64_t kClockStepNs = 60'000'000'000;  // less is another batch's time
// Traces between two halvings: with fewer, one trace with a weight beyond all others would stand
// for the rest of the second.
constexpr double kGuardStep = 8;

}  // namespace

void Throughput::Advance(int64_t now_ns, double share) {
  share_ = share;
  if (second_ns_ == 0) {
    second_ns_ = now_ns;
    level_ = Level();
    guard_ = targets_.total > 0 ? 2 * targets_.total * share_ + 10 : kNoLimit;
    return;
  }
  // A clock that was set back: another second begins, and nothing is known of how long it was.
  if (now_ns < second_ns_ - kClockStepNs) second_ns_ = now_ns;
  const double seconds = static_cast<double>(now_ns - second_ns_) * 1e-9;
  if (seconds < 1) return;
  second_ns_ = now_ns;
  for (auto it = keys_.begin(); it != keys_.end();) {
    Estimate(it->second, seconds);
    it = it->second.idle > kForgetAfter ? keys_.erase(it) : std::next(it);
  }
  level_ = Level();
  for (auto& [name, key] : keys_) {
    key.probability = key.rate > level_ ? level_ / key.rate : 1;
    Guard(key, level_);
  }
  kept_ = 0;
  squeeze_ = 1;
  guard_ = targets_.total > 0 ? 2 * targets_.total * share_ + 10 : kNoLimit;
}

void Throughput::Guard(Key& key, double level) const {
  key.guard = level >= kNoLimit ? kNoLimit : 2 * level + 10;
}

void Throughput::Estimate(Key& key, double seconds) const {
  const auto seen = static_cast<double>(key.seen);
  const double expected = key.rate * seconds;
  const bool surprise = key.seconds == 0 || std::abs(seen - expected) > 4 * std::sqrt(expected) + 3;
  if (surprise) key.seconds = 0;
  // The mean since the surprise, then a fading one.
  const double fading = 1 - std::exp(-seconds / kMemory);
  const double part = std::max(1.0 / (key.seconds + 1), fading);
  key.rate = std::max(0.0, key.rate + part * (seen / seconds - key.rate));
  ++key.seconds;
  key.idle = key.seen == 0 ? key.idle + static_cast<uint32_t>(std::min(seconds, 1e6)) : 0;
  key.seen = key.kept = 0;
}

// What a single key may have: keys below it are kept whole, and all together fill the total.
double Throughput::Level() const {
  const double own = targets_.per_key > 0 ? targets_.per_key * share_ : kNoLimit;
  if (targets_.total <= 0) return own;
  std::vector<double> rates;
  rates.reserve(keys_.size());
  for (const auto& [name, key] : keys_) rates.push_back(key.rate);
  std::ranges::sort(rates);
  double left = targets_.total * share_;
  for (size_t i = 0; i < rates.size(); ++i) {
    const double level = left / static_cast<double>(rates.size() - i);
    if (rates[i] >= level) return std::min(own, level);
    left -= rates[i];
  }
  // Everything fits; a newcomer may have what is left.
  return std::min(own, rates.empty() ? left : std::max(left, rates.back()));
}

Throughput::Key& Throughput::Find(std::string_view name) {
  std::string key(name.substr(0, kMaxKeyBytes));
  if (name.size() > kMaxKeyBytes) key += std::to_string(std::hash<std::string_view>{}(name));
  if (const auto it = keys_.find(key); it != keys_.end()) return it->second;
  if (keys_.size() >= targets_.max_keys) key = "";
  const auto [it, fresh] = keys_.try_emplace(std::move(key));
  if (fresh) Guard(it->second, level_);
  return it->second;
}

double Throughput::Offer(Key& key, uint64_t trace_lo) {
  const uint64_t threshold = Threshold(key.probability * squeeze_);
  ++key.seen;
  if (threshold >= kRandomnessRange || Randomness(trace_lo) < threshold) return 0;
  if (static_cast<double>(++key.kept) > key.guard) {
    key.probability /= 2;
    key.guard += std::max(kGuardStep, level_ / 2);
  }
  if (static_cast<double>(++kept_) > guard_) {
    squeeze_ /= 2;
    guard_ += std::max(kGuardStep, targets_.total * share_ / 2);
  }
  return WeightOf(threshold);
}

// Per key: length, text, rate, probability. Times are not kept: the next owner's second is another.
void Throughput::Save(std::string& state) const {
  const auto add = [&state](const void* data, size_t size) {
    state.append(static_cast<const char*>(data), size);
  };
  for (const auto& [name, key] : keys_) {
    if (state.size() > kMaxStateBytes) break;
    const auto size = static_cast<uint32_t>(name.size());
    add(&size, sizeof size);
    add(name.data(), size);
    add(&key.rate, sizeof key.rate);
    add(&key.probability, sizeof key.probability);
  }
}

bool Throughput::Load(std::string_view state) {
  std::unordered_map<std::string, Key> keys;
  while (!state.empty()) {
    uint32_t size = 0;
    Key key;
    if (state.size() < sizeof size) return false;
    std::memcpy(&size, state.data(), sizeof size);
    state.remove_prefix(sizeof size);
    if (size > kMaxKeyBytes + 32 || state.size() < size + 2 * sizeof(double)) return false;
    std::string name(state.substr(0, size));
    std::memcpy(&key.rate, state.data() + size, sizeof key.rate);
    std::memcpy(&key.probability, state.data() + size + sizeof key.rate, sizeof key.probability);
    state.remove_prefix(size + 2 * sizeof(double));
    if (!(key.rate >= 0 && key.rate < 1e12) || !(key.probability >= 0 && key.probability <= 1))
      return false;
    key.seconds = 1;
    if (keys.size() < targets_.max_keys) keys[name] = key;
  }
  keys_ = std::move(keys);
  second_ns_ = 0;
  level_ = Level();
  for (auto& [name, key] : keys_) Guard(key, level_);
  return true;
}

}  // namespace weft::sampling
