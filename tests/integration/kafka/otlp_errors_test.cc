// OTLP from topics while brokers refuse its producer, which librdkafka's mock cluster can do.
#include <chrono>
#include <cstdlib>
#include <memory>
#include <string>
#include <thread>

#include <gtest/gtest.h>
#include <librdkafka/rdkafka.h>

#include <librdkafka/rdkafka_mock.h>  // after rdkafka.h, it says

#include "engine/base/clock.h"
#include "engine/base/metrics.h"
#include "sources/otlp/otlp_topics.h"
#include "tests/support/otlp_message.h"

namespace weft::otlp {
namespace {

// Kafka protocol guide, "API Keys".
constexpr int16_t kHeartbeat = 12;
constexpr int16_t kInitProducerId = 22;
constexpr char kTopic[] = "otlp_spans";

class OtlpErrorsTest : public testing::Test {
 protected:
  void SetUp() override {
    host_ = rd_kafka_new(RD_KAFKA_PRODUCER, rd_kafka_conf_new(), nullptr, 0);
    cluster_ = rd_kafka_mock_cluster_new(host_, 1);
    for (const char* const topic : {kTopic, "weft.spans", "weft.state", "weft.dead"})
      rd_kafka_mock_topic_create(cluster_, topic, 1, 1);
    rd_kafka_conf_t* const conf = rd_kafka_conf_new();
    rd_kafka_conf_set(conf, "bootstrap.servers", rd_kafka_mock_cluster_bootstraps(cluster_),
                      nullptr, 0);
    writer_ = rd_kafka_new(RD_KAFKA_PRODUCER, conf, nullptr, 0);
  }
  void TearDown() override {
    source_.reset();
    rd_kafka_destroy(writer_);
    rd_kafka_mock_cluster_destroy(cluster_);
    rd_kafka_destroy(host_);
  }
  void Start() {
    transport::KafkaOptions options;
    options.settings.brokers = {rd_kafka_mock_cluster_bootstraps(cluster_)};
    options.settings.instance = "one";
    auto started = OtlpTopics::Start({kTopic}, options, 1, clock_, metrics_, *log_);
    ASSERT_TRUE(started) << started.error().message;
    source_ = std::move(*started);
  }
  void Write(uint64_t trace) {
    const std::string text =
        test::OtlpMessage("shop", {test::OtlpSpan({.trace_lo = trace, .span_id = 1})});
    ASSERT_EQ(rd_kafka_producev(
                  writer_, RD_KAFKA_V_TOPIC(kTopic), RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
                  RD_KAFKA_V_VALUE(const_cast<char*>(text.data()), text.size()), RD_KAFKA_V_END),
              RD_KAFKA_RESP_ERR_NO_ERROR);
    ASSERT_EQ(rd_kafka_flush(writer_, 10'000), RD_KAFKA_RESP_ERR_NO_ERROR);
  }
  // Its group goes on without it, and it joins again.
  void LoseSession() {
    rd_kafka_mock_push_request_errors(cluster_, kHeartbeat, 1,
                                      RD_KAFKA_RESP_ERR_ILLEGAL_GENERATION);
  }
  bool Reaches(const std::string& counter, uint64_t value) {
    for (int i = 0; i < 600 && metrics_.Get(counter).Get() < value; ++i)
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
    return metrics_.Get(counter).Get() >= value;
  }

  SystemClock clock_;
  Metrics metrics_;
  std::unique_ptr<Logger> log_ =
      std::getenv("WEFT_VERBOSE") ? StderrLogger(LogLevel::kDebug) : NullLogger();
  rd_kafka_t* host_ = nullptr;
  rd_kafka_mock_cluster_t* cluster_ = nullptr;
  rd_kafka_t* writer_ = nullptr;
  std::unique_ptr<OtlpTopics> source_;
};

TEST_F(OtlpErrorsTest, WhatComesWhileNoProducerIsHadIsReadAgainOnce) {
  for (int i = 0; i < 1000; ++i)
    rd_kafka_mock_push_request_errors(cluster_, kInitProducerId, 1,
                                      RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED);
  Start();
  uint64_t trace = 0;
  while (trace < 20) Write(++trace);
  ASSERT_TRUE(Reaches("otlp.retries", 1));
  // It says so each time, and the log says it now and then.
  ASSERT_TRUE(Reaches("kafka.warnings", metrics_.Get("kafka.warnings").Get() + 3));
  while (trace < 40) Write(++trace);
  ASSERT_TRUE(Reaches("otlp.paused_us", metrics_.Get("otlp.paused_us").Get() + 1'000'000));
  EXPECT_EQ(metrics_.Get("otlp.passed_over").Get(), 0u) << "nothing is fetched meanwhile";
  rd_kafka_mock_clear_request_errors(cluster_, kInitProducerId);
  EXPECT_TRUE(Reaches("otlp.spans", 40));
  source_.reset();
  EXPECT_EQ(metrics_.Get("otlp.spans").Get(), 40u);
  EXPECT_EQ(metrics_.Get("otlp.messages").Get(), 40u);
}

TEST_F(OtlpErrorsTest, APartitionThatWasLostAndComesBackIsRead) {
  Start();
  uint64_t trace = 0;
  while (trace < 20) Write(++trace);
  ASSERT_TRUE(Reaches("otlp.spans", 20));
  LoseSession();
  ASSERT_TRUE(Reaches("otlp.paused_us", 1));
  while (trace < 40) Write(++trace);
  // From the beginning: the mock cluster forgets offsets of transactions.
  EXPECT_TRUE(Reaches("otlp.spans", 20 + 40));
}

TEST_F(OtlpErrorsTest, APartitionThatIsLostWhileNoProducerIsHadIsReadAgainOnce) {
  for (int i = 0; i < 1000; ++i)
    rd_kafka_mock_push_request_errors(cluster_, kInitProducerId, 1,
                                      RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED);
  Start();
  uint64_t trace = 0;
  while (trace < 20) Write(++trace);
  ASSERT_TRUE(Reaches("otlp.retries", 1));
  LoseSession();
  ASSERT_TRUE(Reaches("otlp.paused_us", metrics_.Get("otlp.paused_us").Get() + 2'000'000));
  rd_kafka_mock_clear_request_errors(cluster_, kInitProducerId);
  while (trace < 40) Write(++trace);
  EXPECT_TRUE(Reaches("otlp.spans", 40));
  source_.reset();
  EXPECT_EQ(metrics_.Get("otlp.spans").Get(), 40u);
}

}  // namespace
}  // namespace weft::otlp
