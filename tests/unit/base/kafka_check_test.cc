#include "engine/base/kafka_check.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace weft {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

std::string Mistakes(std::string_view yaml) {
  const auto config = ParseConfig(yaml, "weft.yaml");
  return config ? "no mistake" : config.error().message;
}

TEST(KafkaConfig, ReadsAWholeSection) {
  const auto config = ParseConfig(
      "transport: {kind: kafka}\n"
      "kafka:\n"
      "  brokers: ['a:9093', b]\n"
      "  security: sasl_ssl\n"
      "  tls: {ca: /ca.pem}\n"
      "  sasl: {mechanism: PLAIN, username: weft, password: '${SECRET}'}\n"
      "  librdkafka: {socket.keepalive.enable: true, linger.ms: 7}\n",
      "weft.yaml");
  ASSERT_TRUE(config.has_value()) << config.error().message;
  EXPECT_EQ(config->transport.kind, "kafka");
  EXPECT_EQ(config->kafka.brokers, (std::vector<std::string>{"a:9093", "b"}));
  EXPECT_EQ(config->kafka.sasl_password, "${SECRET}");
  EXPECT_EQ(config->kafka.librdkafka.at("socket.keepalive.enable"), "true");
  EXPECT_EQ(config->kafka.librdkafka.at("linger.ms"), "7");
}

TEST(KafkaConfig, WithoutBrokersItIsRefused) {
  EXPECT_THAT(Mistakes("transport: {kind: kafka}"), HasSubstr("kafka.brokers: none"));
  EXPECT_THAT(Mistakes("kafka: {brokers: ['a b']}"), HasSubstr("'a b' is not host:port"));
}

TEST(KafkaConfig, APasswordInTheFileIsRefusedWithoutShowingIt) {
  const std::string sasl = "kafka: {security: sasl_ssl, sasl: {username: u, ";
  EXPECT_THAT(Mistakes(sasl + "password: hunter2}}"),
              AllOf(HasSubstr("kafka.sasl.password: a secret does not belong"),
                    HasSubstr("kafka.sasl.password_file"), Not(HasSubstr("hunter2"))));
  EXPECT_THAT(Mistakes("kafka: {security: ssl, tls: {key_password: hunter2}}"),
              AllOf(HasSubstr("kafka.tls.key_password: a secret"), Not(HasSubstr("hunter2"))));
  EXPECT_THAT(Mistakes("kafka: {librdkafka: {sasl.oauthbearer.client.secret: hunter2}}"),
              AllOf(HasSubstr("sasl.oauthbearer.client.secret"), Not(HasSubstr("hunter2"))));
  EXPECT_THAT(Mistakes("kafka: {librdkafka: {sasl.oauthbearer.client.secret: [hunter2]}}"),
              AllOf(HasSubstr("sasl.oauthbearer.client.secret"), Not(HasSubstr("hunter2"))));
  EXPECT_THAT(Mistakes("kafka: {librdkafka: hunter2}"), Not(HasSubstr("hunter2")));
}

TEST(KafkaConfig, WhatWeftSetsItselfIsRefusedWithTheReason) {
  EXPECT_THAT(Mistakes("kafka: {librdkafka: {enable.auto.commit: true}}"),
              HasSubstr("'enable.auto.commit' is not for you to set: weft commits offsets itself"));
  EXPECT_THAT(Mistakes("kafka: {librdkafka: {transactional.id: mine}}"),
              HasSubstr("set kafka.instance"));
  EXPECT_THAT(Mistakes("kafka: {librdkafka: {sasl.password: hunter2}}"),
              AllOf(HasSubstr("set kafka.sasl.password_file"), Not(HasSubstr("hunter2"))));
}

TEST(KafkaConfig, SettingsWithoutEffectAreRefused) {
  EXPECT_THAT(Mistakes("kafka: {tls: {ca: /ca.pem}}"), HasSubstr("nothing would be encrypted"));
  EXPECT_THAT(Mistakes("kafka: {security: ssl, sasl: {username: u}}"),
              HasSubstr("nobody would ask for it"));
  EXPECT_THAT(Mistakes("kafka: {security: ssl, tls: {certificate: /c.pem}}"),
              HasSubstr("certificate and key go together"));
  EXPECT_THAT(Mistakes("kafka: {security: sasl_ssl}"), HasSubstr("needs username and password"));
  EXPECT_EQ(Mistakes("kafka: {security: sasl_ssl, sasl: {mechanism: OAUTHBEARER}}"), "no mistake");
}

TEST(KafkaConfig, OnlyAWholeVariableIsOne) {
  EXPECT_TRUE(IsVariable("${KAFKA_PASSWORD}"));
  for (const char* text : {"", "${}", "$NAME", "x${NAME}", "${NA ME}", "${A}${B}"})
    EXPECT_FALSE(IsVariable(text)) << text;
}

}  // namespace
}  // namespace weft
