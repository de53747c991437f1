// TokenBuckets: budgets per second, one set for each key.
//
// A trace passes while every budget has something left and then pays in full, perhaps into debt:
// so whether it passes does not depend on its own size, and what passes stands for what was
// refused before it. Keys beyond max_keys share one; a bucket that is full again makes room for a
// new key. Time is told; a clock set back costs at most the time it was set back by, and no more
// than a minute. One thread.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>

namespace weft::sampling {

enum Budget : uint8_t { kTraces, kSpans, kBytes, kBudgets };
using Costs = std::array<double, kBudgets>;

class TokenBuckets {
 public:
  struct Key {
    Costs tokens{};
    int64_t at_ns = 0;   // 0: never
    double refused = 0;  // traces since the last that passed
  };

  // Per second; 0: no such budget. A bucket holds `burst_seconds` of its rate.
  TokenBuckets(const Costs& per_second, double burst_seconds, uint32_t max_keys)
      : per_second_(per_second), burst_seconds_(burst_seconds), max_keys_(max_keys) {}

  Key& Find(std::string_view key, int64_t now_ns, double share);
  // How many traces the one that passes stands for; 0: it does not pass.
  double Offer(Key& key, const Costs& costs, int64_t now_ns, double share);

  size_t keys() const { return keys_.size(); }
  void Save(std::string& state) const;
  bool Load(std::string_view state);

 private:
  double Capacity(size_t budget, double share) const;
  void Fill(Key& key, int64_t now_ns, double share) const;
  void ForgetFull(int64_t now_ns, double share);

  Costs per_second_;
  double burst_seconds_;
  uint32_t max_keys_;
  std::unordered_map<std::string, Key> keys_;
  int64_t swept_ns_ = 0;  // when full buckets were last looked for
};

}  // namespace weft::sampling
