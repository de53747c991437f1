// A permission that is taken away for a while: a real broker refuses what is published, several
// requests of it under way, and later takes it.
#include <atomic>
#include <set>
#include <thread>

#include <gtest/gtest.h>
#include <librdkafka/rdkafka.h>

#include "engine/base/metrics.h"
#include "engine/cli/topic_maker.h"
#include "engine/transport/kafka_admin.h"
#include "engine/transport/kafka_transport.h"
#include "tests/support/kafka_broker.h"
#include "tests/support/requirement.h"

namespace weft::transport {
namespace {

constexpr const char* kTopic = "weft.events";

// Changes who may write to weft.events; whoever comes by the listener without a password may.
class Permissions {
 public:
  explicit Permissions(const std::string& bootstrap) {
    rd_kafka_conf_t* conf = rd_kafka_conf_new();
    rd_kafka_conf_set(conf, "bootstrap.servers", bootstrap.c_str(), nullptr, 0);
    client_ = rd_kafka_new(RD_KAFKA_PRODUCER, conf, nullptr, 0);
    queue_ = rd_kafka_queue_new(client_);
  }
  ~Permissions() {
    rd_kafka_queue_destroy(queue_);
    rd_kafka_destroy(client_);
  }
  void Allow() { Create(RD_KAFKA_ACL_OPERATION_ALL, RD_KAFKA_ACL_PERMISSION_TYPE_ALLOW); }
  void ForbidWriting() { Create(RD_KAFKA_ACL_OPERATION_WRITE, RD_KAFKA_ACL_PERMISSION_TYPE_DENY); }
  void AllowWritingAgain() {
    rd_kafka_AclBindingFilter_t* filter = rd_kafka_AclBindingFilter_new(
        RD_KAFKA_RESOURCE_TOPIC, kTopic, RD_KAFKA_RESOURCE_PATTERN_LITERAL, "User:weft", "*",
        RD_KAFKA_ACL_OPERATION_WRITE, RD_KAFKA_ACL_PERMISSION_TYPE_DENY, nullptr, 0);
    rd_kafka_DeleteAcls(client_, &filter, 1, nullptr, queue_);
    Wait();
    rd_kafka_AclBinding_destroy(filter);
  }

 private:
  void Create(rd_kafka_AclOperation_t operation, rd_kafka_AclPermissionType_t type) {
    rd_kafka_AclBinding_t* one =
        rd_kafka_AclBinding_new(RD_KAFKA_RESOURCE_TOPIC, kTopic, RD_KAFKA_RESOURCE_PATTERN_LITERAL,
                                "User:weft", "*", operation, type, nullptr, 0);
    rd_kafka_CreateAcls(client_, &one, 1, nullptr, queue_);
    Wait();
    rd_kafka_AclBinding_destroy(one);
  }
  void Wait() {
    rd_kafka_event_t* done = rd_kafka_queue_poll(queue_, 20'000);
    ASSERT_NE(done, nullptr);
    EXPECT_EQ(rd_kafka_event_error(done), RD_KAFKA_RESP_ERR_NO_ERROR);
    rd_kafka_event_destroy(done);
  }
  rd_kafka_t* client_;
  rd_kafka_queue_t* queue_;
};

// The topic's records in the order in which each is there first.
std::vector<uint64_t> Logged(const std::string& bootstrap, size_t count) {
  rd_kafka_conf_t* conf = rd_kafka_conf_new();
  rd_kafka_conf_set(conf, "bootstrap.servers", bootstrap.c_str(), nullptr, 0);
  rd_kafka_conf_set(conf, "group.id", "reader", nullptr, 0);
  rd_kafka_t* reader = rd_kafka_new(RD_KAFKA_CONSUMER, conf, nullptr, 0);
  rd_kafka_topic_partition_list_t* all = rd_kafka_topic_partition_list_new(1);
  rd_kafka_topic_partition_list_add(all, kTopic, 0)->offset = RD_KAFKA_OFFSET_BEGINNING;
  rd_kafka_assign(reader, all);
  rd_kafka_topic_partition_list_destroy(all);
  std::vector<uint64_t> order;
  std::set<uint64_t> seen;
  for (int empty = 0; order.size() < count && empty < 200;) {
    rd_kafka_message_t* message = rd_kafka_consumer_poll(reader, 100);
    empty += message == nullptr;
    if (message == nullptr) continue;
    if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR) {
      const uint64_t n =
          std::stoul(std::string(static_cast<char*>(message->payload), message->len));
      if (seen.insert(n).second) order.push_back(n);
    }
    rd_kafka_message_destroy(message);
  }
  rd_kafka_destroy(reader);
  return order;
}

TEST(KafkaPermissions, WhatWasRefusedForAWhileIsThereBeforeAnythingNewer) {
  WEFT_START_KAFKA(
      broker, {.properties = {"authorizer.class.name=org.apache.kafka.metadata.authorizer."
                              "StandardAuthorizer",
                              "super.users=User:ANONYMOUS", "allow.everyone.if.no.acl.found=true",
                              "sasl.enabled.mechanisms=PLAIN",
                              "listener.name.client.plain.sasl.jaas.config=org.apache.kafka.common."
                              "security.plain.PlainLoginModule required user_weft=\"word\";"},
               .security = "SASL_PLAINTEXT"});
  const SystemClock clock;
  Config config;
  config.kafka.brokers = {broker.plain_bootstrap()};
  const auto properties = MakeKafkaProperties(config.kafka);
  ASSERT_TRUE(properties) << properties.error().message;
  const auto admin = KafkaAdmin::Connect(*properties);
  ASSERT_TRUE(admin) << admin.error().message;
  const auto made = cli::MakeTopics(config, **admin, {.partitions = 1}, clock);
  ASSERT_TRUE(made) << made.error().message;
  Permissions permissions(broker.plain_bootstrap());
  permissions.Allow();

  setenv("WEFT_TEST_PASSWORD", "word", 1);
  KafkaOptions options;
  options.settings.brokers = {broker.bootstrap()};
  options.settings.security = "sasl_plaintext";
  options.settings.sasl_mechanism = "PLAIN";
  options.settings.sasl_username = "weft";
  options.settings.sasl_password = "${WEFT_TEST_PASSWORD}";
  options.settings.librdkafka["linger.ms"] = "0";  // many small requests
  Metrics metrics;
  const auto log = NullLogger();
  auto agent = KafkaTransport::Open(options, clock, metrics, *log);
  ASSERT_TRUE(agent) << agent.error().message;
  std::atomic<uint64_t> published = 0;
  const auto more = [&] {
    const uint64_t end = published + 200;
    for (int i = 0; i < 6000 && published < end; ++i)
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    ASSERT_GE(published, end) << "publishing stands still";
  };
  const auto replaced = [&] { return metrics.Get("kafka.publishers_replaced").Get(); };
  {
    std::jthread source([&](const std::stop_token& stop) {
      for (; !stop.stop_requested(); ++published) {
        const auto done =
            (*agent)->Publish({.payload = api::CopyPayload(std::to_string(published))}, INT64_MAX);
        ASSERT_TRUE(done) << done.error().message;
        if (published % 16 == 15) std::this_thread::sleep_for(std::chrono::milliseconds(2));
      }
    });
    for (int round = 0; round < 4; ++round) {
      more();
      const uint64_t before = replaced();
      permissions.ForbidWriting();
      for (int i = 0; i < 2000 && replaced() == before; ++i)
        std::this_thread::sleep_for(std::chrono::milliseconds(5));
      EXPECT_GT(replaced(), before) << "the broker goes on taking records";
      permissions.AllowWritingAgain();
      more();
    }
  }
  for (int i = 0; i < 6000 && metrics.Get("kafka.publish_in_flight_bytes").Get() > 0; ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  const auto order = Logged(broker.plain_bootstrap(), published);
  ASSERT_EQ(order.size(), published) << "lost";
  for (size_t i = 0; i < order.size(); ++i)
    ASSERT_EQ(order[i], i) << "there for the first time before an older one";
}

}  // namespace
}  // namespace weft::transport
