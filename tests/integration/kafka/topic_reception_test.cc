// Requests that an agent forwards to a topic, while the brokers (librdkafka's mock) are away.
#include "sources/otlp/topic_reception.h"

#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>
#include <librdkafka/rdkafka.h>

#include <librdkafka/rdkafka_mock.h>  // after rdkafka.h, it says

#include "engine/base/clock.h"
#include "engine/base/metrics.h"
#include "tests/support/otlp_message.h"

namespace weft::otlp {
namespace {

constexpr char kTopic[] = "otlp_spans";
constexpr size_t kLarge = (size_t{16} << 20) - 1'000;

TEST(TopicReception, WhatWaitsForBrokersIsBoundedInBytesAndTheRestIsSentAway) {
  rd_kafka_t* const host = rd_kafka_new(RD_KAFKA_PRODUCER, rd_kafka_conf_new(), nullptr, 0);
  rd_kafka_mock_cluster_t* const cluster = rd_kafka_mock_cluster_new(host, 1);
  rd_kafka_mock_topic_create(cluster, kTopic, 1, 1);
  SystemClock clock;
  Metrics metrics;
  const std::unique_ptr<Logger> log = NullLogger();
  transport::KafkaOptions options;
  options.settings.brokers = {rd_kafka_mock_cluster_bootstraps(cluster)};
  options.settings.librdkafka["message.timeout.ms"] = "3000";
  rd_kafka_mock_broker_set_down(cluster, 1);
  auto reception =
      MakeTopicReception(kTopic, options, clock, metrics, *log, [] { return Decoder(); });
  ASSERT_TRUE(reception) << reception.error().message;
  const std::string large =
      test::OtlpMessage(std::string(kLarge, 's'), {test::OtlpSpan({.trace_lo = 1, .span_id = 1})});
  std::atomic<int> busy = 0, stopped = 0;
  {
    std::vector<std::jthread> senders;
    for (int i = 0; i < 12; ++i)
      senders.emplace_back([&] {
        const Reply reply = (*reception)->Take(large, Format::kOtlpProto);
        busy += reply.code == Reply::Code::kBusy;
        stopped += reply.code == Reply::Code::kStopped;
      });
  }
  EXPECT_EQ(busy + stopped, 12);
  EXPECT_GE(busy, 4) << "128 MB may wait";
  EXPECT_GE(stopped, 1);
  rd_kafka_mock_broker_set_up(cluster, 1);
  const std::string small =
      test::OtlpMessage("shop", {test::OtlpSpan({.trace_lo = 1, .span_id = 1})});
  Reply reply;
  for (int i = 0; i < 10 && (i == 0 || reply.code != Reply::Code::kTaken); ++i)
    reply = (*reception)->Take(small, Format::kOtlpProto);
  EXPECT_EQ(reply.code, Reply::Code::kTaken) << reply.message;
  EXPECT_EQ(metrics.Get("otlp.forwarded").Get(), 1u);
  reception->reset();
  rd_kafka_mock_cluster_destroy(cluster);
  rd_kafka_destroy(host);
}

}  // namespace
}  // namespace weft::otlp
