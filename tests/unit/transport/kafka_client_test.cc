#include "engine/transport/kafka_client.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace weft::transport {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

class Lines final : public Logger {
 public:
  void Write(LogLevel, std::string_view line) override { lines.emplace_back(line); }
  std::vector<std::string> lines;
};

class KafkaClientTest : public testing::Test {
 protected:
  ManualClock clock_;
  Metrics metrics_;
  Lines lines_;
  KafkaLog log_{
      {{"sasl.password", "hunter2"}, {"sasl.username", "weft"}}, clock_, metrics_, lines_};
};

TEST_F(KafkaClientTest, SaysTheSameOnlyNowAndThenAndCountsTheRest) {
  for (int i = 0; i < 4; ++i) log_.Write(LogLevel::kWarn, "down", "a broker is down");
  log_.Write(LogLevel::kWarn, "other", "something else");
  clock_.Advance(11 * kSecond);
  log_.Write(LogLevel::kWarn, "down", "a broker is down");

  EXPECT_THAT(lines_.lines, ElementsAre("a broker is down", "something else",
                                        "a broker is down (3 like it before)"));
  EXPECT_EQ(metrics_.Get("kafka.warnings").Get(), 6u);
}

TEST_F(KafkaClientTest, NeverShowsASecret) {
  log_.Write(LogLevel::kError, "auth", "user weft with hunter2 refused, hunter2!");
  EXPECT_THAT(lines_.lines, ElementsAre("user weft with *** refused, ***!"));
}

TEST_F(KafkaClientTest, NamesASettingThatLibrdkafkaDoesNotTake) {
  const auto client = KafkaClient::Open(
      "test", RD_KAFKA_PRODUCER, {},
      {{"compression.codec", "shrink"}, {"sasl.password", "hunter2"}}, {}, {}, log_);
  ASSERT_FALSE(client);
  EXPECT_EQ(client.error().code, Code::kInvalid);
  EXPECT_THAT(client.error().message, HasSubstr("compression.codec"));
  EXPECT_THAT(client.error().message, Not(HasSubstr("hunter2")));
}

TEST_F(KafkaClientTest, FailuresSayWhatToDo) {
  const Error missing = KafkaFailure("topic weft.events", RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART);
  EXPECT_EQ(missing.code, Code::kNotFound);
  EXPECT_THAT(missing.message, HasSubstr("weft topics create"));
  EXPECT_EQ(KafkaFailure("x", RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED).code, Code::kDenied);
}

TEST_F(KafkaClientTest, AsksAgainWhatMayPassAndNotWhatWillNot) {
  int asked = 0;
  SystemClock clock;
  EXPECT_EQ(AskBrokers(clock, 10 * kSecond,
                       [&](int) {
                         return ++asked < 3 ? RD_KAFKA_RESP_ERR__TRANSPORT
                                            : RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED;
                       }),
            RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED);
  EXPECT_EQ(asked, 3);
}

}  // namespace
}  // namespace weft::transport
