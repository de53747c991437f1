// Throughput: probabilities that bring each key, and all keys together, to a target rate.
//
// Every second the rate of each key is estimated anew: a mean over some five seconds, begun again
// when a second's count is one that chance would not explain, so that a step of the load is known
// after a second. The total is divided as water fills a vessel: keys below the level are kept
// whole, the others get the level each. Within a second a key, or all together, that would exceed
// twice its part is halved, and halved again. A probability depends on earlier traces only, so
// 1 / probability is an unbiased weight; who is kept follows from the trace id (randomness.h).
// Keys beyond max_keys share one. Time is told. One thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>

namespace weft::sampling {

struct ThroughputTargets {
  double per_key = 0;  // traces a second; 0: none
  double total = 0;
  uint32_t max_keys = 1000;
};

class Throughput {
 public:
  struct Key {
    double rate = 0;         // traces a second, estimated
    double probability = 1;  // of this second
    uint32_t seconds = 0;    // that the estimate is made of
    uint32_t idle = 0;
    uint64_t seen = 0, kept = 0;  // in this second
    double guard = 0;             // traces that may be kept before the probability is halved
  };

  explicit Throughput(const ThroughputTargets& targets) : targets_(targets) {}

  // Before the traces of a batch. `share`: of all traffic, and so of the targets.
  void Advance(int64_t now_ns, double share);
  // Valid until the next Advance or Load.
  Key& Find(std::string_view key);
  // Counts a trace of that key. Its weight, or 0: it is not kept.
  double Offer(Key& key, uint64_t trace_lo);

  size_t keys() const { return keys_.size(); }
  void Save(std::string& state) const;
  bool Load(std::string_view state);

 private:
  void Estimate(Key& key, double seconds) const;
  double Level() const;
  void Guard(Key& key, double level) const;

  ThroughputTargets targets_;
  std::unordered_map<std::string, Key> keys_;
  int64_t second_ns_ = 0;  // when this second began; 0: never
  double share_ = 1;
  double level_ = 1e300;  // of a single key, this second
  uint64_t kept_ = 0;     // in this second, of all keys
  double guard_ = 1e300, squeeze_ = 1;
};

}  // namespace weft::sampling
