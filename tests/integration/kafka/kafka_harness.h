// KafkaTest: a test with a real broker, which the tests of a binary share; topics of its own each.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include <librdkafka/rdkafka.h>

#include "engine/base/clock.h"
#include "engine/base/metrics.h"
#include "engine/transport/kafka_transport.h"
#include "tests/support/kafka_broker.h"

namespace weft::transport {

inline constexpr int64_t kNever = INT64_MAX;

// A producer that is not the transport's: another member, or somebody else's program.
class ForeignProducer {
 public:
  // Transactional where there is an id.
  ForeignProducer(const std::string& bootstrap, const std::string& transactional_id,
                  int timeout_ms = 60'000);
  // Without ending a transaction: the brokers do, some time later.
  ~ForeignProducer();
  void Begin();
  // Returns when the brokers have it.
  void Produce(const std::string& topic, uint32_t partition, const std::string& text,
               const std::map<std::string, std::string>& headers);
  // An input offset, in the transaction; as if no member had a say in it.
  void SendOffset(const std::string& group, const std::string& topic, uint64_t offset,
                  const std::string& metadata);
  void Commit();

 private:
  rd_kafka_t* client_;
};

class KafkaTest : public testing::Test {
 protected:
  static void SetUpTestSuite();
  static void TearDownTestSuite() { broker_.reset(); }
  void SetUp() override;

  // Makes the test's topics; `config` of all of them wins over what they have here.
  void MakeTopics(uint32_t partitions, const std::map<std::string, std::string>& config = {});
  // Of this test's topics and group.
  KafkaOptions Options() const;
  std::unique_ptr<KafkaTransport> Open();
  std::unique_ptr<KafkaTransport> Open(const KafkaOptions& options);
  // Waits until the member has as many partitions; gives all that it gained on the way.
  static std::vector<uint32_t> Gain(Membership& member, size_t count);
  int64_t InNs(Transport& t, int64_t ns) const { return t.LogTimeNs() + ns; }
  uint64_t Count(const std::string& name) { return metrics_.Get(name).Get(); }
  // Asks again and again, for half a minute at most.
  bool Eventually(const std::function<bool()>& true_now) const;

  static OutRecord Out(Stream stream, std::string text, uint32_t partition = 0, uint64_t key = 0,
                       RecordType type = RecordType::kEventBatch) {
    return {stream, partition, type, key, CopyPayload(text)};
  }
  static void Publish(Transport& t, const std::string& text, uint32_t partition = 0);
  std::string Topic(Stream stream) const;
  // Headers of a record of ours.
  static std::map<std::string, std::string> Headers(const std::string& type = "LabelBatch",
                                                    const std::string& schema = "1");
  // Waits until the brokers have everything that was published.
  void Acknowledged();
  // Polls until the owner has been told that it has read everything appended before now.
  std::vector<Record> ReadAll(Transport& t, PartitionOwner& owner);
  static std::string Texts(const std::vector<Record>& records);
  static std::string Back(PartitionOwner& owner, Stream log);

  static void StartBrokers(int brokers, std::vector<std::string> properties = {});

  static std::unique_ptr<test::KafkaBroker> broker_;
  int replicas_ = 1;  // of the topics that are made
  SystemClock clock_;
  Metrics metrics_;
  std::unique_ptr<Logger> log_;
  std::string prefix_;
};

}  // namespace weft::transport
