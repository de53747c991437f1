// RequestState: what a request has done so far, as far as it matters for what it does next.
//
// A request is an automaton: it begins, starts calls, gets their responses, ends. Operations and
// callees are numbered per process; what is beyond kMaxNames shares the last number. Plain values.
#pragma once

#include <cstdint>

#include "plugins/correlator-delay/count_map.h"

namespace weft::plugins::delay {

inline constexpr uint32_t kMaxNames = 62;
inline constexpr uint32_t kNone = UINT32_MAX;

using Outcome = uint16_t;  // 0..61: a call to that callee begins
inline constexpr Outcome kEnds = 62;
inline constexpr Outcome kResponds = 63;
inline constexpr uint32_t kOutcomes = 64;

using Label = uint16_t;  // the last thing a request did
constexpr Label LabelBegan(uint32_t operation) { return static_cast<Label>(operation); }
constexpr Label LabelCalled(uint32_t callee) { return static_cast<Label>(64 + 2 * callee); }
constexpr Label LabelAnswered(uint32_t callee) { return static_cast<Label>(65 + 2 * callee); }
inline constexpr uint32_t kLabels = 64 + 2 * kMaxNames;

struct RequestState {
  uint16_t operation = 0;
  Label last = 0;
  uint16_t previous = 0, before_previous = 0;  // the last two callees + 1
  uint16_t open = 0;                           // calls without a response yet
  uint16_t calls = 0;
  uint64_t called = 0;  // the multiset of callees so far, as a sum of hashes

  // A request that makes more calls is in a loop: how often it went round is no longer counted.
  static constexpr uint16_t kCounted = 48;

  // Of one that has not been seen to begin: only what is true of all operations is known of it.
  static constexpr uint32_t kUnseen = 63;
  static RequestState Begun(uint32_t operation) {
    RequestState state;
    state.operation = static_cast<uint16_t>(operation);
    state.last = LabelBegan(operation);
    return state;
  }
  void Call(uint32_t callee) {
    last = LabelCalled(callee);
    if (calls < kCounted) {
      called += Mix(callee + 101);
      ++calls;
    }
    before_previous = previous;
    previous = static_cast<uint16_t>(callee + 1);
    ++open;
  }
  void Answer(uint32_t callee) {
    last = LabelAnswered(callee);
    if (open > 0) --open;
  }
  uint64_t Hash() const {
    const uint64_t place = uint64_t{operation} << 32 | uint64_t{last} << 16 | open;
    return Join(Join(place, uint64_t{previous} << 16 | before_previous), called);
  }

  friend bool operator==(const RequestState&, const RequestState&) = default;
};

}  // namespace weft::plugins::delay
