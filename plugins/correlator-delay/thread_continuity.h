// Thread continuity: where a request's last event stands in its thread's stream, seen from the
// request's next output (a call, its end).
//
// Programs mostly write right after they have read: a thread of its own for each request, an event
// loop that reads a few inputs in one turn and then writes in their order, a worker that stays with
// a request. So each event has a Place in its thread's stream, split into runs (inputs, then the
// outputs after them), and every open request's last event has a Relation to an output. How often
// the owner stands in each, and how often another request, is learned from contested outputs per
// kind of step and time since; their ratio is what the tracker adds to a hazard. Where the thread
// changes, so is from which thread to which: staged pools hand jobs on in a fixed order.
// Plain values; one thread.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <unordered_map>

#include "plugins/correlator-delay/count_map.h"

namespace weft::plugins::delay {

struct Place {
  int64_t at = 0;         // of the event
  int64_t run_began = 0;  // the run's first input
  int64_t previous = 0;   // the event before this one on the thread
  uint32_t thread = 0;    // 0: not known
  uint16_t position = 0;  // inputs, or outputs, of the run before this one
  uint16_t inputs = 0;    // of the run so far
  bool output = false;
};

enum class Relation : uint8_t {
  kUnknown,
  kElsewhere,      // the last event was on another thread
  kOwnOutput,      // it was an output, and the thread's last event
  kOwnRun,         // an output of this run
  kOlder,          // before this run
  kOnly,           // the run's only input, and nothing was written since
  kNextAndLatest,  // as many outputs as inputs before it, none later
  kNext,           // as many outputs as inputs before it
  kLatest,         // the run's latest input
  kLater,          // its turn is not yet
  kEarlier         // its turn has passed
};
inline constexpr size_t kRelations = 11;

Relation RelationOf(const Place& last, const Place& output);

// Among those of the same thread whose last step was the same.
enum class Turn : uint8_t { kAlone, kFirst, kBehind };
inline constexpr size_t kTurns = 3;

// How an open request stands to an output.
struct Stand {
  uint16_t last = 0;  // label of its last event
  double gap = 0;     // microseconds since
  Relation relation = Relation::kUnknown;
  Turn turn = Turn::kAlone;
  uint32_t from = 0, to = 0;  // threads of the last event and of the output
};

class ThreadContinuity {
 public:
  void Observe(uint16_t outcome, const Stand& stand, bool owner);
  void ObserveOwner(uint16_t outcome, const Stand& stand);
  void Scale(float factor);
  // Log of how much likelier it is that the owner of `outcome` stands like this than that another
  // request does.
  float LogRatio(uint16_t outcome, const Stand& stand) const;

 private:
  struct Row {
    float n = 0;
    std::array<float, kRelations * kTurns> count{};
  };
  float LogHandover(uint16_t outcome, const Stand& stand) const;
  void Add(uint32_t key, size_t place);
  const Row* Find(uint32_t key) const;

  friend class StateCodec;
  static constexpr size_t kMaxRows = 200, kMaxHandovers = 2000;

  std::unordered_map<uint32_t, Row> rows_;
  CountMap handovers_;
};

}  // namespace weft::plugins::delay
