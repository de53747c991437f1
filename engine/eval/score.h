// Score: how many parents a method found.
//
// Orphans (load_change.h) are right where they are left unlinked. Calls of which nobody knows the
// request are not scored, but count in `unlinked`. One thread.
#pragma once

#include <cstdint>
#include <vector>

#include "engine/eval/known_traces.h"

namespace weft::eval {

// For every span the row of the request that a method took for its parent; -1: none.
using Parents = std::vector<int32_t>;

struct Score {
  uint64_t spans = 0, ambiguous = 0;  // scored calls; those with two or more enclosing requests
  double span_accuracy = 0, ambiguous_accuracy = 0;
  double trace_exact = 0;  // traces with every call right
  double unlinked = 0;     // of all calls
  uint64_t orphans = 0;
  double orphans_unlinked = 0;
};

// Which calls are ambiguous: two or more requests of their service, as recorded, enclose them.
std::vector<bool> Ambiguous(const KnownTraces& known);
// Requests of its service that were open when a call began, on average over the calls.
double MeanOpen(const KnownTraces& known);
Score Evaluate(const KnownTraces& known, const std::vector<bool>& ambiguous,
               const Parents& parents);

// Confidences against the truth: ten bins of equal width, and the expected calibration error,
// which is the mean distance of confidence and accuracy, weighted by calls. Linked calls only: to
// leave one unlinked states no confidence in any request.
struct Reliability {
  static constexpr size_t kBins = 10;
  struct Bin {
    uint64_t calls = 0;
    double confidence = 0, accuracy = 0;  // means
  };
  Bin bins[kBins];
  double ece = 0;
};
Reliability Calibration(const KnownTraces& known, const Parents& parents,
                        const std::vector<float>& confidence);

}  // namespace weft::eval
