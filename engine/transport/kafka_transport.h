// KafkaTransport: the streams as Kafka topics, one per stream, with equal numbers of partitions.
//
// Agents need only the Publisher side (and only weft.events is asked for then). Engines join a
// stage: a consumer group per stage, a transactional producer and a reader each. Topics must be
// there, with message.timestamp.type=LogAppendTime; `weft topics create` makes them. While brokers
// do not answer everything waits and counts, and log time stands still. Files: kafka_client (a
// librdkafka handle), kafka_publisher (sources), kafka_group (membership), kafka_committer
// (transactions), kafka_reader, kafka_watch (log time of readers), kafka_owner. Any thread.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <vector>

#include "engine/base/log.h"
#include "engine/base/metrics.h"
#include "engine/transport/kafka_options.h"
#include "engine/transport/transport.h"

namespace weft::transport {

struct KafkaContext;
struct KafkaStage;
class KafkaPublisher;
class KafkaWatch;
class ReadSignal;

class KafkaTransport final : public Transport {
 public:
  // Asks the brokers for weft.events, and waits some seconds for them, longer as options.patience
  // allows (kCancelled where that ends). References outlive the transport.
  static Result<std::unique_ptr<KafkaTransport>> Open(const KafkaOptions& options,
                                                      const Clock& clock, Metrics& metrics,
                                                      Logger& log);
  // Waits close_wait_ns for what sources published.
  ~KafkaTransport() override;

  uint32_t partitions() const override;
  int64_t LogTimeNs() const override;
  Result<void> Publish(OutRecord record, int64_t deadline_ns) override;
  void CloseSources() override;
  Result<std::unique_ptr<Membership>> Join(Stage stage) override;
  Result<std::unique_ptr<PartitionOwner>> Own(Stage stage, uint32_t partition) override;
  void WaitReadable(Stage stage, uint32_t partition, int64_t deadline_ns) override;

  // The newest committed record per key of weft.state, of all partitions: for tools, which own
  // nothing.
  Result<void> VisitState(const std::function<void(const Record&)>& visit);

 private:
  explicit KafkaTransport(std::unique_ptr<KafkaContext> context);
  Result<void> FindEvents();
  Result<void> CheckTopics(const std::vector<Stream>& streams);
  Result<void> CheckAppendTimes(const std::vector<Stream>& streams);
  std::shared_ptr<KafkaStage>& Slot(Stage stage) { return stages_[stage == Stage::kTrace]; }
  ReadSignal& Signal(Stage stage, uint32_t partition);

  std::unique_ptr<KafkaContext> context_;
  std::unique_ptr<KafkaWatch> watch_;
  std::vector<std::unique_ptr<ReadSignal>> signals_;  // by stage, then partition
  std::mutex mutex_;
  bool closed_ = false;
  std::unique_ptr<KafkaPublisher> publisher_;  // made by the first Publish
  std::shared_ptr<KafkaStage> stages_[2];      // shared with memberships and owners
};

}  // namespace weft::transport
