// What only librdkafka's mock cluster can inject: errors of coordinators at a chosen moment.
//
// The mock does not stamp append times, so nothing is read here; commits and membership are tested.
#include <gtest/gtest.h>
#include <librdkafka/rdkafka.h>

#include <librdkafka/rdkafka_mock.h>  // after rdkafka.h, it says

#include "engine/base/clock.h"
#include "engine/base/metrics.h"
#include "engine/transport/kafka_transport.h"

namespace weft::transport {
namespace {

// Protocol numbers of the requests (Kafka protocol guide, "API Keys").
constexpr int16_t kProduce = 0, kHeartbeat = 12, kAddPartitionsToTxn = 24, kEndTxn = 26,
                  kTxnOffsetCommit = 28;

class KafkaInjectedErrorsTest : public testing::Test {
 protected:
  void SetUp() override {
    host_ = rd_kafka_new(RD_KAFKA_PRODUCER, rd_kafka_conf_new(), nullptr, 0);
    cluster_ = rd_kafka_mock_cluster_new(host_, 1);
    for (int i = 0; i < kStreams; ++i)
      rd_kafka_mock_topic_create(cluster_, std::string(StreamName(static_cast<Stream>(i))).c_str(),
                                 1, 1);
    KafkaOptions options;
    options.settings.brokers = {rd_kafka_mock_cluster_bootstraps(cluster_)};
    options.close_wait_ns = kSecond;
    options.settings_wait_ns = 100 * kMillisecond;  // the mock never tells them
    // The mock waits so long for a member that it itself has called unknown.
    options.settings.librdkafka["session.timeout.ms"] = "4000";
    log_ = std::getenv("WEFT_VERBOSE") ? StderrLogger(LogLevel::kDebug) : NullLogger();
    auto opened = KafkaTransport::Open(options, clock_, metrics_, *log_);
    ASSERT_TRUE(opened) << opened.error().message;
    transport_ = std::move(*opened);
    auto member = transport_->Join(Stage::kTrace);
    ASSERT_TRUE(member) << member.error().message;
    member_ = std::move(*member);
    WaitFor(&Assignment::gained);
    auto owner = transport_->Own(Stage::kTrace, 0);
    ASSERT_TRUE(owner) << owner.error().message;
    owner_ = std::move(*owner);
  }
  void TearDown() override {
    owner_.reset();
    member_.reset();
    transport_.reset();
    rd_kafka_mock_cluster_destroy(cluster_);
    rd_kafka_destroy(host_);
  }
  void WaitFor(std::vector<uint32_t> Assignment::*what) {
    for (int i = 0; i < 150; ++i) {
      auto change = member_->Wait(transport_->LogTimeNs() + 100 * kMillisecond);
      ASSERT_TRUE(change) << change.error().message;
      if (!((*change).*what).empty()) return;
    }
    FAIL() << "the group did not change";
  }
  void Inject(int16_t request, std::initializer_list<rd_kafka_resp_err_t> errors) {
    std::vector<rd_kafka_resp_err_t> list(errors);
    rd_kafka_mock_push_request_errors_array(cluster_, request, list.size(), list.data());
  }
  Result<void> Commit(const std::string& text) {
    Transaction tx;
    tx.out = {{Stream::kDecisions, 0, RecordType::kDecisionBatch, 0, CopyPayload(text)}};
    return owner_->Commit(std::move(tx));
  }
  uint64_t Count(const std::string& name) { return metrics_.Get(name).Get(); }

  SystemClock clock_;
  Metrics metrics_;
  std::unique_ptr<Logger> log_;
  rd_kafka_t* host_ = nullptr;
  rd_kafka_mock_cluster_t* cluster_ = nullptr;
  std::unique_ptr<KafkaTransport> transport_;
  std::unique_ptr<Membership> member_;
  std::unique_ptr<PartitionOwner> owner_;
};

TEST_F(KafkaInjectedErrorsTest, AnAbortedTransactionIsDoneAgain) {
  Inject(kTxnOffsetCommit, {RD_KAFKA_RESP_ERR_ILLEGAL_GENERATION});
  const auto done = Commit("a");
  EXPECT_TRUE(done) << done.error().message;
  EXPECT_GE(Count("kafka.aborts{stage=trace}"), 1u);
}

TEST_F(KafkaInjectedErrorsTest, CoordinatorsThatMoveAreWaitedFor) {
  Inject(kAddPartitionsToTxn,
         {RD_KAFKA_RESP_ERR_COORDINATOR_NOT_AVAILABLE, RD_KAFKA_RESP_ERR_NOT_COORDINATOR});
  Inject(kEndTxn, {RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS});
  const auto done = Commit("a");
  EXPECT_TRUE(done) << done.error().message;
}

TEST_F(KafkaInjectedErrorsTest, ProduceErrorsThatPassAreTriedAgain) {
  Inject(kProduce,
         {RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION, RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS});
  const auto done = Commit("a");
  EXPECT_TRUE(done) << done.error().message;
}

TEST_F(KafkaInjectedErrorsTest, ARecordThatIsTooLargeFailsItsOwnerAndSaysWhatToDo) {
  Inject(kProduce, {RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE});
  const auto done = Commit("a");
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().code, Code::kInvalid);
  EXPECT_NE(done.error().message.find("weft.decisions [0]"), std::string::npos);
  EXPECT_NE(done.error().message.find("max.message.bytes"), std::string::npos);
  EXPECT_TRUE(Commit("b"));
}

TEST_F(KafkaInjectedErrorsTest, AProducerThatWasFencedIsReplacedAndItsShardsTakeOverAnew) {
  Inject(kEndTxn, {RD_KAFKA_RESP_ERR_PRODUCER_FENCED});
  const auto done = Commit("a");
  ASSERT_FALSE(done) << "whether it took effect is not known";
  EXPECT_EQ(done.error().code, Code::kFenced);
  EXPECT_EQ(Count("kafka.commits_unknown{stage=trace}"), 1u);
  EXPECT_TRUE(Commit("b"));
}

TEST_F(KafkaInjectedErrorsTest, WhoTheGroupHasForgottenLosesItsPartitionsAndGetsThemAnew) {
  Inject(kHeartbeat, {RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID});
  WaitFor(&Assignment::lost);
  const auto done = Commit("a");
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().code, Code::kFenced);
  owner_.reset();
  const uint32_t partition = 0;
  member_->Release({&partition, 1});
  WaitFor(&Assignment::gained);
  auto owner = transport_->Own(Stage::kTrace, 0);
  ASSERT_TRUE(owner) << owner.error().message;
  owner_ = std::move(*owner);
  EXPECT_TRUE(Commit("b"));
}

}  // namespace
}  // namespace weft::transport
