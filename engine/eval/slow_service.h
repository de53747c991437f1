// SlowDown: one service becomes slower at some moment, as when something breaks; the truth stays.
//
// The time that its requests spend between two events of theirs (they begin, call, get an answer,
// end) is multiplied; how long their calls take follows from what is called. All that waits for
// them becomes longer, up to the trace's root. A pure function; one thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "engine/base/result.h"
#include "engine/eval/score.h"

namespace weft::eval {

// "SERVICE:FACTOR@BEGIN[+LENGTH]", times as 10s or, of the recording's length, 40%. Without a
// length it stays slow. "random": to be drawn.
struct SlowService {
  std::string service;
  double factor = 1;
  int64_t begin_ns = 0, length_ns = 0;       // length 0: to the end
  double begin_share = 0, length_share = 0;  // where given as %

  bool random = false;

  static Result<SlowService> Parse(std::string_view text);
  // One of the services that make calls, 10 to 1,000 times slower from between 20 and 60 % on.
  static SlowService Draw(const KnownTraces& known, uint64_t seed);
};

// When it was slow, in the recording's time. For scoring, `during` ends where the slowness ends, or
// else a quarter of the remaining time after its begin.
struct SlowPhases {
  int64_t begin_ns = 0, end_ns = 0;
};

// kNotFound: no such service; the message names those there are.
Result<SlowPhases> SlowDown(KnownTraces& known, const SlowService& slow);

// Share of scored calls that are right, by when they began; of all services and of the slow one.
struct PhaseScore {
  uint64_t spans = 0, service_spans = 0;
  double span_accuracy = 1, service_span_accuracy = 1;
};
struct PhaseScores {
  PhaseScore before, during, after;
};
PhaseScores ScorePhases(const KnownTraces& known, const SlowPhases& phases,
                        std::string_view service, const Parents& parents);

}  // namespace weft::eval
