// PolicySet: the policies of one configuration, voting as in the Collector, and the weight that
// makes what is kept stand for everything.
//
// Votes: dropped > inverted not-sampled > sampled > inverted sampled without any not-sampled. Drop
// policies are asked first and end the matter; the others are all asked, unless first_match.
//
// Weight: how likely was it that this trace is kept? Every hash salt is a number in [0, 1] that the
// trace has drawn; a probabilistic policy compares it with its percentage, so between neighbouring
// percentages nothing changes. The votes are counted again for each combination of such intervals,
// and the weight is 1 / (sum of the widths where the trace is kept): exact for any nesting. What a
// limiter refused is owed, per policy, and added to the next trace that it lets pass, so that the
// weights add up to all traffic. One thread.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "plugins/sampler-tail/policy.h"

namespace weft::tail {

struct NamedPolicy {
  std::string name;
  PolicyPtr policy;
  bool drop = false;
};

// A hash salt and the thresholds that policies compare its hash with.
struct Salt {
  std::string text;
  std::vector<uint64_t> thresholds;
};

struct Outcome {
  bool keep = false;
  double weight = 1;
  const std::string* rule = nullptr;  // lives as long as the set
  bool by_trace_id = false;           // as in weft_decisions_shares
};

class PolicySet {
 public:
  // More intervals than this cannot be weighed: refused by the reader of the configuration.
  static constexpr size_t kMaxCells = 4096;
  static size_t Cells(const std::vector<Salt>& salts);

  PolicySet(std::vector<NamedPolicy> policies, std::vector<Salt> salts, uint32_t limiters,
            bool first_match);

  Outcome Decide(const TraceFacts& facts, int64_t now_ns, double share);
  void Save(std::vector<double>& out) const;
  bool Load(const std::vector<double>& in);

 private:
  static constexpr uint32_t kNone = UINT32_MAX;
  struct Vote {
    bool keep = false;
    uint32_t policy = kNone;  // which decided
    const std::string* sub = nullptr;
  };
  struct Cell {
    std::vector<uint64_t> randomness;
    double width;
  };
  Vote Count(Evaluation& e);
  double Probability(const Evaluation& e);
  const std::string* Rule(const Vote& vote, bool over_limit);
  void MakeCells();

  std::vector<NamedPolicy> policies_;
  std::vector<Salt> salts_;
  bool first_match_;
  bool random_ = false, limited_ = false, random_votes_against_ = false;
  std::vector<Cell> cells_;
  std::vector<uint64_t> randomness_, tried_;
  std::vector<uint8_t> passed_;
  std::vector<double> owed_;  // per policy: weights of traces that its limiter refused
  std::map<std::tuple<uint32_t, const std::string*, bool>, std::string> rules_;
};

// FNV-1a of salt and trace id, as the Collector's probabilistic policy has it.
uint64_t TraceHash(std::string_view salt, uint64_t trace_hi, uint64_t trace_lo);

}  // namespace weft::tail
