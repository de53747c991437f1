// KafkaTransport with a real broker: streams, transactions, take-over.
#include <algorithm>
#include <random>
#include <set>
#include <thread>

#include <fmt/format.h>

#include "engine/transport/kafka_admin.h"
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

TEST_F(KafkaTransportTest, AnInputThatIsHeldComesLaterAndLinksAtOnce) {
  MakeTopics(1);
  auto t = Open();
  auto member = t->Join(Stage::kStitch);
  Gain(**member, 1);
  auto owner = t->Own(Stage::kStitch, 0);
  ASSERT_TRUE(owner) << owner.error().message;
  (*owner)->HoldInput(true);
  Publish(*t, "event");
  Transaction tx;
  tx.out = {Out(Stream::kLinks, "link", 0, 0, RecordType::kLinkBatch)};
  ASSERT_TRUE((*owner)->Commit(std::move(tx)));
  std::vector<Record> records;
  EXPECT_TRUE(Eventually([&] {
    EXPECT_TRUE((*owner)->Poll(1 << 20, &records));
    return !records.empty();
  }));
  Acknowledged();
  EXPECT_EQ(Texts(records), "link ");
  EXPECT_FALSE((*owner)->CaughtUp()) << "there is more";

  (*owner)->HoldInput(false);
  EXPECT_EQ(Texts(ReadAll(*t, **owner)), "event ");
}

TEST_F(KafkaTransportTest, GoesOnWithTheWritersTimeWhereATopicIsChangedMeanwhileAndSaysSo) {
  MakeTopics(1);
  const auto properties = MakeKafkaProperties(Options().settings);
  ASSERT_TRUE(properties) << properties.error().message;
  auto admin = KafkaAdmin::Connect(*properties);
  ASSERT_TRUE(admin) << admin.error().message;
  auto t = Open();
  auto member = t->Join(Stage::kStitch);
  Gain(**member, 1);
  auto owner = t->Own(Stage::kStitch, 0);
  ASSERT_TRUE(owner) << owner.error().message;
  Publish(*t, "before");
  std::vector<Record> read = ReadAll(*t, **owner);
  for (const char* stamp : {"CreateTime", "LogAppendTime"}) {
    const std::map<std::string, std::string> settings = {{"message.timestamp.type", stamp}};
    const auto set = (*admin)->SetSettings(Topic(Stream::kEvents), settings);
    ASSERT_TRUE(set) << set.error().message;
    // The brokers' log heeds it a little later than they say so.
    const bool stamped = std::string_view(stamp) == "LogAppendTime";
    const uint64_t before = Count("kafka.unstamped");
    EXPECT_TRUE(Eventually([&] {
      const uint64_t so_far = Count("kafka.unstamped");
      Publish(*t, stamp);
      const std::vector<Record> some = ReadAll(*t, **owner);
      read.insert(read.end(), some.begin(), some.end());
      const bool there =
          std::ranges::any_of(some, [&](const Record& r) { return r.payload->bytes() == stamp; });
      if (!stamped) return Count("kafka.unstamped") > before;
      return there && Count("kafka.unstamped") == so_far;
    }));
  }
  ASSERT_GE(read.size(), 3u);
  for (size_t i = 1; i < read.size(); ++i) {
    EXPECT_GE(read[i].append_ns, read[i - 1].append_ns);
    EXPECT_LT(read[i].append_ns, read[0].append_ns + 60 * kSecond);
  }
  EXPECT_LE(read.back().append_ns, t->LogTimeNs());
}

// Of what is refused for its size the broker does not say which record is the one: it refuses a
// batch, and what is behind it.
TEST_F(KafkaTransportTest, ARecordThatTheTopicDoesNotTakeIsLostAloneAndCounted) {
  MakeTopics(2, {{"max.message.bytes", "50000"}});
  auto t = Open();
  std::mt19937 random(7);
  const auto noise = [&](size_t bytes) {  // does not get smaller
    std::string text(bytes, ' ');
    for (char& c : text) c = static_cast<char>(random());
    return text;
  };
  constexpr int kCount = 300;
  for (int n = 0; n < kCount; ++n) {
    const bool huge = n == 100 || n == 101;
    Publish(*t, fmt::format("{} ", n) + noise(huge ? 200'000 : 2'000), n % 2);
  }
  Acknowledged();
  EXPECT_EQ(Count("kafka.publish_refused{reason=MSG_SIZE_TOO_LARGE}"), 2u);
  EXPECT_EQ(Count("kafka.publish_lost{partition=0}") + Count("kafka.publish_lost{partition=1}"),
            2u);
  EXPECT_LE(Count("kafka.publishers_replaced"), 12u);

  // It goes on without further ado.
  const uint64_t replaced = Count("kafka.publishers_replaced");
  for (int n = kCount; n < 2 * kCount; ++n)
    Publish(*t, fmt::format("{} ", n) + noise(2'000), n % 2);
  Acknowledged();
  EXPECT_EQ(Count("kafka.publishers_replaced"), replaced);

  auto member = t->Join(Stage::kStitch);
  ASSERT_TRUE(member) << member.error().message;
  Gain(**member, 2);
  for (const uint32_t p : {0u, 1u}) {
    auto owner = t->Own(Stage::kStitch, p);
    ASSERT_TRUE(owner) << owner.error().message;
    std::set<int> seen;
    int newest = -1;
    for (const Record& record : ReadAll(*t, **owner)) {
      const int n = std::stoi(std::string(record.payload->bytes()));
      if (!seen.insert(n).second) continue;
      EXPECT_GT(n, newest) << "there for the first time behind a newer one";
      newest = n;
    }
    EXPECT_EQ(seen.size(), size_t{kCount} - 1);
  }
}

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

TEST_F(KafkaTransportTest, WhatIsFetchedAndNobodyReadsIsLetGoWhileMemoryIsShortAndComesAgain) {
  constexpr size_t kRecords = 100;
  MakeTopics(1);
  MemoryShare share;
  KafkaOptions options = Options();
  options.share = &share;
  auto t = Open(options);
  auto member = t->Join(Stage::kStitch);
  ASSERT_TRUE(member) << member.error().message;
  Gain(**member, 1);
  const std::string filling(100'000, 'x');  // more than the least share in all
  for (size_t i = 0; i < kRecords; ++i) Publish(*t, std::to_string(i) + " " + filling);
  Acknowledged();
  auto owner = t->Own(Stage::kStitch, 0);
  ASSERT_TRUE(owner) << owner.error().message;
  EXPECT_EQ(Count("kafka.fetched_let_go"), 0u);
  share.Set(0);
  ASSERT_TRUE(Eventually([this] { return Count("kafka.fetched_let_go") > 0; }));

  const auto records = ReadAll(*t, **owner);
  ASSERT_EQ(records.size(), kRecords);
  for (size_t i = 0; i < kRecords; ++i) {
    EXPECT_EQ(records[i].offset, i);
    EXPECT_TRUE(records[i].payload->bytes().starts_with(std::to_string(i) + " "));
  }
}

}  // namespace
}  // namespace weft::transport
