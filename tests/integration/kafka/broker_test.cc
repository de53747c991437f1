// The fixture that all other tests here stand on.
#include <librdkafka/rdkafka.h>

#include <memory>
#include <string>

#include <gtest/gtest.h>

#include "tests/support/kafka_broker.h"
#include "tests/support/requirement.h"

namespace weft::test {
namespace {

// How many brokers the first one to answer names; -1: none answered.
int BrokersSeen(const std::string& bootstrap, int timeout_ms) {
  char error[512];
  rd_kafka_conf_t* conf = rd_kafka_conf_new();
  rd_kafka_conf_set(conf, "bootstrap.servers", bootstrap.c_str(), error, sizeof(error));
  rd_kafka_conf_set(conf, "log_level", "0", error, sizeof(error));
  const std::unique_ptr<rd_kafka_t, decltype(&rd_kafka_destroy)> client(
      rd_kafka_new(RD_KAFKA_PRODUCER, conf, error, sizeof(error)), &rd_kafka_destroy);
  const rd_kafka_metadata_t* metadata = nullptr;
  if (rd_kafka_metadata(client.get(), 0, nullptr, &metadata, timeout_ms) != 0) return -1;
  const int count = metadata->broker_cnt;
  rd_kafka_metadata_destroy(metadata);
  return count;
}

TEST(KafkaBroker, AnswersWhenStartedAndComesBackOnItsPortAfterItWasKilled) {
  WEFT_START_KAFKA(kafka);
  EXPECT_EQ(BrokersSeen(kafka.bootstrap(), 10'000), 1);

  ASSERT_TRUE(kafka.Kill());
  EXPECT_EQ(BrokersSeen(kafka.bootstrap(), 300), -1);

  const auto again = kafka.Start(1);
  ASSERT_TRUE(again) << again.error().message;
  EXPECT_EQ(BrokersSeen(kafka.bootstrap(), 10'000), 1);
}

TEST(KafkaBroker, AClusterOfThreeAnswersAndWhatDoesNotRunIsNamed) {
  WEFT_START_KAFKA(kafka, {.brokers = 3});
  EXPECT_EQ(BrokersSeen(kafka.bootstrap(), 10'000), 3);

  EXPECT_TRUE(kafka.Stop(2));
  const auto twice = kafka.Kill(2);

  ASSERT_FALSE(twice);
  EXPECT_NE(twice.error().message.find("kill 2"), std::string::npos) << twice.error().message;
  EXPECT_GE(BrokersSeen(kafka.bootstrap(), 10'000), 2);
}

}  // namespace
}  // namespace weft::test
