// KafkaTransport with a real broker: streams, transactions, take-over.
#include <algorithm>
#include <thread>

#include "tests/integration/kafka/kafka_harness.h"

namespace weft::transport {
namespace {

using KafkaTransportTest = KafkaTest;

TEST_F(KafkaTransportTest, GivesWhatWasPublishedInOrderWithOffsetsAndAscendingAppendTimes) {
  MakeTopics(2);
  auto t = Open();
  auto member = t->Join(Stage::kStitch);
  ASSERT_TRUE(member) << member.error().message;
  EXPECT_EQ(Gain(**member, 2).size(), 2u);
  auto owner = t->Own(Stage::kStitch, 1);
  ASSERT_TRUE(owner) << owner.error().message;

  for (const char* text : {"a", "b", "c"}) Publish(*t, text, 1);
  const auto records = ReadAll(*t, **owner);

  ASSERT_EQ(Texts(records), "a b c ");
  EXPECT_EQ(records[2].offset, 2u);
  EXPECT_EQ(records[2].partition, 1u);
  EXPECT_EQ(records[0].type, RecordType::kEventBatch);
  EXPECT_LE(records[0].append_ns, records[2].append_ns);
  EXPECT_NEAR(static_cast<double>(records[0].append_ns), static_cast<double>(t->LogTimeNs()), 10e9);
  EXPECT_EQ(reinterpret_cast<uintptr_t>(records[1].payload->bytes().data()) % 8, 0u);
}

TEST_F(KafkaTransportTest, ACommitReachesAllStreamsAndTheNextOwnerGoesOnThere) {
  MakeTopics(1);
  uint64_t generation = 0;
  {
    auto t = Open();
    auto member = t->Join(Stage::kStitch);
    Gain(**member, 1);
    auto owner = t->Own(Stage::kStitch, 0);
    ASSERT_TRUE(owner) << owner.error().message;
    Publish(*t, "a");
    Publish(*t, "b");
    EXPECT_EQ(Texts(ReadAll(*t, **owner)), "a b ");
    Transaction tx;
    tx.out = {Out(Stream::kLabels, "label"),     Out(Stream::kLinks, "link"),
              Out(Stream::kState, "old", 0, 7),  Out(Stream::kState, "new", 0, 7),
              Out(Stream::kState, "gone", 0, 8), {Stream::kState, 0, {}, 8, nullptr}};
    for (auto& r : tx.out) r.type = RecordType::kCorrelatorState;
    tx.commit_offset = 1;
    auto done = (*owner)->Commit(std::move(tx));
    ASSERT_TRUE(done) << done.error().message;
    generation = (*owner)->generation();
  }
  auto t = Open();
  auto member = t->Join(Stage::kStitch);
  Gain(**member, 1);
  auto owner = t->Own(Stage::kStitch, 0);
  ASSERT_TRUE(owner) << owner.error().message;

  EXPECT_EQ((*owner)->start_offset(), 1u);
  EXPECT_GT((*owner)->generation(), generation);
  EXPECT_EQ(Back(**owner, Stream::kLabels), "label ");
  EXPECT_EQ(Back(**owner, Stream::kState), "new ");
  auto texts = Texts(ReadAll(*t, **owner));
  EXPECT_TRUE(texts == "link b " || texts == "b link ") << texts;
}

// Such records could not be read after the topic was mended, so none may be written.
TEST_F(KafkaTransportTest, RefusesTopicsThatStampRecordsWithTheirWritersTime) {
  MakeTopics(1, {{"message.timestamp.type", "CreateTime"}});
  const auto t = KafkaTransport::Open(Options(), clock_, metrics_, *log_);
  ASSERT_FALSE(t);
  EXPECT_EQ(t.error().code, Code::kInvalid);
  EXPECT_NE(t.error().message.find(Topic(Stream::kEvents) + " has message.timestamp.type=Create"),
            std::string::npos)
      << t.error().message;
  EXPECT_NE(t.error().message.find("weft topics create"), std::string::npos);
}

}  // namespace
}  // namespace weft::transport
