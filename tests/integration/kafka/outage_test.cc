// Brokers that go away and come back in the middle of everything.
#include <atomic>
#include <set>
#include <thread>

#include "engine/transport/kafka_admin.h"
#include "tests/integration/kafka/kafka_harness.h"
#include "tests/integration/kafka/labeller.h"

namespace weft::transport {
namespace {

using KafkaOutageTest = KafkaTest;

TEST_F(KafkaOutageTest, ABrokerThatIsKilledAndComesBackLosesNothingAndRepeatsNothing) {
  constexpr uint64_t kEvents = 300;
  MakeTopics(1);
  auto t = Open();
  auto member = t->Join(Stage::kStitch);
  ASSERT_TRUE(member) << member.error().message;
  Labeller labeller(*t, **member);
  std::atomic<uint64_t> published = 0;
  std::jthread source([&] {
    for (; published < kEvents; ++published) {
      Publish(*t, std::to_string(published));
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
  });
  std::jthread chaos([&] {
    while (published < kEvents / 3) std::this_thread::sleep_for(std::chrono::milliseconds(5));
    EXPECT_TRUE(broker_->Kill());
    EXPECT_TRUE(broker_->Start(1));
  });
  const auto all = [&] { return labeller.Turn() >= kEvents || HasFailure(); };
  EXPECT_TRUE(Eventually(all) || Eventually(all)) << "nothing is taken over, or nothing is read";
  source.join();
  chaos.join();
  ASSERT_FALSE(HasFailure());

  labeller.ExpectEachLabelledOnce(kEvents);
  EXPECT_TRUE(Eventually([this] { return Count("kafka.watch_silent") == 0; }));
  EXPECT_EQ(Count("kafka.publish_lost{partition=0}"), 0u);
}

// Several requests are under way at once: that none behind a refused one is stored is the brokers'
// part (they look at sequence numbers), that nothing overtakes what goes out again is ours.
TEST_F(KafkaOutageTest, WhatIsPublishedThroughRefusalsAndDeathsIsThereInItsOrder) {
  MakeTopics(1);
  KafkaOptions options = Options();
  options.settings.librdkafka["linger.ms"] = "0";  // many small requests
  auto t = Open(options);
  const auto properties = MakeKafkaProperties(options.settings);
  ASSERT_TRUE(properties) << properties.error().message;
  auto admin = KafkaAdmin::Connect(*properties);
  ASSERT_TRUE(admin) << admin.error().message;
  const auto need_replicas = [&](const char* count) {
    const auto set = (*admin)->SetSettings(
        Topic(Stream::kEvents),
        {{"message.timestamp.type", "LogAppendTime"}, {"min.insync.replicas", count}});
    EXPECT_TRUE(set) << set.error().message;
  };
  std::atomic<uint64_t> published = 0;
  const auto more = [&] {
    return Eventually([&, end = published + 200] { return published >= end; });
  };
  {
    std::jthread source([&](const std::stop_token& stop) {
      for (; !stop.stop_requested(); ++published) {
        Publish(*t, std::to_string(published));
        if (published % 8 == 7) std::this_thread::sleep_for(std::chrono::milliseconds(2));
      }
    });
    for (int round = 0; round < 3; ++round) {
      EXPECT_TRUE(more());
      need_replicas("2");  // there is one: requests are refused
      EXPECT_TRUE(more());
      if (round == 1) {
        EXPECT_TRUE(broker_->Kill());
        EXPECT_TRUE(broker_->Start(1));
      }
      need_replicas("1");
    }
    EXPECT_TRUE(more());
  }
  auto member = t->Join(Stage::kStitch);
  ASSERT_TRUE(member) << member.error().message;
  Gain(**member, 1);
  auto owner = t->Own(Stage::kStitch, 0);
  ASSERT_TRUE(owner) << owner.error().message;
  std::set<uint64_t> seen;
  uint64_t disorder = 0;
  for (const Record& record : ReadAll(*t, **owner)) {
    const uint64_t n = std::stoul(std::string(record.payload->bytes()));
    disorder += seen.insert(n).second && n + 1 != seen.size();
  }
  EXPECT_EQ(seen.size(), published);
  EXPECT_EQ(disorder, 0u) << "records are there for the first time before older ones";
  EXPECT_EQ(Count("kafka.publish_lost{partition=0}"), 0u);
}

TEST_F(KafkaOutageTest, WithoutABrokerTimeStandsStillPublishFillsUpAndStopEndsInTime) {
  MakeTopics(1);
  KafkaOptions options = Options();
  options.publish_bytes = 100'000;
  options.close_wait_ns = kSecond;
  auto t = Open(options);
  auto member = t->Join(Stage::kStitch);
  Gain(**member, 1);
  auto owner = t->Own(Stage::kStitch, 0);
  ASSERT_TRUE(owner) << owner.error().message;
  Publish(*t, "a");
  ReadAll(*t, **owner);
  ASSERT_TRUE(broker_->Kill());
  const int64_t killed = t->LogTimeNs();

  const std::string large(60'000, 'x');
  ASSERT_TRUE(t->Publish(Out(Stream::kEvents, large), InNs(*t, kSecond)));
  const auto full = t->Publish(Out(Stream::kEvents, large), InNs(*t, 100 * kMillisecond));
  ASSERT_FALSE(full);
  EXPECT_EQ(full.error().code, Code::kFull);
  std::vector<Record> records;
  while (t->LogTimeNs() < killed + kSecond) {
    auto polled = (*owner)->Poll(1 << 20, &records);
    ASSERT_TRUE(polled) << polled.error().message;
    const auto time = (*owner)->CaughtUp();
    EXPECT_LE(time.value_or(0), killed);
    t->WaitReadable(Stage::kStitch, 0, InNs(*t, 20 * kMillisecond));
  }
  EXPECT_TRUE(records.empty());
  const auto silent = [this] { return Count("kafka.watch_silent") > 0; };
  EXPECT_TRUE(Eventually(silent)) << "whoever asks whether this member is ready is told";

  t->CloseSources();
  Transaction tx;
  tx.out = {Out(Stream::kLabels, "label", 0, 0, RecordType::kLabelBatch)};
  const auto done = (*owner)->Commit(std::move(tx));
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().code, Code::kCancelled) << done.error().message;
  owner->reset();
  member->reset();
  t.reset();
  EXPECT_EQ(Count("kafka.publish_lost{partition=0}"), 1u);
}

}  // namespace
}  // namespace weft::transport
