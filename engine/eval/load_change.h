// Changes to recorded traces that keep their truth: more load, lost spans, worse clocks, a service
// that becomes slow. All random choices come from the seed, span by span, in the order of the
// recording; the same seed gives the same change on every machine. One thread.
#pragma once

#include <cstdint>

#include "engine/eval/known_traces.h"

namespace weft::eval {

// Pulls the traces' starts towards the first one by `factor`; timing inside a trace is kept.
void Compress(KnownTraces& known, double factor);

// Takes away each call with probability `calls`, each request with probability `requests`. The
// calls of a request that is gone are orphans from then on.
void Lose(KnownTraces& known, double calls, double requests, uint64_t seed);

// Every time is read late, by the absolute value of a normal variable of that deviation.
void AddNoise(KnownTraces& known, int64_t deviation_ns, uint64_t seed);

}  // namespace weft::eval
