#include "tests/integration/kafka/kafka_harness.h"

#include <atomic>
#include <cstring>
#include <thread>

#include "tests/support/requirement.h"

namespace weft::transport {
namespace {

std::string g_missing;  // why there is no broker

}  // namespace

ForeignProducer::ForeignProducer(const std::string& bootstrap, const std::string& transactional_id,
                                 int timeout_ms) {
  char error[512];
  rd_kafka_conf_t* conf = rd_kafka_conf_new();
  rd_kafka_conf_set(conf, "bootstrap.servers", bootstrap.c_str(), error, sizeof(error));
  if (!transactional_id.empty()) {
    rd_kafka_conf_set(conf, "transactional.id", transactional_id.c_str(), error, sizeof(error));
    rd_kafka_conf_set(conf, "transaction.timeout.ms", std::to_string(timeout_ms).c_str(), error,
                      sizeof(error));
  }
  client_ = rd_kafka_new(RD_KAFKA_PRODUCER, conf, error, sizeof(error));
  if (transactional_id.empty()) return;
  EXPECT_EQ(rd_kafka_init_transactions(client_, 20'000), nullptr);
}

ForeignProducer::~ForeignProducer() { rd_kafka_destroy(client_); }

void ForeignProducer::Begin() { EXPECT_EQ(rd_kafka_begin_transaction(client_), nullptr); }

void ForeignProducer::Produce(const std::string& topic, uint32_t partition, const std::string& text,
                              const std::map<std::string, std::string>& headers) {
  rd_kafka_headers_t* list = rd_kafka_headers_new(headers.size());
  for (const auto& [name, value] : headers)
    rd_kafka_header_add(list, name.data(), static_cast<ssize_t>(name.size()), value.data(),
                        static_cast<ssize_t>(value.size()));
  EXPECT_EQ(rd_kafka_producev(client_, RD_KAFKA_V_TOPIC(topic.c_str()),
                              RD_KAFKA_V_PARTITION(static_cast<int32_t>(partition)),
                              RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
                              RD_KAFKA_V_VALUE(const_cast<char*>(text.data()), text.size()),
                              RD_KAFKA_V_HEADERS(list), RD_KAFKA_V_END),
            RD_KAFKA_RESP_ERR_NO_ERROR);
  EXPECT_EQ(rd_kafka_flush(client_, 20'000), RD_KAFKA_RESP_ERR_NO_ERROR);
}

void ForeignProducer::SendOffset(const std::string& group, const std::string& topic,
                                 uint64_t offset, const std::string& metadata) {
  rd_kafka_topic_partition_list_t* list = rd_kafka_topic_partition_list_new(1);
  auto* one = rd_kafka_topic_partition_list_add(list, topic.c_str(), 0);
  one->offset = static_cast<int64_t>(offset);
  one->metadata = strdup(metadata.c_str());  // freed with the list
  one->metadata_size = metadata.size();
  rd_kafka_consumer_group_metadata_t* nobody = rd_kafka_consumer_group_metadata_new(group.c_str());
  rd_kafka_error_t* error = rd_kafka_send_offsets_to_transaction(client_, list, nobody, 20'000);
  EXPECT_EQ(error, nullptr) << rd_kafka_error_string(error);
  rd_kafka_consumer_group_metadata_destroy(nobody);
  rd_kafka_topic_partition_list_destroy(list);
}

void ForeignProducer::Commit() { EXPECT_EQ(rd_kafka_commit_transaction(client_, 20'000), nullptr); }

std::unique_ptr<test::KafkaBroker> KafkaTest::broker_;

std::string KafkaTest::Topic(Stream stream) const {
  return prefix_ + std::string(StreamName(stream).substr(sizeof("weft.") - 1));
}

std::map<std::string, std::string> KafkaTest::Headers(const std::string& type,
                                                      const std::string& schema) {
  return {{"weft-schema", schema}, {"content-type", "application/x-capnp; type=" + type}};
}

void KafkaTest::SetUpTestSuite() { StartBrokers(1); }

void KafkaTest::StartBrokers(int brokers, std::vector<std::string> properties) {
  // Transactions of the dead end soon.
  properties.emplace_back("transaction.abort.timed.out.transaction.cleanup.interval.ms=200");
  auto started =
      test::KafkaBroker::Start({.brokers = brokers, .properties = std::move(properties)});
  if (started)
    broker_ = std::move(*started);
  else if (started.error().code == Code::kUnsupported)
    g_missing = started.error().message;
  else
    FAIL() << started.error().message;
}

void KafkaTest::SetUp() {
  if (!broker_) WEFT_SKIP_OR_FAIL("kafka", g_missing);
  static std::atomic<int> number = 0;
  prefix_ = "t" + std::to_string(number++) + ".";
  const bool verbose = std::getenv("WEFT_VERBOSE") != nullptr;
  log_ = StderrLogger(verbose ? LogLevel::kDebug : LogLevel::kError);
}

void KafkaTest::MakeTopics(uint32_t partitions, const std::map<std::string, std::string>& config) {
  char error[512];
  rd_kafka_conf_t* conf = rd_kafka_conf_new();
  rd_kafka_conf_set(conf, "bootstrap.servers", broker_->bootstrap().c_str(), error, sizeof(error));
  rd_kafka_t* client = rd_kafka_new(RD_KAFKA_PRODUCER, conf, error, sizeof(error));
  rd_kafka_NewTopic_t* topics[kStreams];
  for (int i = 0; i < kStreams; ++i) {
    const std::string name = Topic(static_cast<Stream>(i));
    topics[i] = rd_kafka_NewTopic_new(name.c_str(), static_cast<int>(partitions), replicas_, error,
                                      sizeof(error));
    std::map<std::string, std::string> all = {{"message.timestamp.type", "LogAppendTime"}};
    if (static_cast<Stream>(i) == Stream::kState) all["cleanup.policy"] = "compact";
    for (const auto& [key, value] : config) all[key] = value;
    for (const auto& [key, value] : all)
      rd_kafka_NewTopic_set_config(topics[i], key.c_str(), value.c_str());
  }
  rd_kafka_queue_t* queue = rd_kafka_queue_new(client);
  rd_kafka_CreateTopics(client, topics, kStreams, nullptr, queue);
  rd_kafka_event_t* event = rd_kafka_queue_poll(queue, 20'000);
  ASSERT_NE(event, nullptr);
  EXPECT_EQ(rd_kafka_event_error(event), RD_KAFKA_RESP_ERR_NO_ERROR);
  size_t count = 0;
  const auto* results =
      rd_kafka_CreateTopics_result_topics(rd_kafka_event_CreateTopics_result(event), &count);
  for (size_t i = 0; i < count; ++i)
    EXPECT_EQ(rd_kafka_topic_result_error(results[i]), RD_KAFKA_RESP_ERR_NO_ERROR);
  rd_kafka_event_destroy(event);
  rd_kafka_queue_destroy(queue);
  rd_kafka_NewTopic_destroy_array(topics, kStreams);
  rd_kafka_destroy(client);
}

bool KafkaTest::Eventually(const std::function<bool()>& true_now) const {
  const int64_t deadline_ns = clock_.MonotonicNs() + 30 * kSecond;
  while (!true_now()) {
    if (clock_.MonotonicNs() >= deadline_ns) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  return true;
}

KafkaOptions KafkaTest::Options() const {
  KafkaOptions options;
  options.settings.brokers = {broker_->bootstrap()};
  options.settings.group = prefix_ + "group";
  options.settings.topic_prefix = prefix_;
  return options;
}

std::unique_ptr<KafkaTransport> KafkaTest::Open() { return Open(Options()); }

std::unique_ptr<KafkaTransport> KafkaTest::Open(const KafkaOptions& options) {
  auto transport = KafkaTransport::Open(options, clock_, metrics_, *log_);
  if (!transport) {
    ADD_FAILURE() << transport.error().message;
    return nullptr;
  }
  return std::move(*transport);
}

std::vector<uint32_t> KafkaTest::Gain(Membership& member, size_t count) {
  std::vector<uint32_t> gained;
  for (int i = 0; i < 300 && gained.size() < count; ++i) {
    auto change = member.Wait(0);
    EXPECT_TRUE(change) << change.error().message;
    if (!change) break;
    gained.insert(gained.end(), change->gained.begin(), change->gained.end());
    if (gained.size() < count) std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
  EXPECT_EQ(gained.size(), count);
  return gained;
}

void KafkaTest::Publish(Transport& t, const std::string& text, uint32_t partition) {
  const auto result = t.Publish(Out(Stream::kEvents, text, partition), kNever);
  ASSERT_TRUE(result) << result.error().message;
}

void KafkaTest::Acknowledged() {
  for (int i = 0; i < 3000 && Count("kafka.publish_in_flight_bytes") > 0; ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  EXPECT_EQ(Count("kafka.publish_in_flight_bytes"), 0u);
}

std::vector<Record> KafkaTest::ReadAll(Transport& t, PartitionOwner& owner) {
  std::vector<Record> all;
  Acknowledged();
  const int64_t now = t.LogTimeNs();
  for (int64_t read = INT64_MIN; read < now && t.LogTimeNs() < now + 30 * kSecond;) {
    auto polled = owner.Poll(1 << 20, &all);
    EXPECT_TRUE(polled) << polled.error().message;
    if (!polled) break;
    if (auto time = owner.CaughtUp()) read = *time;
    t.WaitReadable(owner.stage(), owner.partition(), t.LogTimeNs() + 20 * kMillisecond);
  }
  return all;
}

std::string KafkaTest::Texts(const std::vector<Record>& records) {
  std::string all;
  for (const Record& r : records) all += std::string(r.payload->bytes()) + " ";
  return all;
}

std::string KafkaTest::Back(PartitionOwner& owner, Stream log) {
  std::vector<Record> records;
  auto read = owner.ReadBack(log, [&](const Record& r) { records.push_back(r); });
  EXPECT_TRUE(read) << read.error().message;
  return Texts(records);
}

}  // namespace weft::transport
