// LinkDecider: from the voices of a window to one decision per call.
//
// A pure function of the view and the voices. Every server span of the view that was open when the
// call began, but for the call's own other side, is a candidate at log-odds 0; voices add up on
// top; "no cause here" has a log-odds of its own. A candidate with context evidence is fixed; else
// the best total wins, and of equal ones the latest start. Confidence is the softmax over all of
// them. One thread; buffers are reused.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "engine/api/plugin_abi.h"
#include "engine/stitch/config.h"

namespace weft::stitch {

struct WeighedCandidate {
  uint32_t row;  // of the view
  float log_odds;
  uint32_t evidence;
};

struct LinkDecision {
  uint32_t child = 0;           // row of the view
  uint32_t parent = WEFT_NONE;  // row of the view, or none: unlinked
  float confidence = 0;
  uint32_t evidence = 0;
  uint32_t n_candidates = 0;   // server spans open at that moment
  uint32_t first_weighed = 0;  // up to kMaxWeighed in weighed(), best first
  uint32_t n_weighed = 0;
};

class LinkDecider {
 public:
  static constexpr uint32_t kMaxWeighed = 4;
  explicit LinkDecider(const StitchConfig& config)
      : min_confidence_(config.min_confidence), none_log_odds_(config.none_log_odds) {}

  // Decides every row of role DECIDE that is not a server span, in row order.
  void Decide(const weft_spans& view, const weft_candidates& voices);

  const std::vector<LinkDecision>& decisions() const { return decisions_; }
  const std::vector<WeighedCandidate>& weighed() const { return weighed_; }
  // Voices that named a row which could not have caused the call.
  uint64_t ignored() const { return ignored_; }

 private:
  // Voices of one child that stand together in the list.
  struct Run {
    uint32_t begin, end, next;
  };
  void GroupVoices(const weft_spans& view, const weft_candidates& voices);
  void Open(const weft_spans& view, uint32_t server);
  void CloseBefore(int64_t now);
  size_t PlaceOf(uint32_t row, size_t guess) const;
  // What the voices say of each open request, into total_ and said_; the result is that of none.
  double AddUp(const weft_candidates& voices, uint32_t child);
  void ForgetVoices();
  size_t PlaceOfOtherSide(const weft_spans& view, uint32_t child) const;
  LinkDecision DecideOne(const weft_spans& view, const weft_candidates& voices, uint32_t child);
  void Weigh(double none, size_t other_side, LinkDecision* decision);
  double Exp(double x);
  double Sum(double none, double top, size_t silent, size_t other_side);

  const double min_confidence_;
  const double none_log_odds_;
  uint64_t ignored_ = 0;
  std::vector<LinkDecision> decisions_;
  std::vector<WeighedCandidate> weighed_;
  std::vector<Run> runs_;
  std::vector<uint32_t> first_run_;  // by child
  // The requests that are open at the child in hand, in row order; parallel.
  std::vector<uint32_t> open_row_;
  std::vector<int64_t> open_end_;
  int64_t next_end_ = 0;  // the earliest of open_end_
  // Bits by span id: set for each call that a request of the view is the other side of.
  std::vector<uint64_t> own_calls_;
  // By place among the open requests: the voices' total, and their evidence and kVoiced. 0 but for
  // those that a voice named of the child in hand, which are in named_.
  std::vector<float> total_;
  std::vector<uint32_t> said_;
  std::vector<size_t> named_;
  struct KnownExp {
    uint64_t key = 0;  // the bits of x
    double exp = 0;    // 0: not computed, or as small
  };
  std::array<KnownExp, 16> exps_;
};

}  // namespace weft::stitch
