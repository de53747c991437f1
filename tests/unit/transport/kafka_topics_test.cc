#include "engine/transport/kafka_topics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace weft::transport {
namespace {

constexpr int64_t kDay = 24 * 3600 * kSecond;

// A cluster on which `weft topics create` has just run.
TopicStates Made(const std::vector<TopicPlan>& plans, int partitions) {
  TopicStates states;
  for (const TopicPlan& plan : plans) {
    TopicState& state = states[plan.name];
    state.exists = true;
    state.partitions = partitions;
    state.replicas = plan.replicas;
    for (const TopicDemand& demand : plan.demands)
      state.own[std::string(demand.key)] = state.settings[std::string(demand.key)] = demand.value;
  }
  return states;
}

class KafkaTopics : public testing::Test {
 protected:
  std::vector<TopicPlan> plans_ = PlanTopics(Config(), {.retention_ns = kDay, .replicas = 3});
  TopicStates states_ = Made(plans_, 8);

  void Set(const char* topic, const char* key, const char* value) {
    states_[topic].settings[key] = states_[topic].own[key] = value;
  }
  const TopicPlan& Plan(std::string_view name) const {
    for (const TopicPlan& plan : plans_)
      if (plan.name == name) return plan;
    return plans_.front();
  }
};

TEST_F(KafkaTopics, AsTheyWereMadeNothingIsWrong) {
  EXPECT_EQ(plans_.size(), 7u);
  EXPECT_THAT(CompareTopics(plans_, states_), testing::IsEmpty());
}

TEST_F(KafkaTopics, MissingOnesAndUnequalPartitionsAreFound) {
  states_.erase("weft.dead");
  states_["weft.links"].partitions = 4;

  const auto findings = CompareTopics(plans_, states_);

  ASSERT_EQ(findings.size(), 2u);
  EXPECT_EQ(findings[0].topic, "weft.links");
  EXPECT_EQ(findings[0].is, "4");
  EXPECT_EQ(findings[0].should, "8");
  EXPECT_EQ(findings[1].topic, "weft.dead");
  EXPECT_EQ(findings[1].is, "not there");
}

TEST_F(KafkaTopics, TimestampsOfProducersAndAWrongCleanupAreFatal) {
  Set("weft.events", "message.timestamp.type", "CreateTime");
  Set("weft.state", "cleanup.policy", "delete");

  const auto findings = CompareTopics(plans_, states_);

  ASSERT_EQ(findings.size(), 2u);
  EXPECT_EQ(findings[0].should, "LogAppendTime");
  EXPECT_TRUE(findings[0].fatal);
  EXPECT_EQ(findings[1].should, "compact");
  EXPECT_TRUE(findings[1].fatal);
}

TEST_F(KafkaTopics, ShortRetentionIsFatalAndLongerIsLeftAlone) {
  Set("weft.labels", "retention.ms", "60000");
  Set("weft.spans", "retention.ms", "-1");
  Set("weft.links", "retention.ms", "604800000");

  const auto findings = CompareTopics(plans_, states_);

  ASSERT_EQ(findings.size(), 1u);
  EXPECT_EQ(findings[0].topic, "weft.labels");
  EXPECT_EQ(findings[0].is, "1m");
  EXPECT_TRUE(findings[0].fatal);
  EXPECT_THAT(MendedSettings(Plan("weft.spans"), states_["weft.spans"]), testing::IsEmpty());
  const auto mended = MendedSettings(Plan("weft.labels"), states_["weft.labels"]);
  EXPECT_EQ(mended.at("retention.ms"), "86400000");
}

TEST_F(KafkaTopics, RetentionGrowsWithTheAgeThatTracesMayHave) {
  Config config;
  const int64_t least_ns = LeastRetentionNs(config);
  config.trace.max_age_ns = 3600 * kSecond;
  EXPECT_GE(least_ns, 3 * 120 * kSecond);
  EXPECT_GE(LeastRetentionNs(config), 3 * 3600 * kSecond);
}

TEST_F(KafkaTopics, MendingKeepsWhatElseIsSetOnTheTopic) {
  Set("weft.events", "message.timestamp.type", "CreateTime");
  Set("weft.events", "compression.type", "zstd");
  states_["weft.events"].settings["flush.ms"] = "5";  // not the topic's own

  const auto mended = MendedSettings(Plan("weft.events"), states_["weft.events"]);

  EXPECT_EQ(mended.at("message.timestamp.type"), "LogAppendTime");
  EXPECT_EQ(mended.at("compression.type"), "zstd");
  EXPECT_EQ(mended.count("flush.ms"), 0u);
}

TEST_F(KafkaTopics, MoreReplicasInSyncThanThereAreAreNeverAskedFor) {
  states_["weft.events"].replicas = 1;
  Set("weft.events", "min.insync.replicas", "1");

  const auto findings = CompareTopics(plans_, states_);

  ASSERT_EQ(findings.size(), 1u);
  EXPECT_EQ(findings[0].key, "replicas");
  EXPECT_FALSE(findings[0].fatal);
  EXPECT_THAT(MendedSettings(Plan("weft.events"), states_["weft.events"]), testing::IsEmpty());

  Set("weft.events", "min.insync.replicas", "2");
  const auto blocked = CompareTopics(plans_, states_);
  ASSERT_EQ(blocked.size(), 2u);
  EXPECT_EQ(blocked[1].why, "nothing can be written");
  EXPECT_TRUE(blocked[1].fatal);
}

TEST_F(KafkaTopics, SettingsAreSpelledForPeople) {
  EXPECT_EQ(SpellTopicSetting("retention.ms", "86400000"), "1d");
  EXPECT_EQ(SpellTopicSetting("retention.ms", "-1"), "endless");
  EXPECT_EQ(SpellTopicSetting("retention.ms", "9223372036854775807"), "endless");
  EXPECT_EQ(SpellTopicSetting("max.message.bytes", "80000000"), "80MB");
  EXPECT_EQ(SpellTopicSetting("cleanup.policy", "compact"), "compact");
}

}  // namespace
}  // namespace weft::transport
