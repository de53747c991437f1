// A spool in front of a real broker that goes away for a while, and an agent that does not live to
// see it come back.
#include <atomic>
#include <set>

#include "engine/transport/spool_publisher.h"
#include "tests/integration/kafka/kafka_harness.h"
#include "tests/support/temp_folder.h"

namespace weft::transport {
namespace {

class KafkaSpoolTest : public KafkaTest {
 protected:
  std::unique_ptr<SpoolPublisher> OpenSpool(int64_t close_wait_ns) {
    KafkaOptions kafka = Options();
    kafka.publish_bytes = 20'000;  // so that records have to be read back
    kafka.close_wait_ns = 100 * kMillisecond;
    SpoolPublisherOptions options;
    options.spool.folder = folder_.path() / "spool";
    options.spool.memory_bytes = 20'000;
    options.spool.segment_bytes = 100'000;
    options.spool.farewells = false;
    options.close_wait_ns = close_wait_ns;
    auto publisher = SpoolPublisher::Open(options, KafkaTest::Open(kafka), clock_, metrics_, *log_);
    EXPECT_TRUE(publisher) << publisher.error().message;
    return std::move(*publisher);
  }
  void PublishRange(SpoolPublisher& publisher, int first, int end) {
    for (int n = first; n < end; ++n) {
      OutRecord record = Out(Stream::kEvents, std::to_string(n) + std::string(500, ' '));
      record.observations = 1;
      ASSERT_TRUE(publisher.Publish(std::move(record), publisher.LogTimeNs()));
    }
  }
  // Numbers in the order of the log.
  std::vector<int> Logged() {
    auto t = KafkaTest::Open();
    auto member = t->Join(Stage::kStitch);
    EXPECT_TRUE(member) << member.error().message;
    Gain(**member, 1);
    auto owner = t->Own(Stage::kStitch, 0);
    EXPECT_TRUE(owner) << owner.error().message;
    std::vector<int> numbers;
    for (const Record& record : ReadAll(*t, **owner))
      if (record.stream == Stream::kEvents)
        numbers.push_back(std::stoi(std::string(record.payload->bytes())));
    return numbers;
  }
  static std::vector<int> Range(int first, int end) {
    std::vector<int> numbers;
    for (; first < end; ++first) numbers.push_back(first);
    return numbers;
  }

  test::TempFolder folder_;
};

TEST_F(KafkaSpoolTest, ABrokerThatIsAwayGetsEverythingInOrderWhenItIsBack) {
  MakeTopics(1);
  auto publisher = OpenSpool(60 * kSecond);
  PublishRange(*publisher, 0, 100);
  ASSERT_TRUE(broker_->Kill());
  PublishRange(*publisher, 100, 2000);
  EXPECT_GT(Count("spool.bytes"), 800'000u);
  EXPECT_LE(Count("kafka.publish_in_flight_bytes"), 25'000u);
  ASSERT_TRUE(broker_->Start(1));
  PublishRange(*publisher, 2000, 2100);
  publisher.reset();
  EXPECT_EQ(Logged(), Range(0, 2100));
  EXPECT_EQ(Count("spool.delivered_records"), 2100u);
  EXPECT_EQ(Count("spool.waiting_records"), 0u);
  EXPECT_GT(Count("spool.read_back_records"), 1000u);
  EXPECT_EQ(Count("spool.bytes"), 0u);
}

TEST_F(KafkaSpoolTest, AnAgentThatEndsDuringAnOutageLeavesItsRecordsToItsSuccessor) {
  MakeTopics(1);
  auto publisher = OpenSpool(0);
  PublishRange(*publisher, 0, 50);
  ASSERT_TRUE(broker_->Kill());
  PublishRange(*publisher, 50, 500);
  publisher.reset();
  EXPECT_GT(Count("spool.waiting_records"), 400u);
  ASSERT_TRUE(broker_->Start(1));
  publisher = OpenSpool(60 * kSecond);
  PublishRange(*publisher, 500, 600);
  publisher.reset();
  // What was on its way at the end may be there twice: stage 1 knows it by its sequence.
  const std::vector<int> logged = Logged();
  EXPECT_EQ(std::set(logged.begin(), logged.end()).size(), 600u);
  std::vector<int> newest;
  std::set<int> seen;
  for (const int n : logged)
    if (seen.insert(n).second) newest.push_back(n);
  EXPECT_EQ(newest, Range(0, 600));
}

}  // namespace
}  // namespace weft::transport
