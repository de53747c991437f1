#include "engine/cli/ledger.h"

#include <algorithm>

#include <gtest/gtest.h>

namespace weft::cli {
namespace {

Counters Balanced() {
  return {{"agent.decoded", 90},
          {"agent.dropped", 5},
          {"agent.observed", 45},
          {"agent.parse_failed", 2},
          {"agent.received", 92},
          {"agent.records", 92},
          {"kernel.filtered", 7},
          {"kernel.ring_full", 1},
          {"kernel.seen", 100},
          {"kernel.submitted", 92},
          {"sink.dropped{sink=sqlite}", 3},
          {"sink.rows{sink=jsonl}", 25},
          {"sink.rows{sink=sqlite}", 22},
          {"stitch.emitted", 38},
          {"stitch.pending", 2},
          {"stitch.spans", 40},
          {"trace.kept", 25},
          {"trace.pending", 4},
          {"trace.sampled_out", 9},
          {"trace.spans", 38}};
}

TEST(Ledger, EveryIdentityHoldsWhenNothingIsUnexplained) {
  for (const LedgerIdentity& identity : LedgerIdentities(Balanced()))
    EXPECT_TRUE(identity.Holds()) << identity.where << " " << identity.left.counter;
}

TEST(Ledger, TotalsFollowTheObservationsFromEndToEnd) {
  const LedgerTotals totals = TotalLedger(Balanced());
  EXPECT_EQ(totals.observed, 45u);
  EXPECT_EQ(totals.stored, 22u);
  EXPECT_EQ(totals.sampled_out, 9u);
  EXPECT_EQ(totals.lost, 8u);
  EXPECT_EQ(totals.pending, 6u);
  EXPECT_EQ(totals.unexplained, 0u);
  EXPECT_EQ(totals.observed, totals.stored + totals.sampled_out + totals.lost + totals.pending);
}

TEST(Ledger, ASingleMissingUnitIsUnexplained) {
  Counters counters = Balanced();
  for (auto& [name, value] : counters)
    if (name == "stitch.emitted") --value;
  EXPECT_EQ(TotalLedger(counters).unexplained, 2u);  // stitch lost it, trace has one too many
  const auto identities = LedgerIdentities(counters);
  EXPECT_EQ(std::count_if(identities.begin(), identities.end(),
                          [](const LedgerIdentity& i) { return !i.Holds(); }),
            2);
}

// What got lost between the kernel's ring and the agent was in no identity that was checked.
TEST(Ledger, ARecordLostBetweenKernelAndAgentIsUnexplained) {
  Counters counters = Balanced();
  for (auto& [name, value] : counters)
    if (name == "kernel.submitted" || name == "kernel.seen") ++value;
  EXPECT_EQ(TotalLedger(counters).unexplained, 1u);
}

TEST(Ledger, EachSinkHasAnIdentityOfItsOwn) {
  const auto identities = LedgerIdentities(Balanced());
  EXPECT_EQ(std::count_if(identities.begin(), identities.end(),
                          [](const LedgerIdentity& i) { return i.where.starts_with("sink "); }),
            2);
}

TEST(Ledger, AnEmptyOneHolds) { EXPECT_EQ(TotalLedger({}).unexplained, 0u); }

}  // namespace
}  // namespace weft::cli
