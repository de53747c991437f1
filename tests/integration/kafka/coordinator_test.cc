// The broker that coordinates transactions, or the group, dies: two others go on.
#include <atomic>
#include <chrono>
#include <string>
#include <thread>
#include <vector>

#include "engine/transport/kafka_fence.h"
#include "tests/integration/kafka/kafka_harness.h"
#include "tests/integration/kafka/labeller.h"

namespace weft::transport {
namespace {

constexpr const char* kTransactions = "__transaction_state";
constexpr const char* kGroups = "__consumer_offsets";

class KafkaCoordinatorTest : public KafkaTest {
 protected:
  // One partition each, so that its leader is everybody's coordinator.
  static void SetUpTestSuite() {
    StartBrokers(3, {"transaction.state.log.num.partitions=1", "offsets.topic.num.partitions=1"});
  }
  void SetUp() override {
    KafkaTest::SetUp();
    if (IsSkipped() || HasFatalFailure()) return;
    replicas_ = 3;
    rd_kafka_conf_t* conf = rd_kafka_conf_new();
    rd_kafka_conf_set(conf, "bootstrap.servers", broker_->bootstrap().c_str(), nullptr, 0);
    rd_kafka_conf_set(conf, "log_level", "0", nullptr, 0);
    client_ = rd_kafka_new(RD_KAFKA_PRODUCER, conf, nullptr, 0);
    ASSERT_TRUE(AllInSync({kTransactions, kGroups}));
  }
  void TearDown() override {
    if (killed_ != 0) {
      EXPECT_TRUE(broker_->Start(killed_));
    }
    if (client_ != nullptr) rd_kafka_destroy(client_);
    KafkaTest::TearDown();
  }
  // Of partition 0 of an internal topic: its leader and how many replicas are in sync.
  std::pair<int, int> Leader(const char* topic) {
    std::pair<int, int> found{0, 0};
    rd_kafka_topic_t* const asked = rd_kafka_topic_new(client_, topic, nullptr);
    const rd_kafka_metadata_t* metadata = nullptr;
    if (rd_kafka_metadata(client_, 0, asked, &metadata, 5'000) == RD_KAFKA_RESP_ERR_NO_ERROR) {
      if (metadata->topic_cnt == 1 && metadata->topics[0].partition_cnt > 0)
        found = {metadata->topics[0].partitions[0].leader,
                 metadata->topics[0].partitions[0].isr_cnt};
      rd_kafka_metadata_destroy(metadata);
    }
    rd_kafka_topic_destroy(asked);
    return found;
  }
  bool AllInSync(const std::vector<std::string>& topics) {
    return Eventually([&] {
      for (const std::string& topic : topics)
        if (const auto [leader, in_sync] = Leader(topic.c_str()); leader > 0 && in_sync < 3)
          return false;
      return true;
    });
  }
  // Not while another is behind, as one is that has just come back: what only the dead one has is
  // not to be had until he is back.
  void KillLeader(const char* topic) {
    ASSERT_TRUE(
        AllInSync({kTransactions, kGroups, Topic(Stream::kEvents), Topic(Stream::kLabels)}));
    killed_ = Leader(topic).first;
    ASSERT_GT(killed_, 0) << topic;
    EXPECT_TRUE(broker_->Kill(killed_));
  }
  void GoesOnWithoutLeaderOf(const char* topic);

  rd_kafka_t* client_ = nullptr;
  int killed_ = 0;
};

void KafkaCoordinatorTest::GoesOnWithoutLeaderOf(const char* topic) {
  constexpr uint64_t kBefore = 100, kAfter = 200;
  MakeTopics(1);
  auto t = Open();
  auto member = t->Join(Stage::kStitch);
  ASSERT_TRUE(member) << member.error().message;
  Labeller labeller(*t, **member);
  std::atomic<uint64_t> published = 0, labelled = 0;
  std::atomic<bool> all_published = false;
  std::jthread source([&] {  // it dies in the middle of transactions, and stays away
    const auto publish = [&] {
      Publish(*t, std::to_string(published++));
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    };
    while (labelled < kBefore && !HasFailure()) publish();
    KillLeader(topic);
    for (uint64_t i = 0; i < kAfter && !HasFailure(); ++i) publish();
    all_published = true;
  });
  int64_t all_there_ns = INT64_MAX;
  const auto all = [&] {
    labelled = labeller.Turn();
    if (!all_published || Count("kafka.publish_in_flight_bytes") > 0) return HasFailure();
    if (all_there_ns == INT64_MAX) all_there_ns = t->LogTimeNs();
    return labeller.read_until_ns() > all_there_ns || HasFailure();
  };
  // The brokers need 6 s to find out, and members of a group who coordinates it now.
  bool done = false;
  for (int i = 0; i < 4 && !done; ++i) done = Eventually(all);
  EXPECT_TRUE(done) << "nothing is taken over, or nothing is read";
  source.join();
  ASSERT_FALSE(HasFailure());
  EXPECT_TRUE(Eventually([&] { return Leader(topic).first != killed_; }));
  labeller.ExpectEachLabelledOnce(published);
  EXPECT_EQ(Count("kafka.publish_lost{partition=0}"), 0u);
}

TEST_F(KafkaCoordinatorTest, ThatOfTransactionsDiesAndNothingIsLostOrRepeated) {
  GoesOnWithoutLeaderOf(kTransactions);
}

TEST_F(KafkaCoordinatorTest, ThatOfTheGroupDiesAndNothingIsLostOrRepeated) {
  GoesOnWithoutLeaderOf(kGroups);
}

TEST_F(KafkaCoordinatorTest, AnOwnerDiesWithItAndHisTransactionIsEndedByTheNext) {
  MakeTopics(1);
  auto t = Open();
  auto member = t->Join(Stage::kStitch);
  ASSERT_TRUE(member) << member.error().message;
  Gain(**member, 1);
  Publish(*t, "a");
  Acknowledged();
  const std::string group = Options().settings.group + "-stitch";
  const std::string dead = group + "-of-somebody-who-died";
  {
    ForeignProducer dies(broker_->bootstrap(), dead, 600'000);
    dies.Begin();
    dies.SendOffset(group, Topic(Stream::kEvents), 0, OffsetMetadata(7, dead));
    dies.Commit();
    dies.Begin();
    dies.Produce(Topic(Stream::kLabels), 0, "half", Headers());
    dies.SendOffset(group, Topic(Stream::kEvents), 1, OffsetMetadata(7, dead));
  }
  KillLeader(kTransactions);
  Result<std::unique_ptr<PartitionOwner>> owner = Fail(Code::kIo, "");
  const auto taken = [&] {  // as an engine tries
    owner = t->Own(Stage::kStitch, 0);
    return owner.has_value();
  };
  bool done = false;
  for (int i = 0; i < 4 && !done; ++i) done = Eventually(taken);
  ASSERT_TRUE(done) << owner.error().message;
  EXPECT_EQ((*owner)->start_offset(), 0u);
  EXPECT_EQ(Back(**owner, Stream::kLabels), "");
  EXPECT_EQ(Texts(ReadAll(*t, **owner)), "a ");
}

}  // namespace
}  // namespace weft::transport
