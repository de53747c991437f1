#include "engine/cli/kafka_ledger.h"

#include <gtest/gtest.h>

namespace weft::cli {
namespace {

using api::AgentEnd;
using api::StageLedger;

StageLedger Stitch(uint32_t partition, uint64_t received, uint64_t emitted,
                   std::vector<api::AgentTally> agents) {
  return {1, partition, {{"received", received}, {"emitted", emitted}}, std::move(agents)};
}

TEST(KafkaLedger, SumsOverPartitionsAndAgents) {
  const KafkaLedger ledger = SumLedgers(
      {Stitch(0, 10, 9, {{1, "a", {}, 12, 10, AgentEnd::kSpeaking}}),
       Stitch(1, 5, 5,
              {{1, "a", {}, 5, 5, AgentEnd::kSpeaking}, {2, "b", {}, 0, 0, AgentEnd::kStopped}}),
       {2, 0, {{"stored", 8}, {"sampled_out", 2}, {"replaced", 1}, {"dropped", 1}}, {}}},
      {});
  EXPECT_EQ(ledger.all.sealed, 17u);
  EXPECT_EQ(ledger.all.received, 15u);
  EXPECT_EQ(ledger.all.lost(), 2u);
  EXPECT_EQ(ledger.all.under_way(), 1);
  EXPECT_EQ(ledger.to_settle(), 2);
  EXPECT_EQ(ledger.speaking, 1u);
  EXPECT_EQ(ledger.stopped, 1u);
  EXPECT_EQ(ledger.partitions.at(0).settled(), 12u);
  EXPECT_EQ(ledger.unexplained(), 0u);
}

TEST(KafkaLedger, WhatASilentAgentHadCountedIsUnknown) {
  const KafkaLedger ledger =
      SumLedgers({Stitch(0, 10, 10, {{1, "a", {}, 10, 10, AgentEnd::kLost}})},
                 {{1, "a", "a", {{"agent.observed", 14}}, false},
                  {1, "a", "a", {{"agent.observed", 12}}, false}});  // an older copy
  EXPECT_EQ(ledger.silent, 1u);
  EXPECT_EQ(ledger.unknown_after_crash, 4u);
  EXPECT_EQ(ledger.agents.at("agent.observed"), 14u);
}

TEST(KafkaLedger, SpansOfOthersAreSettledWithoutHavingBeenLinked) {
  const KafkaLedger ledger = SumLedgers({{api::kOthersStage, 0, {{"reported", 4}}, {}},
                                         {api::kOthersStage, 0, {{"reported", 3}}, {}},
                                         Stitch(0, 2, 2, {}),
                                         {2, 0, {{"stored", 8}}, {}}},
                                        {});
  EXPECT_EQ(ledger.partitions.at(0).reported, 7u);
  EXPECT_EQ(ledger.to_settle(), 1);
  EXPECT_EQ(ledger.unexplained(), 0u);
}

TEST(KafkaLedger, MoreOutThanInIsUnexplained) {
  const KafkaLedger ledger = SumLedgers({Stitch(0, 10, 12, {}), {2, 1, {{"stored", 15}}, {}}}, {});
  EXPECT_EQ(ledger.unexplained(), 2u + 3u);
}

}  // namespace
}  // namespace weft::cli
