#include "engine/transport/kafka_publisher.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include <fmt/format.h>

#include "engine/transport/kafka_topics.h"

namespace weft::transport {
namespace {

constexpr size_t kHeartbeatBytes = 16 << 10;
constexpr int kPollMs = 50;

}  // namespace

// What librdkafka points into until the delivery report.
struct KafkaPublisher::Sent {
  OutRecord record;
};

Result<std::unique_ptr<KafkaPublisher>> KafkaPublisher::Open(KafkaContext& context) {
  std::unique_ptr<KafkaPublisher> publisher(new KafkaPublisher(context));
  auto client = KafkaClient::Open(
      "publisher", RD_KAFKA_PRODUCER,
      {{"compression.codec", "zstd"},
       {"compression.level", "1"},
       {"linger.ms", "20"},
       {"batch.size", "1000000"},
       {"message.max.bytes", std::to_string(kKafkaMessageBytes)},
       {"message.timeout.ms", "0"}},  // as long as it takes: the bound is in bytes
      context.properties,
      // The bound is ours; librdkafka's must not come first.
      {{"enable.idempotence", "true"},
       {"acks", "all"},
       {"queue.buffering.max.kbytes", "2000000"},
       {"queue.buffering.max.messages", "10000000"}},
      {.delivered = [p = publisher.get()](const rd_kafka_message_t& m) { p->Delivered(m); },
       .rebalance = {}},
      context.log);
  if (!client) return std::unexpected(std::move(client.error()));
  publisher->client_ = std::move(*client);
  publisher->thread_ = std::thread([p = publisher.get()] {
    while (true) {
      rd_kafka_poll(p->client_->get(), kPollMs);
      const std::lock_guard lock(p->mutex_);
      if (p->stopping_) return;
    }
  });
  return publisher;
}

KafkaPublisher::KafkaPublisher(KafkaContext& context)
    : context_(context),
      records_(context.metrics.Get("kafka.published")),
      full_(context.metrics.Get("transport.publish_full")),
      in_flight_gauge_(context.metrics.Get("kafka.publish_in_flight_bytes")) {
  for (uint32_t p = 0; p < context.partitions; ++p)
    failed_.push_back(&context.metrics.Get(fmt::format("kafka.publish_lost{{partition={}}}", p)));
}

KafkaPublisher::~KafkaPublisher() {
  if (thread_.joinable()) Close(context_.options.close_wait_ns);
}

bool KafkaPublisher::Fits(size_t bytes) const {
  const size_t max = context_.options.publish_bytes;
  // Heartbeats get an eighth more: they are what tells the watermarks.
  return in_flight_ == 0 || in_flight_ + bytes <= (bytes <= kHeartbeatBytes ? max + max / 8 : max);
}

Result<void> KafkaPublisher::Publish(OutRecord record, int64_t deadline_ns) {
  if (record.stream != Stream::kEvents || record.partition >= context_.partitions ||
      record.payload == nullptr)
    return Fail(Code::kInvalid, "publish: not a record for a partition of weft.events");
  const size_t bytes = record.payload->bytes().size();
  // The brokers' time may be corrected meanwhile; how long to wait may not.
  const int64_t wait_ns = context_.WaitNs(deadline_ns);
  {
    std::unique_lock lock(mutex_);
    const bool fits = room_.wait_for(lock, std::chrono::nanoseconds(wait_ns),
                                     [&] { return refusing_ || Fits(bytes); });
    if (refusing_) return Fail(Code::kCancelled, "publish: the transport is closed to sources");
    if (!fits) {
      full_.Add();
      return Fail(Code::kFull, fmt::format("publish: {} bytes wait for the brokers", in_flight_));
    }
    in_flight_ += bytes;
    in_flight_gauge_.Set(in_flight_);
  }
  auto sent = std::make_unique<Sent>(std::move(record));
  const uint32_t partition = sent->record.partition;
  const auto err = Produce(client_->get(), client_->Topic(context_.Topic(Stream::kEvents)),
                           sent->record, sent.get());
  if (err == RD_KAFKA_RESP_ERR_NO_ERROR) {
    sent.release();  // NOLINT: Delivered deletes it
    records_.Add();
    return {};
  }
  const std::lock_guard lock(mutex_);
  in_flight_ -= bytes;
  room_.notify_all();
  return std::unexpected(KafkaFailure("publish " + context_.Name(Stream::kEvents, partition), err));
}

void KafkaPublisher::Delivered(const rd_kafka_message_t& message) {
  const std::unique_ptr<Sent> sent(static_cast<Sent*>(message._private));
  if (message.err != RD_KAFKA_RESP_ERR_NO_ERROR) {
    failed_[sent->record.partition]->Add();
    context_.log.Write(
        LogLevel::kError, "publish",
        "lost: " + KafkaFailure(context_.Name(Stream::kEvents, sent->record.partition), message.err)
                       .message);
  } else if (const auto append_ns = AppendTimeNs(message)) {
    context_.broker_clock.Note(*append_ns);
  } else {
    context_.log.Write(LogLevel::kError, "append time",
                       context_.Topic(Stream::kEvents) +
                           ": message.timestamp.type is not LogAppendTime, no engine will read it; "
                           "see `weft topics check`");
  }
  sent->record.Settle(message.err == RD_KAFKA_RESP_ERR_NO_ERROR);
  const std::lock_guard lock(mutex_);
  in_flight_ -= sent->record.payload->bytes().size();
  in_flight_gauge_.Set(in_flight_);
  room_.notify_all();
}

bool KafkaPublisher::Broken() const {
  char why[256];
  return rd_kafka_fatal_error(client_->get(), why, sizeof(why)) != RD_KAFKA_RESP_ERR_NO_ERROR;
}

void KafkaPublisher::Refuse() {
  const std::lock_guard lock(mutex_);
  refusing_ = true;
  room_.notify_all();
}

void KafkaPublisher::Close(int64_t wait_ns) {
  Refuse();
  rd_kafka_flush(client_->get(), static_cast<int>(wait_ns / kMillisecond));
  // What is left is reported as not delivered, and so counted.
  rd_kafka_purge(client_->get(), RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
  rd_kafka_flush(client_->get(), 1000);
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  thread_.join();
}

}  // namespace weft::transport
