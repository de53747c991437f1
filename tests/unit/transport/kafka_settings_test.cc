#include "engine/transport/kafka_settings.h"

#include <cstdlib>
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/temp_folder.h"

namespace weft::transport {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

std::string Get(const KafkaProperties& properties, std::string_view key) {
  for (const auto& [name, value] : properties)
    if (name == key) return value;
  return "not there";
}

KafkaSettings Sasl() {
  KafkaSettings settings;
  settings.brokers = {"a:9093", "b:9093"};
  settings.security = "sasl_ssl";
  settings.sasl_mechanism = "SCRAM-SHA-256";
  settings.sasl_username = "weft";
  return settings;
}

class KafkaSettingsTest : public testing::Test {
 protected:
  std::string Write(const std::string& name, const std::string& text) {
    std::ofstream(folder_.File(name)) << text;
    return folder_.File(name);
  }
  test::TempFolder folder_;
};

TEST_F(KafkaSettingsTest, BecomeWhatTheLibraryIsMadeWith) {
  KafkaSettings settings = Sasl();
  settings.sasl_password_file = Write("password", "hunter2\n");
  settings.tls_ca = "/ca.pem";
  settings.librdkafka = {{"linger.ms", "7"}};

  const auto properties = MakeKafkaProperties(settings);

  ASSERT_TRUE(properties) << properties.error().message;
  EXPECT_EQ(Get(*properties, "bootstrap.servers"), "a:9093,b:9093");
  EXPECT_EQ(Get(*properties, "security.protocol"), "sasl_ssl");
  EXPECT_EQ(Get(*properties, "sasl.mechanism"), "SCRAM-SHA-256");
  EXPECT_EQ(Get(*properties, "sasl.username"), "weft");
  EXPECT_EQ(Get(*properties, "sasl.password"), "hunter2");
  EXPECT_EQ(Get(*properties, "ssl.ca.location"), "/ca.pem");
  EXPECT_EQ(Get(*properties, "linger.ms"), "7");
}

TEST_F(KafkaSettingsTest, APasswordMayComeFromTheEnvironment) {
  KafkaSettings settings = Sasl();
  settings.sasl_password = "${WEFT_TEST_KAFKA_PASSWORD}";
  unsetenv("WEFT_TEST_KAFKA_PASSWORD");
  const auto missing = MakeKafkaProperties(settings);
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().message,
            "kafka.sasl.password: the environment variable WEFT_TEST_KAFKA_PASSWORD is not set");

  setenv("WEFT_TEST_KAFKA_PASSWORD", "hunter2", 1);
  const auto properties = MakeKafkaProperties(settings);

  ASSERT_TRUE(properties) << properties.error().message;
  EXPECT_EQ(Get(*properties, "sasl.password"), "hunter2");
  unsetenv("WEFT_TEST_KAFKA_PASSWORD");
}

TEST_F(KafkaSettingsTest, APasswordFileThatCannotBeUsedIsNamed) {
  KafkaSettings settings = Sasl();
  const auto refused = [&](const std::string& path) {
    settings.sasl_password_file = path;
    const auto properties = MakeKafkaProperties(settings);
    return properties ? "accepted" : properties.error().message;
  };
  EXPECT_THAT(refused("/no/such/file"),
              AllOf(HasSubstr("kafka.sasl.password_file"), HasSubstr("/no/such/file")));
  EXPECT_THAT(refused(Write("empty", "\n")), HasSubstr("is empty"));
  EXPECT_THAT(refused(Write("long", std::string(5000, 'x'))),
              AllOf(HasSubstr("that is no password"), Not(HasSubstr("xxx"))));
}

TEST_F(KafkaSettingsTest, WhatTheLibraryDoesNotKnowIsNamed) {
  KafkaSettings settings;
  settings.brokers = {"a"};
  settings.librdkafka = {{"linger.msec", "7"}};
  const auto unknown = MakeKafkaProperties(settings);
  ASSERT_FALSE(unknown);
  EXPECT_THAT(unknown.error().message, HasSubstr("kafka.librdkafka.linger.msec: No such"));

  settings.librdkafka = {{"linger.ms", "soon"}};
  const auto invalid = MakeKafkaProperties(settings);
  ASSERT_FALSE(invalid);
  EXPECT_THAT(invalid.error().message, HasSubstr("kafka.librdkafka.linger.ms: Invalid value"));
}

TEST_F(KafkaSettingsTest, WhatIsPassedOnIsCheckedWithoutItsEnvironment) {
  KafkaSettings settings;
  settings.librdkafka = {{"client.rack", "${NOT_SET_HERE}"}, {"linger.ms", "7"}};
  EXPECT_TRUE(CheckKafkaPassedOn(settings));
  settings.librdkafka["linger.msec"] = "7";
  const auto unknown = CheckKafkaPassedOn(settings);
  ASSERT_FALSE(unknown);
  EXPECT_THAT(unknown.error().message, HasSubstr("kafka.librdkafka.linger.msec"));
}

TEST_F(KafkaSettingsTest, VariablesAreResolvedButThoseOfSecrets) {
  KafkaSettings settings = Sasl();
  settings.brokers = {"${WEFT_TEST_KAFKA_HOST}:9092"};
  settings.instance = "engine-${WEFT_TEST_KAFKA_HOST}";
  settings.sasl_password = "${WEFT_TEST_KAFKA_PASSWORD}";
  unsetenv("WEFT_TEST_KAFKA_HOST");
  const auto missing = ResolveKafkaSettings(settings);
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().message,
            "kafka.brokers: the environment variable WEFT_TEST_KAFKA_HOST is not set");

  setenv("WEFT_TEST_KAFKA_HOST", "k1", 1);
  const auto resolved = ResolveKafkaSettings(settings);

  ASSERT_TRUE(resolved) << resolved.error().message;
  EXPECT_EQ(resolved->brokers.front(), "k1:9092");
  EXPECT_EQ(resolved->instance, "engine-k1");
  EXPECT_EQ(resolved->sasl_password, "${WEFT_TEST_KAFKA_PASSWORD}");
  unsetenv("WEFT_TEST_KAFKA_HOST");
}

TEST_F(KafkaSettingsTest, TopicsBeginWithThePrefix) {
  KafkaSettings settings;
  EXPECT_EQ(KafkaTopic(settings, Stream::kEvents), "weft.events");
  settings.topic_prefix = "prod-weft-";
  EXPECT_EQ(KafkaTopic(settings, Stream::kDead), "prod-weft-dead");
}

}  // namespace
}  // namespace weft::transport
