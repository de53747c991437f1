// `weft topics` and its parts against real brokers.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "engine/base/clock.h"
#include "engine/cli/topic_maker.h"
#include "tests/support/kafka_broker.h"
#include "tests/support/requirement.h"

namespace weft::cli {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using transport::KafkaAdmin;

class TopicsTest : public testing::Test {
 protected:
  void Connect(const std::string& bootstrap) {
    config_.kafka.brokers = {bootstrap};
    const auto properties = transport::MakeKafkaProperties(config_.kafka);
    ASSERT_TRUE(properties) << properties.error().message;
    auto admin = KafkaAdmin::Connect(*properties);
    ASSERT_TRUE(admin) << admin.error().message;
    admin_ = std::move(*admin);
  }
  std::vector<std::string> Make(const TopicWish& wish) {
    auto made = MakeTopics(config_, *admin_, wish, clock_);
    EXPECT_TRUE(made) << made.error().message;
    return made ? *made : std::vector<std::string>{};
  }
  TopicView Read(const TopicWish& wish = {}) {
    auto view = ReadTopics(config_, *admin_, wish);
    EXPECT_TRUE(view) << view.error().message;
    return view ? std::move(*view) : TopicView{};
  }

  const SystemClock clock_;
  Config config_;
  std::unique_ptr<KafkaAdmin> admin_;
};

TEST_F(TopicsTest, AreMadeOnceAndOnASecondRunNothingChanges) {
  WEFT_START_KAFKA(kafka);
  ASSERT_NO_FATAL_FAILURE(Connect(kafka.bootstrap()));
  EXPECT_EQ(Read().findings.size(), 7u);

  EXPECT_EQ(Make({.partitions = 3}).size(), 7u);

  const TopicView view = Read();
  EXPECT_THAT(view.findings, IsEmpty());
  EXPECT_EQ(view.states.at("weft.events").partitions, 3);
  EXPECT_EQ(view.states.at("weft.state").settings.at("cleanup.policy"), "compact");
  EXPECT_THAT(Make({}), IsEmpty());
}

TEST_F(TopicsTest, WhatIsThereIsBroughtUpAndNeverLowered) {
  WEFT_START_KAFKA(kafka);
  ASSERT_NO_FATAL_FAILURE(Connect(kafka.bootstrap()));
  ASSERT_TRUE(admin_->CreateTopic("weft.events", 2, 1,
                                  {{"retention.ms", "60000"}, {"compression.type", "zstd"}}));
  ASSERT_TRUE(admin_->CreateTopic("weft.links", 5, 1, {{"retention.ms", "-1"}}));

  Make({});

  const TopicView view = Read();
  EXPECT_THAT(view.findings, IsEmpty());
  const auto& events = view.states.at("weft.events");
  EXPECT_EQ(events.partitions, 5);
  EXPECT_EQ(events.settings.at("retention.ms"), "86400000");
  EXPECT_EQ(events.settings.at("message.timestamp.type"), "LogAppendTime");
  EXPECT_EQ(events.settings.at("compression.type"), "zstd");
  EXPECT_EQ(view.states.at("weft.links").settings.at("retention.ms"), "-1");

  const auto fewer = MakeTopics(config_, *admin_, {.partitions = 4}, clock_);
  ASSERT_FALSE(fewer);
  EXPECT_THAT(fewer.error().message, HasSubstr("cannot take any away"));
  const auto more = MakeTopics(config_, *admin_, {.partitions = 6}, clock_);
  ASSERT_FALSE(more);
  EXPECT_THAT(more.error().message, HasSubstr("--grow"));
  EXPECT_EQ(Make({.partitions = 6, .grow = true}).size(), 7u);
  EXPECT_EQ(Read().states.at("weft.dead").partitions, 6);
}

TEST_F(TopicsTest, ThreeBrokersGetThreeReplicasOfWhichTwoAreInSync) {
  WEFT_START_KAFKA(kafka, {.brokers = 3});
  ASSERT_NO_FATAL_FAILURE(Connect(kafka.bootstrap()));

  Make({.partitions = 2});

  const TopicView view = Read();
  EXPECT_THAT(view.findings, IsEmpty());
  EXPECT_EQ(view.states.at("weft.events").replicas, 3);
  EXPECT_EQ(view.states.at("weft.events").settings.at("min.insync.replicas"), "2");
}

TEST_F(TopicsTest, AGroupThatNobodyJoinedHasNoMembersAndNoOffsets) {
  WEFT_START_KAFKA(kafka);
  ASSERT_NO_FATAL_FAILURE(Connect(kafka.bootstrap()));
  Make({.partitions = 2});

  const auto group = admin_->ReadGroup("weft-stitch", "weft.events", 2);

  ASSERT_TRUE(group) << group.error().message;
  EXPECT_THAT(group->members, IsEmpty());
  EXPECT_EQ(group->committed, (std::vector<int64_t>{-1, -1}));
  const auto ends = admin_->EndOffsets("weft.events", 2);
  ASSERT_TRUE(ends) << ends.error().message;
  EXPECT_EQ(*ends, (std::vector<int64_t>{0, 0}));
  const auto difference = admin_->ClockDifferenceNs("weft.events", 2, clock_, 200 * kMillisecond);
  ASSERT_FALSE(difference);
  EXPECT_EQ(difference.error().code, Code::kNotFound);
}

TEST_F(TopicsTest, BrokersThatDoNotAnswerAreNamed) {
  const auto admin =
      KafkaAdmin::Connect({{"bootstrap.servers", "127.0.0.1:1"}}, 500 * kMillisecond);

  ASSERT_FALSE(admin);
  EXPECT_EQ(admin.error().code, Code::kIo);
  EXPECT_THAT(admin.error().message, HasSubstr("127.0.0.1:1"));
}

}  // namespace
}  // namespace weft::cli
