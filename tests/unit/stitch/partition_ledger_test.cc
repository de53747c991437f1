#include "engine/stitch/partition_ledger.h"

#include <gtest/gtest.h>

namespace weft::stitch {
namespace {

api::EventHeader Batch(uint64_t agent, uint64_t sequence, uint64_t before, bool last = false) {
  api::EventHeader header;
  header.agent_id = agent;
  header.host_id = "machine";
  header.sequence = sequence;
  header.observed_before = before;
  header.last = last;
  return header;
}

api::StageLedger Taken(PartitionLedger& ledger) {
  const auto payload = ledger.TakeRecord();
  return payload ? api::DecodeStageLedger(payload).value() : api::StageLedger{};
}

TEST(PartitionLedger, GoesOnWhereTheOwnerBeforeCommitted) {
  PartitionLedger first(3);
  EXPECT_TRUE(first.CountBatch(Batch(1, 1, 0), 10));
  first.CountEmitted(false);
  const api::StageLedger committed = Taken(first);
  EXPECT_TRUE(first.CountBatch(Batch(1, 2, 10), 5));  // never committed

  PartitionLedger second(3);
  second.Restore(committed);
  EXPECT_FALSE(second.CountBatch(Batch(1, 1, 0), 10)) << "a replay counts nothing twice";
  EXPECT_TRUE(second.CountBatch(Batch(1, 2, 10), 5));
  const api::StageLedger now = Taken(second);
  EXPECT_EQ(now.partition, 3u);
  EXPECT_EQ(now.Count("received"), 15u);
  EXPECT_EQ(now.Count("emitted"), 1u);
  EXPECT_EQ(now.agents.at(0).sealed, 15u);
}

TEST(PartitionLedger, KnowsWhatAnAgentWroteAndTheLogNeverGot) {
  PartitionLedger ledger(0);
  ledger.CountBatch(Batch(1, 1, 0), 10);
  ledger.CountBatch(Batch(1, 4, 30), 5);  // two batches of 20 were dropped
  const api::StageLedger now = Taken(ledger);
  EXPECT_EQ(now.agents.at(0).sealed, 35u);
  EXPECT_EQ(now.agents.at(0).received, 15u);
}

TEST(PartitionLedger, CountsABatchThatComesLate) {
  PartitionLedger ledger(0);
  ledger.CountBatch(Batch(1, 1, 0), 1);
  ledger.CountBatch(Batch(1, 3, 3), 4);
  EXPECT_TRUE(ledger.CountBatch(Batch(1, 2, 1), 2));
  EXPECT_FALSE(ledger.CountBatch(Batch(1, 2, 1), 2));
  const api::StageLedger now = Taken(ledger);
  EXPECT_EQ(now.Count("received"), 7u);
  EXPECT_EQ(now.agents.at(0).sealed, 7u);
}

TEST(PartitionLedger, TellsALongRepeatFromWhatComesLateAlsoAfterATakeOver) {
  PartitionLedger first(0);
  for (uint64_t n = 1; n <= 2000; ++n)
    if (n < 500 || n >= 520) first.CountBatch(Batch(1, n, 10 * (n - 1)), 10);
  PartitionLedger second(0);
  second.Restore(Taken(first));
  for (uint64_t n = 1; n <= 2000; ++n)
    EXPECT_EQ(second.CountBatch(Batch(1, n, 10 * (n - 1)), 10), n >= 500 && n < 520) << n;
  const api::StageLedger now = Taken(second);
  EXPECT_EQ(now.Count("received"), 20'000u);
  EXPECT_EQ(now.agents.at(0).sealed, 20'000u);
}

TEST(PartitionLedger, AnAgentsFirstBatchMayComeLast) {
  PartitionLedger ledger(0);
  ledger.CountBatch(Batch(1, 2, 3), 4);
  ledger.CountBatch(Batch(1, 1, 0), 3);
  const api::StageLedger now = Taken(ledger);
  EXPECT_EQ(now.Count("received"), 7u);
  EXPECT_EQ(now.agents.at(0).sealed, 7u);
}

transport::Record Unreadable(uint64_t offset, int64_t append_ns) {
  transport::Record record;
  record.offset = offset;
  record.append_ns = append_ns;
  return record;
}

TEST(PartitionLedger, KnowsWhichUnreadableRecordsAnOwnerBeforeHasPutAside) {
  PartitionLedger first(0);
  EXPECT_TRUE(first.NoteDead(Unreadable(3, 1'000)));
  EXPECT_TRUE(first.NoteDead(Unreadable(4, 1'000)));
  PartitionLedger second(0);
  second.Restore(Taken(first));
  EXPECT_FALSE(second.NoteDead(Unreadable(3, 1'000)));
  EXPECT_FALSE(second.NoteDead(Unreadable(4, 1'000)));
  EXPECT_TRUE(second.NoteDead(Unreadable(5, 1'000)));
}

TEST(PartitionLedger, UnreadableRecordsOfATopicThatWasMadeAnewAreNotTakenForThoseBefore) {
  PartitionLedger first(0);
  EXPECT_TRUE(first.NoteDead(Unreadable(1'000, 1'000)));
  PartitionLedger second(0);
  second.Restore(Taken(first));
  EXPECT_TRUE(second.NoteDead(Unreadable(3, 2'000)));
  EXPECT_TRUE(second.NoteDead(Unreadable(4, 2'000)));
  EXPECT_FALSE(second.NoteDead(Unreadable(3, 2'000)));
}

TEST(PartitionLedger, KnowsWhichBatchesLieBelowTheCommittedOffset) {
  PartitionLedger first(0);
  uint64_t offset = 10;
  for (const uint64_t sequence : {1, 2, 4, 3}) {
    first.CountBatch(Batch(1, sequence, 0), 1);
    first.NoteBatch(Batch(1, sequence, 0), offset++, 1);
  }
  first.Settle(13);  // 3 came late and is not decided
  PartitionLedger second(0);
  second.Restore(Taken(first));
  ASSERT_NE(second.SettledOf(1), nullptr);
  for (const uint64_t sequence : {1, 2, 4}) EXPECT_TRUE(second.SettledOf(1)->Has(sequence));
  EXPECT_FALSE(second.SettledOf(1)->Has(3));
  EXPECT_EQ(second.SettledOf(2), nullptr);
}

TEST(PartitionLedger, WhatIsSettledIsSaidWithTheOffsetWhereItHadRows) {
  PartitionLedger ledger(0);
  ledger.CountBatch(Batch(1, 1, 0), 0);
  ledger.NoteBatch(Batch(1, 1, 0), 0, 0);
  ledger.CountBatch(Batch(1, 2, 0), 1);
  ledger.NoteBatch(Batch(1, 2, 0), 1, 1);
  Taken(ledger);
  ledger.Settle(1);
  EXPECT_EQ(ledger.TakeRecord(), nullptr) << "a heartbeat";
  ledger.Settle(2);
  EXPECT_TRUE(Taken(ledger).agents.at(0).settled.Has(2));
}

TEST(PartitionLedger, SaysNothingWhereNothingHasChanged) {
  PartitionLedger ledger(0);
  EXPECT_EQ(ledger.TakeRecord(), nullptr);
  ledger.CountBatch(Batch(1, 1, 0), 1);
  EXPECT_NE(ledger.TakeRecord(), nullptr);
  ledger.CountBatch(Batch(1, 2, 1), 0);  // a heartbeat
  EXPECT_EQ(ledger.TakeRecord(), nullptr);
  ledger.AgentLost(1, 7'000);
  const api::StageLedger lost = Taken(ledger);
  EXPECT_EQ(lost.agents.at(0).end, api::AgentEnd::kLost);
  EXPECT_EQ(lost.agents.at(0).spoken_ns, 7'000);
  ledger.CountBatch(Batch(1, 3, 1), 0);  // it is back
  EXPECT_EQ(Taken(ledger).agents.at(0).spoken_ns, 0);
}

TEST(PartitionLedger, ForgetsAgentsThatHaveEndedButNotWhatTheyCounted) {
  PartitionLedger ledger(0);
  for (uint64_t agent = 1; agent <= 1000; ++agent) ledger.CountBatch(Batch(agent, 1, 0, true), 2);
  const api::StageLedger now = Taken(ledger);
  EXPECT_LE(now.agents.size(), 256u);
  EXPECT_EQ(now.Count("gone_stopped") + now.agents.size(), 1000u);
  uint64_t sealed = now.Count("gone_sealed");
  for (const auto& agent : now.agents) sealed += agent.sealed;
  EXPECT_EQ(sealed, 2000u);
  EXPECT_EQ(now.Count("received"), 2000u);
}

}  // namespace
}  // namespace weft::stitch
