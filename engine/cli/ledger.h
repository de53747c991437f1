// Ledger: do the counters of a run add up? The identities of ARCHITECTURE.md, checked to the unit.
//
// `weft doctor` shows each identity; `weft run` and its summary need the totals. Works on any
// snapshot of counters: of a live run (what is still under way is counted as pending) or the table
// `ledger` of a store. A counter that is not there is 0. Pure functions.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace weft::cli {

using Counters = std::vector<std::pair<std::string, uint64_t>>;

struct LedgerTerm {
  std::string counter;
  uint64_t value = 0;
};

// left = right[0] + right[1] + ...
struct LedgerIdentity {
  std::string where;  // "kernel", "agent", "stitch", "trace", "sink sqlite"
  LedgerTerm left;
  std::vector<LedgerTerm> right;
  // What the right side has too little; negative: too much.
  int64_t Difference() const;
  bool Holds() const { return Difference() == 0; }
};

// Those that the process can answer for: with a source, with stages, or with both.
std::vector<LedgerIdentity> LedgerIdentities(const Counters& counters);

// The way of the observations from end to end.
struct LedgerTotals {
  uint64_t observed = 0;     // finished exchanges that the sources saw
  uint64_t stored = 0;       // spans written by the first sink
  uint64_t sampled_out = 0;  // on purpose
  uint64_t lost = 0;         // counted where they were dropped
  uint64_t pending = 0;      // on the way
  uint64_t published = 0;    // of an agent: given to the transport
  uint64_t linked = 0;       // of a member of a group: by its stage 1
  uint64_t spans = 0;        // ... read by its stage 2
  uint64_t handed_over = 0;  // ... read again by the next owner of their partition
  bool agent = false;        // the counters are those of a source
  bool engine = false;       // ... of an engine
  uint64_t unexplained = 0;  // sum of what the identities do not explain: 0, or a bug
};
LedgerTotals TotalLedger(const Counters& counters);

// "observed 1000 = stored 990 + sampled out 0 + lost 10; unexplained 0"
std::string LedgerLine(const LedgerTotals& totals);

}  // namespace weft::cli
