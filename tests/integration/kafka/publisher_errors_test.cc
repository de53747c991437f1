// Errors that end a producer, injected by librdkafka's mock cluster: what sources published is in
// the log all the same, in order, with a spool and without one.
//
// The mock does not stamp append times and stores nothing of a request that it refuses. Unlike a
// broker it looks at no sequence numbers: a request that was made behind a refused one it stores,
// out of order. So requests are far apart here, and the order is what the publisher makes it;
// outage_test and permissions_test have several under way at real brokers.
#include <atomic>
#include <thread>

#include <gtest/gtest.h>
#include <librdkafka/rdkafka.h>

#include <librdkafka/rdkafka_mock.h>  // after rdkafka.h, it says

#include "engine/base/clock.h"
#include "engine/base/metrics.h"
#include "engine/transport/kafka_publisher.h"
#include "engine/transport/kafka_settings.h"
#include "engine/transport/kafka_topics.h"
#include "engine/transport/kafka_transport.h"
#include "engine/transport/spool_publisher.h"
#include "tests/support/temp_folder.h"

namespace weft::transport {
namespace {

constexpr int16_t kProduce = 0;  // Kafka protocol guide, "API Keys"
constexpr auto kOutOfOrder = RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER;
constexpr auto kWrongEpoch = RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH;

class Tally final : public Receipt {
 public:
  void Settle(uint64_t, bool ok) override { ++(ok ? delivered : lost); }
  std::atomic<int> delivered = 0, lost = 0;
};

// With a spool: what Publish takes is on disk first.
class KafkaPublisherErrorsTest : public testing::TestWithParam<bool> {
 protected:
  void SetUp() override {
    log_ = std::getenv("WEFT_VERBOSE") ? StderrLogger(LogLevel::kDebug) : NullLogger();
    host_ = rd_kafka_new(RD_KAFKA_PRODUCER, rd_kafka_conf_new(), nullptr, 0);
    cluster_ = rd_kafka_mock_cluster_new(host_, 1);
    rd_kafka_mock_topic_create(cluster_, "weft.events", 1, 1);
    Open("200", "1");  // see above
  }
  void Open(const std::string& linger_ms, const std::string& under_way) {
    KafkaOptions options;
    options.settings.brokers = {rd_kafka_mock_cluster_bootstraps(cluster_)};
    options.settings.librdkafka["linger.ms"] = linger_ms;
    if (under_way != "1") options.settings.librdkafka["batch.num.messages"] = "1";
    options.settings.librdkafka["max.in.flight.requests.per.connection"] = under_way;
    options.close_wait_ns = close_wait_ns_;
    options.settings_wait_ns = 100 * kMillisecond;  // the mock never tells them
    auto opened = KafkaTransport::Open(options, clock_, metrics_, *log_);
    ASSERT_TRUE(opened) << opened.error().message;
    publisher_ = std::move(*opened);
    if (!GetParam()) return;
    SpoolPublisherOptions spool;
    spool.spool.folder = folder_.path() / "spool";
    spool.spool.farewells = false;
    spool.close_wait_ns = close_wait_ns_;
    auto spooled = SpoolPublisher::Open(spool, std::move(publisher_), clock_, metrics_, *log_);
    ASSERT_TRUE(spooled) << spooled.error().message;
    publisher_ = std::move(*spooled);
  }
  void TearDown() override {
    publisher_.reset();
    rd_kafka_mock_cluster_destroy(cluster_);
    rd_kafka_destroy(host_);
  }
  void Inject(std::initializer_list<rd_kafka_resp_err_t> errors) {
    std::vector<rd_kafka_resp_err_t> list(errors);
    rd_kafka_mock_push_request_errors_array(cluster_, kProduce, list.size(), list.data());
  }
  void Publish(int first, int end) {
    for (; first < end; ++first) {
      OutRecord record{Stream::kEvents, 0, RecordType::kEventBatch, 0,
                       CopyPayload(std::to_string(first))};
      record.receipt = tally_;
      const auto done = publisher_->Publish(record, publisher_->LogTimeNs() + kSecond);
      ASSERT_TRUE(done) << done.error().message;
    }
  }
  // Whether so many were settled in time. Nothing is published meanwhile.
  bool Settled(int count) {
    const int64_t deadline_ns = clock_.MonotonicNs() + 30 * kSecond;
    while (tally_->delivered + tally_->lost < count && clock_.MonotonicNs() < deadline_ns)
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
    return tally_->delivered + tally_->lost == count;
  }
  // The log's records in the order in which each is there first.
  std::vector<int> Logged(size_t count) {
    rd_kafka_conf_t* conf = rd_kafka_conf_new();
    rd_kafka_conf_set(conf, "bootstrap.servers", rd_kafka_mock_cluster_bootstraps(cluster_),
                      nullptr, 0);
    rd_kafka_conf_set(conf, "group.id", "reader", nullptr, 0);
    rd_kafka_t* reader = rd_kafka_new(RD_KAFKA_CONSUMER, conf, nullptr, 0);
    rd_kafka_topic_partition_list_t* all = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(all, "weft.events", 0)->offset = RD_KAFKA_OFFSET_BEGINNING;
    rd_kafka_assign(reader, all);
    rd_kafka_topic_partition_list_destroy(all);
    std::vector<int> numbers;
    const int64_t deadline_ns = clock_.MonotonicNs() + 20 * kSecond;
    while (numbers.size() < count && clock_.MonotonicNs() < deadline_ns) {
      rd_kafka_message_t* message = rd_kafka_consumer_poll(reader, 100);
      if (message == nullptr) continue;
      if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR) {
        const int n = std::stoi(std::string(static_cast<char*>(message->payload), message->len));
        if (std::ranges::find(numbers, n) == numbers.end()) numbers.push_back(n);
      }
      rd_kafka_message_destroy(message);
    }
    rd_kafka_destroy(reader);
    return numbers;
  }
  static std::vector<int> Range(int first, int end) {
    std::vector<int> numbers;
    for (; first < end; ++first) numbers.push_back(first);
    return numbers;
  }
  uint64_t Count(const std::string& name) { return metrics_.Get(name).Get(); }

  int64_t close_wait_ns_ = 30 * kSecond;  // over as soon as everything is acknowledged
  SystemClock clock_;
  Metrics metrics_;
  std::unique_ptr<Logger> log_;
  test::TempFolder folder_;
  rd_kafka_t* host_ = nullptr;
  rd_kafka_mock_cluster_t* cluster_ = nullptr;
  std::unique_ptr<Publisher> publisher_;
  std::shared_ptr<Tally> tally_ = std::make_shared<Tally>();
};

INSTANTIATE_TEST_SUITE_P(Spool, KafkaPublisherErrorsTest, testing::Bool(),
                         [](const auto& with) { return with.param ? "On" : "Off"; });

TEST_P(KafkaPublisherErrorsTest, NothingIsLostWhenTheProducerIsOutOfOrderAndNobodyPublishesAnew) {
  Publish(0, 1);
  ASSERT_TRUE(Settled(1));
  Inject({kOutOfOrder});
  Publish(1, 4);
  ASSERT_TRUE(Settled(4)) << "a new client was not made, or does not publish by itself";
  EXPECT_EQ(tally_->lost, 0);
  EXPECT_EQ(Logged(4), Range(0, 4));
  EXPECT_EQ(Count("kafka.publishers_replaced"), KafkaPublishingLimit().empty() ? 0 : 1);
}

TEST_P(KafkaPublisherErrorsTest, WhatIsPublishedMeanwhileComesAfterWhatGoesOutAgain) {
  for (int round = 0; round < 4; ++round) {
    Publish(100 * round, 100 * round + 20);
    Inject({round % 2 == 0 ? kOutOfOrder : kWrongEpoch, kOutOfOrder});
    Publish(100 * round + 20, 100 * round + 100);
    ASSERT_TRUE(round % 2 != 0 || Settled(100 * round + 100));
  }
  ASSERT_TRUE(Settled(400));
  EXPECT_EQ(tally_->lost, 0);
  EXPECT_EQ(Logged(400), Range(0, 400));
  EXPECT_GE(Count("kafka.publishers_replaced"), KafkaPublishingLimit().empty() ? 0 : 2);
  EXPECT_EQ(Count("kafka.publish_lost{partition=0}"), 0u);
}

// Left to itself, librdkafka fails the records of a refused request and goes on with what waits
// behind them, under a new epoch, while the publisher's pause before the next client lasts.
TEST_P(KafkaPublisherErrorsTest, NothingOvertakesWhatAClientHasGivenUp) {
  constexpr int kCount = 200;
  rd_kafka_mock_broker_set_rtt(cluster_, 1, 50);
  Publish(0, 1);
  ASSERT_TRUE(Settled(1));
  Inject({kWrongEpoch, kWrongEpoch, kWrongEpoch, kWrongEpoch, kWrongEpoch});
  for (int n = 1; n < kCount; ++n) {
    Publish(n, n + 1);
    std::this_thread::sleep_for(std::chrono::milliseconds(10));  // some behind each request
  }
  ASSERT_TRUE(Settled(kCount));
  EXPECT_EQ(tally_->lost, 0);
  EXPECT_EQ(Logged(kCount), Range(0, kCount));
}

// A broker that has not heard of a client yet takes whatever comes first, as the mock does always.
TEST_P(KafkaPublisherErrorsTest, NothingIsUnderWayBesideAClientsFirstRecord) {
  constexpr int kCount = 20;
  publisher_.reset();
  Open("0", "5");
  rd_kafka_mock_broker_set_rtt(cluster_, 1, 50);
  Inject({RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS});
  Publish(0, kCount);
  ASSERT_TRUE(Settled(kCount));
  EXPECT_EQ(tally_->lost, 0);
  EXPECT_EQ(Logged(kCount), Range(0, kCount));
}

TEST_P(KafkaPublisherErrorsTest, AnErrorThatEveryNewClientMeetsTooIsWaitedOut) {
  Inject({kOutOfOrder, kOutOfOrder, kOutOfOrder, kOutOfOrder, kOutOfOrder});
  Publish(0, 10);
  ASSERT_TRUE(Settled(10));
  EXPECT_EQ(tally_->lost, 0);
  EXPECT_EQ(Logged(10), Range(0, 10));
}

TEST_P(KafkaPublisherErrorsTest, WhatAnOperatorMayMendIsWaitedOut) {
  EXPECT_FALSE(IsFinalRefusal(RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION));
  Publish(0, 1);
  ASSERT_TRUE(Settled(1));
  Inject({RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED});
  Publish(1, 4);
  ASSERT_TRUE(Settled(4));
  EXPECT_EQ(tally_->lost, 0);
  EXPECT_EQ(Logged(4), Range(0, 4));
}

TEST_P(KafkaPublisherErrorsTest, WhatBrokersRefuseForGoodIsLostAloneAndCountedWithTheReason) {
  Publish(0, 1);
  ASSERT_TRUE(Settled(1));
  Inject({RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE});
  Publish(1, 2);
  ASSERT_TRUE(Settled(2));
  EXPECT_EQ(tally_->lost, 1);
  EXPECT_EQ(Count("kafka.publish_refused{reason=MSG_SIZE_TOO_LARGE}"), 1u);
  Publish(2, 3);
  ASSERT_TRUE(Settled(3));
  EXPECT_EQ(tally_->delivered, 2);
  EXPECT_EQ(Logged(2), (std::vector<int>{0, 2}));
}

TEST_P(KafkaPublisherErrorsTest, ARecordThatNoMessageCanHoldDoesNotStandInTheWay) {
  OutRecord huge{Stream::kEvents, 0, RecordType::kEventBatch, 0,
                 CopyPayload(std::string(kKafkaMessageBytes + 1, 'x'))};
  huge.receipt = tally_;
  const bool taken = publisher_->Publish(huge, publisher_->LogTimeNs() + kSecond).has_value();
  Publish(0, 2);
  ASSERT_TRUE(Settled(taken ? 3 : 2));
  EXPECT_EQ(tally_->lost, taken ? 1 : 0);
  EXPECT_EQ(Logged(2), Range(0, 2));
}

TEST_P(KafkaPublisherErrorsTest, TheEndWaitsForANewClient) {
  Inject({kOutOfOrder});
  Publish(0, 5);
  publisher_.reset();
  EXPECT_EQ(tally_->lost, 0);
  EXPECT_EQ(tally_->delivered, 5);
  EXPECT_EQ(Logged(5), Range(0, 5));
}

TEST_P(KafkaPublisherErrorsTest, WhatIsLeftAtTheEndIsLostUnlessASpoolKeepsIt) {
  publisher_.reset();
  close_wait_ns_ = kSecond;
  Open("200", "1");
  Publish(0, 1);
  ASSERT_TRUE(Settled(1));
  rd_kafka_mock_broker_set_down(cluster_, 1);
  Publish(1, 4);
  publisher_.reset();
  EXPECT_EQ(Count("kafka.publish_lost{partition=0}"), GetParam() ? 0u : 3u);
  EXPECT_EQ(tally_->delivered, 1);
  EXPECT_EQ(Count("spool.waiting_records"), GetParam() ? 3u : 0u);
}

}  // namespace
}  // namespace weft::transport
