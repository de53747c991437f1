// Score: the shares that $WEFT_DATA/README.md asks for.
#pragma once

#include <cstdint>
#include <vector>

#include "tests/accuracy/recording.h"

namespace weft::accuracy {

// For every span the row of the server span that a method took for its parent; -1: none.
using Parents = std::vector<int32_t>;

struct Score {
  uint64_t spans = 0, ambiguous = 0;  // client spans; those with two or more enclosing requests
  double span_accuracy = 0, ambiguous_accuracy = 0, trace_exact = 0, unlinked = 0;
};

// Which client spans are ambiguous: by enclosing server spans of the service, as the truth has
// them.
std::vector<bool> Ambiguous(const Recording& recording);
Score Evaluate(const Recording& recording, const std::vector<bool>& ambiguous,
               const Parents& parents);

}  // namespace weft::accuracy
