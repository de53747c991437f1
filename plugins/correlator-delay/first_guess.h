// FirstGuess: where a cold start begins: who made each call, while nothing is known of what
// requests do.
//
// A call often follows something that its request did (it began, it was answered, it called) after
// a time that is typical of the two. Over all calls and all that happened shortly before them such
// times stand out, whoever owned what. So every event before a call may have triggered it; how
// often a kind of event does that, and after which times, is estimated by expectation and
// maximisation; then a call belongs to whom its likeliest trigger belongs.
//
// For one search: Run once. One thread.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "plugins/correlator-delay/gap_bins.h"
#include "plugins/correlator-delay/process_history.h"
#include "plugins/correlator-delay/timeline.h"

namespace weft::plugins::delay {

class FirstGuess {
 public:
  // Sets the owner of every unsettled call of the timeline; kNone where nobody can have made it, or
  // where it comes after more than is looked at.
  void Run(ProcessHistory& history, const Timeline& timeline, const GapBins& bins,
           int64_t slack_ns);

 private:
  struct Event {  // a possible trigger
    int64_t at;
    Label label;
    uint32_t request, call;  // that began; that was made or answered
  };
  struct Pair {
    uint32_t request, call;  // of the event
    uint16_t row;
    uint8_t bin;
    float share;  // of having triggered the call
  };
  struct Row {  // a kind of event, and a callee
    Label label = 0;
    Histogram weight{}, density{};
  };

  void FindPairs(const ProcessHistory& history, const Timeline& timeline, const GapBins& bins);
  void AddPairs(const ProcessHistory& history, const GapBins& bins, uint32_t number);
  void AddPair(const GapBins& bins, const Call& call, const Event& event);
  void Note(const Event& event);
  void FindShares(const GapBins& bins);
  void Assign(ProcessHistory& history, int64_t slack_ns) const;

  std::vector<Event> open_;    // the begins of open requests
  std::vector<Event> recent_;  // a ring of the other events
  size_t noted_ = 0;
  std::array<uint32_t, kLabels> events_{};  // so many of each kind
  std::vector<uint16_t> row_of_;            // by label and callee
  std::vector<Row> rows_;
  std::vector<Pair> pairs_;
  std::vector<uint32_t> calls_, first_pair_;  // in time order
};

}  // namespace weft::plugins::delay
