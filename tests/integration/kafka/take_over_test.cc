// What a new owner of a partition sees of those before it: all of a transaction or nothing.
#include <algorithm>
#include <atomic>
#include <thread>

#include "engine/api/codec.h"
#include "engine/transport/kafka_fence.h"
#include "tests/integration/kafka/kafka_harness.h"

namespace weft::transport {
namespace {

class KafkaTakeOverTest : public KafkaTest {
 protected:
  void SetUp() override {
    KafkaTest::SetUp();
    if (IsSkipped() || HasFatalFailure()) return;
    MakeTopics(1);
    transport_ = Open();
    auto member = transport_->Join(Stage::kStitch);
    ASSERT_TRUE(member) << member.error().message;
    member_ = std::move(*member);
    Gain(*member_, 1);
  }
  std::unique_ptr<PartitionOwner> Own() {
    auto owner = transport_->Own(Stage::kStitch, 0);
    EXPECT_TRUE(owner) << owner.error().message;
    return owner ? std::move(*owner) : nullptr;
  }
  // As if the engine had dropped its shard.
  void Lose(std::unique_ptr<PartitionOwner> owner) {
    owner.reset();
    const uint32_t partition = 0;
    member_->Release({&partition, 1});
    Gain(*member_, 1);
  }

  std::unique_ptr<KafkaTransport> transport_;
  std::unique_ptr<Membership> member_;
};

TEST_F(KafkaTakeOverTest, ReadingALogBackWaitsForTransactionsThatWereOpen) {
  ForeignProducer other(broker_->bootstrap(), prefix_ + "other");
  other.Begin();
  other.Produce(Topic(Stream::kLabels), 0, "late", Headers());
  auto owner = Own();
  std::thread commits([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(500));
    other.Commit();
  });

  EXPECT_EQ(Back(*owner, Stream::kLabels), "late ");
  commits.join();
}

TEST_F(KafkaTakeOverTest, WhatADeadMemberProducedButDidNotCommitIsNeverSeen) {
  {
    ForeignProducer dies(broker_->bootstrap(), prefix_ + "dies", 3'000);
    dies.Begin();
    dies.Produce(Topic(Stream::kLabels), 0, "half", Headers());
    dies.Produce(Topic(Stream::kLinks), 0, "half", Headers("LinkBatch"));
  }
  auto owner = Own();

  EXPECT_EQ(Back(*owner, Stream::kLabels), "");
  EXPECT_EQ(Texts(ReadAll(*transport_, *owner)), "");
}

TEST_F(KafkaTakeOverTest, TheTransactionOfADeadOwnerIsEndedNotWaitedFor) {
  const std::string group = Options().settings.group + "-stitch";
  const std::string dead = group + "-of-somebody-who-died";
  Publish(*transport_, "a");
  Acknowledged();
  {
    ForeignProducer dies(broker_->bootstrap(), dead, 600'000);
    dies.Begin();
    dies.SendOffset(group, Topic(Stream::kEvents), 0, OffsetMetadata(7, dead));
    dies.Commit();
    dies.Begin();
    dies.Produce(Topic(Stream::kLabels), 0, "half", Headers());
    dies.SendOffset(group, Topic(Stream::kEvents), 1, OffsetMetadata(7, dead));
  }
  const int64_t before = clock_.MonotonicNs();
  auto owner = Own();

  EXPECT_LT(clock_.MonotonicNs() - before, 20 * kSecond);
  ASSERT_TRUE(owner);
  EXPECT_EQ(owner->start_offset(), 0u);
  EXPECT_EQ(Back(*owner, Stream::kLabels), "");
  EXPECT_EQ(Texts(ReadAll(*transport_, *owner)), "a ");
  EXPECT_EQ(Count("kafka.owners_fenced{stage=stitch}"), 1u);
}

TEST_F(KafkaTakeOverTest, TimeStandsStillWhileATransactionOnAnInputIsOpen) {
  auto owner = Own();
  ReadAll(*transport_, *owner);
  ForeignProducer other(broker_->bootstrap(), prefix_ + "other");
  other.Begin();
  other.Produce(Topic(Stream::kLinks), 0, "want", Headers("LinkBatch"));
  const int64_t open_since = transport_->LogTimeNs();
  std::thread commits([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(400));
    other.Commit();
  });

  std::vector<Record> records;
  int64_t caught_up = 0;
  while (caught_up < open_since + 50 * kMillisecond && !HasFailure()) {
    ASSERT_TRUE(owner->Poll(1 << 20, &records));
    const auto time = owner->CaughtUp();
    if (time) caught_up = *time;
    if (time && *time > open_since) {
      EXPECT_EQ(Texts(records), "want ");
    }
    transport_->WaitReadable(Stage::kStitch, 0, InNs(*transport_, 10 * kMillisecond));
  }
  commits.join();
}

TEST_F(KafkaTakeOverTest, ReadsLogsAndLinksBackFromAHorizonBeforeTheOldestUndecidedRecord) {
  auto owner = Own();
  Transaction tx;
  tx.out = {Out(Stream::kLinks, "link", 0, 0, RecordType::kLinkBatch),
            Out(Stream::kLabels, "label", 0, 0, RecordType::kLabelBatch)};
  ASSERT_TRUE(owner->Commit(std::move(tx)));
  Publish(*transport_, "event");
  Acknowledged();
  Lose(std::move(owner));

  owner = Own();
  EXPECT_EQ(Back(*owner, Stream::kLabels), "label ");
  std::string texts = Texts(ReadAll(*transport_, *owner));
  EXPECT_TRUE(texts == "link event " || texts == "event link ") << texts;
}

TEST_F(KafkaTakeOverTest, GenerationsGrowEvenWhereTheClockDoesNot) {
  auto owner = Own();
  uint64_t before = owner->generation();
  EXPECT_NEAR(static_cast<double>(before), static_cast<double>(clock_.UnixNs() / kMillisecond),
              60'000);
  for (int i = 0; i < 3; ++i) {
    Lose(std::move(owner));
    owner = Own();
    EXPECT_GT(owner->generation(), before);
    before = owner->generation();
  }
}

TEST_F(KafkaTakeOverTest, AnOwnerThatWasReleasedIsFenced) {
  auto old = Own();
  Publish(*transport_, "a");
  EXPECT_EQ(Texts(ReadAll(*transport_, *old)), "a ");
  const uint32_t partition = 0;
  member_->Release({&partition, 1});
  Gain(*member_, 1);

  Transaction tx;
  tx.out = {Out(Stream::kLabels, "zombie", 0, 0, RecordType::kLabelBatch)};
  tx.commit_offset = 1;
  const auto done = old->Commit(std::move(tx));

  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().code, Code::kFenced);
  old.reset();
  auto owner = Own();
  EXPECT_EQ(owner->start_offset(), 0u);
  EXPECT_EQ(Back(*owner, Stream::kLabels), "");
}

TEST_F(KafkaTakeOverTest, WhatCannotBeReadGoesToDeadWithItsReason) {
  auto owner = Own();
  ForeignProducer newer(broker_->bootstrap(), "");
  newer.Produce(Topic(Stream::kEvents), 0, "next year's", Headers("EventBatch", "99"));
  newer.Produce(Topic(Stream::kEvents), 0, "of a new type", Headers("Novelty"));
  newer.Produce(Topic(Stream::kEvents), 0, "garbage", {});
  Publish(*transport_, "good");

  EXPECT_EQ(Texts(ReadAll(*transport_, *owner)), "good ");
  Transaction tx;
  tx.commit_offset = 4;
  ASSERT_TRUE(owner->Commit(std::move(tx)));

  EXPECT_EQ(Count("kafka.unreadable"), 3u);
  std::string reasons;
  ASSERT_TRUE(owner->ReadBack(Stream::kDead, [&](const Record& record) {
    const auto dead = api::DecodeDead(record.payload);
    ASSERT_TRUE(dead) << dead.error().message;
    reasons += dead->record + ": " + dead->reason + "\n";
  }));
  EXPECT_NE(reasons.find("next year's: schema version 99 is newer than 1"), std::string::npos)
      << reasons;
  EXPECT_NE(reasons.find("of a new type: content-type"), std::string::npos) << reasons;
  EXPECT_NE(reasons.find("garbage: "), std::string::npos) << reasons;
}

TEST_F(KafkaTakeOverTest, WhatCannotBeReadGoesToDeadOnceHoweverManyOwnersReadIt) {
  auto owner = Own();
  Publish(*transport_, "undecided");
  Acknowledged();
  ForeignProducer foreign(broker_->bootstrap(), "");
  foreign.Produce(Topic(Stream::kEvents), 0, "garbage", {});
  foreign.Produce(Topic(Stream::kLinks), 0, "garbage", {});
  foreign.Produce(Topic(Stream::kLabels), 0, "garbage", {});
  const auto read_all = [&] {
    EXPECT_EQ(Back(*owner, Stream::kLabels), "");
    EXPECT_EQ(Texts(ReadAll(*transport_, *owner)), "undecided ");
    EXPECT_TRUE(owner->Commit({}));
  };
  read_all();
  EXPECT_EQ(Count("kafka.unreadable"), 3u);
  owner.reset();
  owner = Own();
  EXPECT_EQ(owner->start_offset(), 0u);
  read_all();
  foreign.Produce(Topic(Stream::kEvents), 0, "more", {});
  EXPECT_EQ(Texts(ReadAll(*transport_, *owner)), "");
  EXPECT_TRUE(owner->Commit({}));

  EXPECT_EQ(Count("kafka.unreadable"), 4u);
  EXPECT_EQ(Count("kafka.unreadable_repeated"), 3u);
  int dead = 0;
  ASSERT_TRUE(owner->ReadBack(Stream::kDead, [&](const Record&) { ++dead; }));
  EXPECT_EQ(dead, 4);
}

TEST_F(KafkaTakeOverTest, WhatCannotBeReadIsBuriedAndPassedThoughTheStageCommitsNothing) {
  auto owner = Own();
  Publish(*transport_, "undecided");
  EXPECT_EQ(Texts(ReadAll(*transport_, *owner)), "undecided ");
  ForeignProducer foreign(broker_->bootstrap(), "");
  foreign.Produce(Topic(Stream::kEvents), 0, "garbage", {});

  EXPECT_EQ(Texts(ReadAll(*transport_, *owner)), "");

  EXPECT_EQ(Back(*owner, Stream::kDead) != "", true);
  Transaction tx;
  tx.commit_offset = 1;  // all that it was given
  ASSERT_TRUE(owner->Commit(std::move(tx)));
  foreign.Produce(Topic(Stream::kEvents), 0, "more of it", {});
  EXPECT_EQ(Texts(ReadAll(*transport_, *owner)), "");
  Publish(*transport_, "good");
  EXPECT_EQ(Texts(ReadAll(*transport_, *owner)), "good ");
  tx = {};
  tx.commit_offset = 1;  // the same: "good" is not decided, nor has it been passed
  ASSERT_TRUE(owner->Commit(std::move(tx)));
  owner.reset();
  owner = Own();
  EXPECT_EQ(owner->start_offset(), 3u);
  EXPECT_EQ(Texts(ReadAll(*transport_, *owner)), "good ");
}

}  // namespace
}  // namespace weft::transport
