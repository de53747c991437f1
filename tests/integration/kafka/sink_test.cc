// Where the exporter's messages land: librdkafka's mock cluster shows it without a broker.
#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include <gtest/gtest.h>
#include <librdkafka/rdkafka.h>

#include <librdkafka/rdkafka_mock.h>  // after rdkafka.h, it says

#include "sinks/kafka/kafka_sink.h"
#include "tests/support/trace_batch.h"

namespace weft::sinks {
namespace {

// As org.apache.kafka.common.utils.Utils has it, so that librdkafka is not its own judge.
int32_t JavaMurmur2(std::string_view key) {
  constexpr uint32_t kM = 0x5bd1e995;
  const auto byte = [&](size_t i) { return uint32_t{static_cast<uint8_t>(key[i])}; };
  uint32_t h = 0x9747b28c ^ static_cast<uint32_t>(key.size());
  size_t i = 0;
  for (; i + 4 <= key.size(); i += 4) {
    uint32_t k = byte(i) | byte(i + 1) << 8 | byte(i + 2) << 16 | byte(i + 3) << 24;
    k *= kM;
    k ^= k >> 24;
    h = (h * kM) ^ (k * kM);
  }
  const size_t rest = key.size() - i;
  if (rest >= 3) h ^= byte(i + 2) << 16;
  if (rest >= 2) h ^= byte(i + 1) << 8;
  if (rest >= 1) h = (h ^ byte(i)) * kM;
  h = (h ^ h >> 13) * kM;
  return static_cast<int32_t>(h ^ h >> 15);
}

// BuiltInPartitioner.partitionForKey
int32_t JavaPartition(std::string_view key, int32_t partitions) {
  return (JavaMurmur2(key) & 0x7fffffff) % partitions;
}

// From Kafka's own UtilsTest.
const std::map<std::string_view, int32_t> kHashes = {
    {"21", -973932308},
    {"foobar", -790332482},
    {"a-little-bit-long-string", -985981536},
    {"a-little-bit-longer-string", -1486304829},
    {"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971},
    {"abc", 479470107},
};

TEST(KafkaPartitioner, HashesAsJavaDoes) {
  for (const auto& [key, hash] : kHashes) EXPECT_EQ(JavaMurmur2(key), hash) << key;
}

class KafkaSinkTest : public testing::Test {
 protected:
  static constexpr int32_t kPartitions = 7;

  void SetUp() override {
    host_ = rd_kafka_new(RD_KAFKA_PRODUCER, rd_kafka_conf_new(), nullptr, 0);
    cluster_ = rd_kafka_mock_cluster_new(host_, 1);
    rd_kafka_mock_topic_create(cluster_, "otlp_spans", kPartitions, 1);
  }
  void TearDown() override {
    rd_kafka_mock_cluster_destroy(cluster_);
    rd_kafka_destroy(host_);
  }
  // The partition of each key in the topic.
  std::map<std::string, int32_t> Read(size_t messages) {
    rd_kafka_conf_t* const conf = rd_kafka_conf_new();
    rd_kafka_conf_set(conf, "bootstrap.servers", rd_kafka_mock_cluster_bootstraps(cluster_),
                      nullptr, 0);
    rd_kafka_conf_set(conf, "group.id", "reader", nullptr, 0);
    rd_kafka_t* const consumer = rd_kafka_new(RD_KAFKA_CONSUMER, conf, nullptr, 0);
    rd_kafka_poll_set_consumer(consumer);
    rd_kafka_topic_partition_list_t* const list = rd_kafka_topic_partition_list_new(kPartitions);
    for (int32_t p = 0; p < kPartitions; ++p)
      rd_kafka_topic_partition_list_add(list, "otlp_spans", p)->offset = RD_KAFKA_OFFSET_BEGINNING;
    rd_kafka_assign(consumer, list);
    rd_kafka_topic_partition_list_destroy(list);
    std::map<std::string, int32_t> out;
    for (int i = 0; i < 300 && out.size() < messages; ++i) {
      rd_kafka_message_t* const message = rd_kafka_consumer_poll(consumer, 100);
      if (message == nullptr) continue;
      if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR)
        out.emplace(std::string(static_cast<const char*>(message->key), message->key_len),
                    message->partition);
      rd_kafka_message_destroy(message);
    }
    rd_kafka_destroy(consumer);
    return out;
  }

  rd_kafka_t* host_ = nullptr;
  rd_kafka_mock_cluster_t* cluster_ = nullptr;
};

TEST_F(KafkaSinkTest, ATraceLandsWhereAJavaProducerPutsItsId) {
  KafkaSinkOptions options;
  options.properties = {{"bootstrap.servers", rd_kafka_mock_cluster_bootstraps(cluster_)}};
  auto sink = KafkaSink::Open(options);
  ASSERT_TRUE(sink) << sink.error().message;
  constexpr uint64_t kTraces = 50;
  test::TraceBatch batch;
  for (uint64_t t = 1; t <= kTraces; ++t) {
    batch.BeginTrace(0x4bf92f3577b34da6, t * 0x9e3779b97f4a7c15);
    batch.AddSpan(t, 0, WEFT_KIND_SERVER, "shop", "GET /", 1000, 2000);
  }
  std::string why;
  const auto view = batch.table.View();
  ASSERT_EQ((*sink)->Write(view.spans(), batch.Traces(), &why), WEFT_EXPORT_OK) << why;

  const auto keys = Read(kTraces);

  ASSERT_EQ(keys.size(), kTraces);
  for (const auto& [key, partition] : keys) {
    EXPECT_EQ(key.size(), 32u);
    EXPECT_EQ(partition, JavaPartition(key, kPartitions)) << key;
  }
}

}  // namespace
}  // namespace weft::sinks
