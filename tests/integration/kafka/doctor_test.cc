// What `weft doctor --kafka` says of a real cluster.
#include <gmock/gmock.h>

#include <atomic>
#include <thread>

#include "engine/cli/doctor_kafka.h"
#include "engine/cli/topic_maker.h"
#include "tests/integration/kafka/kafka_harness.h"

namespace weft::cli {
namespace {

using ebpf::Check;
using ebpf::CheckState;
using testing::HasSubstr;
using transport::Stage;

class DoctorKafkaTest : public transport::KafkaTest {
 protected:
  void SetUp() override {
    KafkaTest::SetUp();
    if (IsSkipped() || HasFatalFailure()) return;
    config_.kafka = Options().settings;
  }
  std::vector<Check> Ask(int64_t wait_ns = 100 * kMillisecond) {
    return CheckKafka(config_, " --config weft.yaml", clock_, wait_ns);
  }
  static Check Find(const std::vector<Check>& checks, const std::string& name) {
    for (const Check& check : checks)
      if (check.name == name) return check;
    return {"no check " + name, CheckState::kFail, "", ""};
  }

  Config config_;
};

TEST_F(DoctorKafkaTest, WithoutTopicsItSaysWhatMakesThem) {
  const auto checks = Ask();

  EXPECT_EQ(Find(checks, "brokers").state, CheckState::kOk);
  const Check topic = Find(checks, "topic");
  EXPECT_EQ(topic.state, CheckState::kFail);
  EXPECT_THAT(topic.detail, HasSubstr("topic is not there"));
  EXPECT_EQ(topic.remedy, "weft topics create --config weft.yaml");
}

TEST_F(DoctorKafkaTest, SeesMembersWithTheirPartitionsAndTheLag) {
  MakeTopics(4);
  auto engine = Open();
  auto member = engine->Join(Stage::kStitch);
  Gain(**member, 4);
  Publish(*engine, "one", 2);
  Publish(*engine, "two", 2);
  Acknowledged();

  const auto checks = Ask();

  const Check stitch = Find(checks, "group " + config_.kafka.group + "-stitch");
  EXPECT_EQ(stitch.state, CheckState::kOk) << stitch.detail;
  EXPECT_THAT(stitch.detail, HasSubstr("1 member: "));
  EXPECT_THAT(stitch.detail, HasSubstr(" has 0-3; lag 2 records, most in partition 2: 2"));
  const Check trace = Find(checks, "group " + config_.kafka.group + "-trace");
  EXPECT_EQ(trace.state, CheckState::kWarn);
  EXPECT_THAT(trace.detail, HasSubstr("no members"));
  EXPECT_THAT(trace.remedy, HasSubstr("start weft engine"));
}

TEST_F(DoctorKafkaTest, ComparesClocksByRecordsThatArriveMeanwhile) {
  MakeTopics(2);
  EXPECT_EQ(Find(Ask(), "clock").state, CheckState::kWarn);
  auto agent = Open();
  std::atomic<bool> end = false;
  std::thread writer([&] {
    while (!end) {
      Publish(*agent, "heartbeat");
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
  });

  const Check clock = Find(Ask(3 * kSecond), "clock");

  end = true;
  writer.join();
  EXPECT_EQ(clock.state, CheckState::kOk) << clock.detail;
}

}  // namespace
}  // namespace weft::cli
