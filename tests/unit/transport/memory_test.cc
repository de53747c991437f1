#include "engine/transport/memory.h"

#include <string>
#include <thread>

#include <gtest/gtest.h>

namespace weft::transport {
namespace {

constexpr int64_t kNever = INT64_MAX;

class MemoryTransportTest : public testing::Test {
 protected:
  MemoryTransport Make(MemoryOptions options = {}) { return {options, clock_, metrics_}; }
  static OutRecord Out(Stream stream, std::string text, uint64_t key = 0, uint32_t partition = 0) {
    return {stream, partition, RecordType::kEventBatch, key, CopyPayload(text)};
  }
  static MemoryOptions Small(bool blocking = false) {
    MemoryOptions o;
    o.partitions = 2;
    o.max_bytes = 100'000;
    o.blocking = blocking;
    return o;
  }
  static std::string Texts(const std::vector<Record>& records) {
    std::string all;
    for (const Record& r : records) all += std::string(r.payload->bytes()) + " ";
    return all;
  }
  static std::string Poll(PartitionOwner& owner, size_t max = 1 << 20) {
    std::vector<Record> records;
    EXPECT_TRUE(owner.Poll(max, &records));
    return Texts(records);
  }
  static std::string Back(PartitionOwner& owner, Stream log) {
    std::vector<Record> records;
    EXPECT_TRUE(owner.ReadBack(log, [&](const Record& r) { records.push_back(r); }));
    return Texts(records);
  }

  ManualClock clock_{1000};
  Metrics metrics_;
};

TEST_F(MemoryTransportTest, GivesRecordsInOrderWithOffsetsAndAppendTimes) {
  MemoryTransport t = Make();
  ASSERT_TRUE(t.Publish(Out(Stream::kEvents, "a"), kNever));
  clock_.Advance(5);
  ASSERT_TRUE(t.Publish(Out(Stream::kEvents, "b"), kNever));
  auto owner = t.Own(Stage::kStitch, 0);
  std::vector<Record> records;
  ASSERT_TRUE((*owner)->Poll(1 << 20, &records));
  ASSERT_EQ(records.size(), 2u);
  EXPECT_EQ(records[1].offset, 1u);
  EXPECT_EQ(records[0].append_ns, 1000);
  EXPECT_EQ(records[1].append_ns, 1005);
  EXPECT_EQ(Poll(**owner), "");
}

TEST_F(MemoryTransportTest, PollsAtMostSoManyBytesButAlwaysOneRecord) {
  MemoryTransport t = Make();
  for (const char* text : {"aaaa", "bbbb", "cccc"})
    ASSERT_TRUE(t.Publish(Out(Stream::kEvents, text), kNever));
  auto owner = t.Own(Stage::kStitch, 0);
  EXPECT_EQ(Poll(**owner, 8), "aaaa bbbb ");
  EXPECT_EQ(Poll(**owner, 1), "cccc ");
}

TEST_F(MemoryTransportTest, TheBoundFollowsTheShareOfMemory) {
  MemoryShare share;
  MemoryOptions options = Small();
  options.max_bytes = 64 << 20;
  options.share = &share;
  MemoryTransport t = Make(options);
  const std::string big(6 << 20, 'x');
  ASSERT_TRUE(t.Publish(Out(Stream::kEvents, big), kNever));
  share.Set(0.01);
  EXPECT_FALSE(t.Publish(Out(Stream::kEvents, big), kNever));
  share.Set(0.5);
  EXPECT_TRUE(t.Publish(Out(Stream::kEvents, big), kNever));
}

TEST_F(MemoryTransportTest, RefusesSourcesAtTheByteBoundUntilOffsetsAreCommitted) {
  MemoryTransport t = Make(Small());
  const std::string big(60'000, 'x');
  ASSERT_TRUE(t.Publish(Out(Stream::kEvents, big), kNever));
  auto full = t.Publish(Out(Stream::kEvents, big), kNever);
  ASSERT_FALSE(full);
  EXPECT_EQ(full.error().code, Code::kFull);
  auto owner = t.Own(Stage::kStitch, 0);
  Poll(**owner);
  Transaction tx;
  tx.commit_offset = 1;
  ASSERT_TRUE((*owner)->Commit(std::move(tx)));
  EXPECT_EQ(t.AdmittedBytes(), 0u);
  EXPECT_TRUE(t.Publish(Out(Stream::kEvents, big), kNever));
}

TEST_F(MemoryTransportTest, CountsSpansThatNoSinkHasTakenAgainstTheSources) {
  MemoryTransport t = Make(Small());
  auto owner = t.Own(Stage::kStitch, 0);
  Transaction tx;
  tx.out.push_back(Out(Stream::kSpans, std::string(200'000, 's')));  // commits never wait
  ASSERT_TRUE((*owner)->Commit(std::move(tx)));
  EXPECT_FALSE(t.Publish(Out(Stream::kEvents, std::string(60'000, 'x')), kNever));
}

TEST_F(MemoryTransportTest, LetsHeartbeatsIntoAFullLog) {
  MemoryTransport t = Make(Small());
  ASSERT_TRUE(t.Publish(Out(Stream::kEvents, std::string(100'000, 'x')), kNever));
  EXPECT_TRUE(t.Publish(Out(Stream::kEvents, "heartbeat"), kNever));
}

TEST_F(MemoryTransportTest, WakesABlockedSourceWhenRoomIsMade) {
  SystemClock clock;
  MemoryTransport t(Small(true), clock, metrics_);
  const std::string big(60'000, 'x');
  ASSERT_TRUE(t.Publish(Out(Stream::kEvents, big), kNever));
  std::thread source([&] { EXPECT_TRUE(t.Publish(Out(Stream::kEvents, big), kNever)); });
  auto owner = t.Own(Stage::kStitch, 0);
  Transaction tx;
  tx.commit_offset = 1;
  ASSERT_TRUE((*owner)->Commit(std::move(tx)));
  source.join();
}

TEST_F(MemoryTransportTest, GivesUpAtTheDeadline) {
  SystemClock clock;
  MemoryTransport t(Small(true), clock, metrics_);
  const std::string big(60'000, 'x');
  ASSERT_TRUE(t.Publish(Out(Stream::kEvents, big), kNever));
  auto r = t.Publish(Out(Stream::kEvents, big), clock.MonotonicNs() + kMillisecond);
  EXPECT_EQ(r.error().code, Code::kFull);
}

TEST_F(MemoryTransportTest, WakesAReaderOnAppendAndOnClose) {
  SystemClock clock;
  MemoryTransport t(Small(true), clock, metrics_);
  std::thread reader([&] { t.WaitReadable(Stage::kStitch, 0, kNever); });
  ASSERT_TRUE(t.Publish(Out(Stream::kEvents, "a"), kNever));
  reader.join();
  std::thread waiter([&] { t.WaitReadable(Stage::kTrace, 1, kNever); });
  t.CloseSources();
  waiter.join();
  EXPECT_EQ(t.Publish(Out(Stream::kEvents, "b"), kNever).error().code, Code::kCancelled);
}

TEST_F(MemoryTransportTest, AppendsATransactionWholeOrNotAtAll) {
  MemoryTransport t = Make(Small());
  auto first = t.Own(Stage::kStitch, 0);
  auto second = t.Own(Stage::kStitch, 0);
  EXPECT_GT((*second)->generation(), (*first)->generation());
  Transaction tx;
  tx.out.push_back(Out(Stream::kSpans, "s"));
  auto r = (*first)->Commit(std::move(tx));
  ASSERT_FALSE(r);
  EXPECT_EQ(r.error().code, Code::kFenced);
  EXPECT_TRUE(t.Held(Stream::kSpans, 0).empty());
  Transaction wrong;
  wrong.out.push_back(Out(Stream::kSpans, "s"));
  wrong.out.push_back(Out(Stream::kSpans, "s", 0, 9));
  EXPECT_FALSE((*second)->Commit(std::move(wrong)));
  EXPECT_TRUE(t.Held(Stream::kSpans, 0).empty());
  std::vector<Record> records;
  EXPECT_EQ((*first)->Poll(1, &records).error().code, Code::kFenced);
}

TEST_F(MemoryTransportTest, GivesANewOwnerEverythingAboveTheCommittedOffset) {
  MemoryTransport t = Make(Small());
  for (const char* text : {"a", "b", "c"})
    ASSERT_TRUE(t.Publish(Out(Stream::kEvents, text), kNever));
  auto first = t.Own(Stage::kStitch, 0);
  EXPECT_EQ(Poll(**first), "a b c ");
  Transaction tx;
  tx.commit_offset = 1;
  tx.out.push_back(Out(Stream::kLabels, "label"));
  ASSERT_TRUE((*first)->Commit(std::move(tx)));
  auto second = t.Own(Stage::kStitch, 0);
  EXPECT_EQ((*second)->start_offset(), 1u);
  EXPECT_EQ(Back(**second, Stream::kLabels), "label ");
  EXPECT_EQ(Poll(**second), "b c ");
}

TEST_F(MemoryTransportTest, GivesTheOnlyMemberEveryPartitionOnce) {
  MemoryTransport t = Make({.partitions = 3});
  const auto member = t.Join(Stage::kTrace);
  ASSERT_TRUE(member);
  EXPECT_TRUE((*member)->exclusive());
  const auto first = (*member)->Wait(0);
  ASSERT_TRUE(first);
  EXPECT_EQ(first->gained, (std::vector<uint32_t>{0, 1, 2}));
  EXPECT_TRUE(first->revoked.empty() && first->lost.empty());
  EXPECT_TRUE((*member)->Wait(0)->empty());
  (*member)->Release(std::vector<uint32_t>{1});  // its owner failed
  EXPECT_EQ((*member)->Wait(0)->gained, std::vector<uint32_t>{1});
}

TEST_F(MemoryTransportTest, ForgetsLinksAndLogsAfterTheHorizon) {
  MemoryOptions options = Small();
  options.horizon_ns = 100;
  MemoryTransport t = Make(options);
  auto owner = t.Own(Stage::kStitch, 0);
  for (const char* text : {"old", "new"}) {
    Transaction tx;
    tx.out.push_back(Out(Stream::kLabels, text));
    tx.out.push_back(Out(Stream::kLinks, text));
    ASSERT_TRUE((*owner)->Commit(std::move(tx)));
    Poll(**owner);
    clock_.Advance(150);
  }
  auto second = t.Own(Stage::kStitch, 0);
  EXPECT_EQ(Back(**second, Stream::kLabels), "new ");
  EXPECT_EQ(Poll(**second), "new ");
}

TEST_F(MemoryTransportTest, KeepsLinksThatTheirOwnerHasNotReadYet) {
  MemoryOptions options = Small();
  options.max_log_bytes = 1;
  options.horizon_ns = 1;
  MemoryTransport t = Make(options);
  auto owner = t.Own(Stage::kStitch, 0);
  for (const char* text : {"a", "b", "c"}) {
    Transaction tx;
    tx.out.push_back(Out(Stream::kLinks, text));
    ASSERT_TRUE((*owner)->Commit(std::move(tx)));
    clock_.Advance(150);
  }
  EXPECT_EQ(Poll(**owner), "a b c ");
}

TEST_F(MemoryTransportTest, BoundsTheDecisionLogsAndCountsWhatItTrimmed) {
  MemoryOptions options = Small();
  options.max_log_bytes = 2500;
  MemoryTransport t = Make(options);
  auto owner = t.Own(Stage::kTrace, 0);
  for (int i = 0; i < 5; ++i) {
    Transaction tx;
    tx.out.push_back(Out(Stream::kDecisions, std::string(1000, 'd')));
    ASSERT_TRUE((*owner)->Commit(std::move(tx)));
  }
  EXPECT_EQ(t.Held(Stream::kDecisions, 0).size(), 2u);
  EXPECT_EQ(metrics_.Get("transport.log_trimmed").Get(), 3u);
}

TEST_F(MemoryTransportTest, KeepsTheNewestStatePerKeyAndForgetsOnAnEmptyRecord) {
  MemoryTransport t = Make(Small());
  auto owner = t.Own(Stage::kStitch, 0);
  Transaction tx;
  tx.out.push_back(Out(Stream::kState, "one", 1));
  tx.out.push_back(Out(Stream::kState, "two", 2));
  tx.out.push_back(Out(Stream::kState, "ONE", 1));
  tx.out.push_back({Stream::kState, 0, RecordType::kCorrelatorState, 2, nullptr});
  ASSERT_TRUE((*owner)->Commit(std::move(tx)));
  EXPECT_EQ(Back(**owner, Stream::kState), "ONE ");
}

}  // namespace
}  // namespace weft::transport
