#include "engine/api/ledger_record.h"

#include <gtest/gtest.h>

namespace weft::api {
namespace {

TEST(LedgerRecord, StageLedgerComesBackAsItWas) {
  StageLedger ledger{1, 7, {{"received", 12}, {"emitted", 11}}, {}};
  ledger.agents.push_back(
      {42, "machine", {9, {{2, 4}, {7, 8}}}, 13, 12, AgentEnd::kLost, 77, {7, {{2, 5}}}});
  const auto back = DecodeStageLedger(EncodeStageLedger(ledger));
  ASSERT_TRUE(back) << back.error().message;
  EXPECT_EQ(back->stage, 1);
  EXPECT_EQ(back->partition, 7u);
  EXPECT_EQ(back->Count("received"), 12u);
  EXPECT_EQ(back->Count("no such count"), 0u);
  ASSERT_EQ(back->agents.size(), 1u);
  EXPECT_EQ(back->agents[0].host_id, "machine");
  EXPECT_EQ(back->agents[0].read.end(), 9u);
  EXPECT_EQ(back->agents[0].read.gaps(), ledger.agents[0].read.gaps());
  EXPECT_EQ(back->agents[0].sealed, 13u);
  EXPECT_EQ(back->agents[0].end, AgentEnd::kLost);
  EXPECT_EQ(back->agents[0].spoken_ns, 77);
  EXPECT_EQ(back->agents[0].settled.end(), 7u);
  EXPECT_EQ(back->agents[0].settled.gaps(), ledger.agents[0].settled.gaps());
}

TEST(LedgerRecord, AgentLedgerComesBackAsItWas) {
  const auto back =
      DecodeAgentLedger(EncodeAgentLedger({42, "machine", "host", {{"agent.observed", 5}}, true}));
  ASSERT_TRUE(back) << back.error().message;
  EXPECT_EQ(back->agent_id, 42u);
  EXPECT_EQ(back->host_name, "host");
  EXPECT_EQ(back->counts, (NamedCounts{{"agent.observed", 5}}));
  EXPECT_TRUE(back->last);
}

TEST(LedgerRecord, GapsThatCannotBeAreRefused) {
  const auto decoded = [](std::vector<SequenceSet::Gap> gaps) {
    StageLedger ledger{1, 0, {}, {}};
    ledger.agents.push_back({1, "", {9, std::move(gaps)}});
    return DecodeStageLedger(EncodeStageLedger(ledger)).has_value();
  };
  EXPECT_TRUE(decoded({{1, 2}, {4, 8}}));
  EXPECT_FALSE(decoded({{2, 2}}));
  EXPECT_FALSE(decoded({{4, 9}})) << "the highest was read";
  EXPECT_FALSE(decoded({{4, 8}, {1, 2}}));
  EXPECT_FALSE(decoded({{1, 4}, {4, 8}}));
}

TEST(LedgerRecord, OfMoreGapsThanASetHoldsTheHighestAreKept) {
  std::vector<SequenceSet::Gap> gaps;
  for (uint64_t n = 1; n <= SequenceSet::kMaxGaps + 3; ++n) gaps.emplace_back(10 * n, 10 * n + 5);
  StageLedger ledger{1, 0, {}, {}};
  ledger.agents.push_back({1, "", {10'000, gaps}});
  const auto back = DecodeStageLedger(EncodeStageLedger(ledger));
  ASSERT_TRUE(back) << back.error().message;
  EXPECT_EQ(back->agents[0].read.end(), 10'000u);
  EXPECT_EQ(back->agents[0].read.gaps(),
            std::vector<SequenceSet::Gap>(gaps.begin() + 3, gaps.end()));
}

TEST(LedgerRecord, BytesThatAreNoneAreRefused) {
  EXPECT_FALSE(DecodeStageLedger(CopyPayload("nonsense nonsense nonsense nonse")));
  EXPECT_FALSE(DecodeAgentLedger(CopyPayload("")));
}

}  // namespace
}  // namespace weft::api
