#include "engine/transport/kafka_range.h"

#include <algorithm>
#include <array>
#include <utility>
#include <variant>

#include <fmt/format.h>

namespace weft::transport {
namespace {

constexpr size_t kBatch = 64;
constexpr int64_t kAskNs = 15 * kSecond;
constexpr int64_t kTopicNs = 5 * kSecond;
constexpr int64_t kPatience = 30 * kSecond;  // without any progress
constexpr int64_t kSlice = 20 * kMillisecond;

}  // namespace

Result<std::unique_ptr<KafkaRange>> KafkaRange::Open(const KafkaProperties& properties,
                                                     const std::string& topic,
                                                     const RangeBounds& bounds, const Clock& clock,
                                                     Metrics& metrics, Logger& log) {
  std::unique_ptr<KafkaRange> range(new KafkaRange(properties, topic, clock, metrics, log));
  WEFT_TRY(range->OpenClient(properties));
  const auto partitions = range->CountPartitions();
  if (!partitions) return std::unexpected(partitions.error());
  WEFT_TRY(range->FindBounds(bounds, *partitions));
  for (uint32_t p = 0; p < *partitions; ++p) WEFT_TRY(range->Start(p));
  range->progress_ns_ = clock.MonotonicNs();
  return range;
}

KafkaRange::~KafkaRange() {
  for (uint32_t p = 0; p < partitions(); ++p) Stop(p);
}

Result<void> KafkaRange::OpenClient(const KafkaProperties& properties) {
  auto client = KafkaClient::Open("range reader", RD_KAFKA_CONSUMER,
                                  {{"fetch.wait.max.ms", "100"}, {"fetch.error.backoff.ms", "100"}},
                                  properties,
                                  {{"isolation.level", "read_committed"},
                                   {"enable.auto.commit", "false"},
                                   {"enable.partition.eof", "true"},
                                   {"auto.offset.reset", "error"},
                                   {"queued.min.messages", "1000"},
                                   {"queued.max.messages.kbytes", "4096"}},
                                  {}, log_);
  if (!client) return std::unexpected(std::move(client.error()));
  client_ = std::move(*client);
  topic_ = client_->Topic(topic_name_);
  return {};
}

Result<uint32_t> KafkaRange::CountPartitions() {
  uint32_t count = 0;
  const auto err = AskBrokers(clock_, kTopicNs, [&](int timeout_ms) {
    const rd_kafka_metadata_t* metadata = nullptr;
    auto asked = rd_kafka_metadata(client_->get(), 0, topic_, &metadata, timeout_ms);
    if (asked != RD_KAFKA_RESP_ERR_NO_ERROR) return asked;
    if (metadata->topic_cnt == 1) {
      asked = metadata->topics[0].err;
      count = static_cast<uint32_t>(metadata->topics[0].partition_cnt);
    }
    rd_kafka_metadata_destroy(metadata);
    const bool none = asked == RD_KAFKA_RESP_ERR_NO_ERROR && count == 0;
    return none ? RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART : asked;
  });
  if (err == RD_KAFKA_RESP_ERR_NO_ERROR) return count;
  return std::unexpected(KafkaFailure("topic " + topic_name_, err));
}

Result<std::vector<int64_t>> KafkaRange::OffsetsAt(int64_t append_ns, uint32_t partitions) {
  const PartitionList list(rd_kafka_topic_partition_list_new(static_cast<int>(partitions)));
  for (uint32_t p = 0; p < partitions; ++p)
    rd_kafka_topic_partition_list_add(list.get(), topic_name_.c_str(), static_cast<int32_t>(p));
  const auto err = AskBrokers(clock_, kAskNs, [&](int timeout_ms) {
    for (int i = 0; i < list->cnt; ++i)
      list->elems[i].offset = std::max<int64_t>((append_ns + kMillisecond - 1) / kMillisecond, 0);
    auto asked = rd_kafka_offsets_for_times(client_->get(), list.get(), timeout_ms);
    for (int i = 0; i < list->cnt && asked == RD_KAFKA_RESP_ERR_NO_ERROR; ++i)
      asked = list->elems[i].err;
    return asked;
  });
  if (err != RD_KAFKA_RESP_ERR_NO_ERROR)
    return std::unexpected(KafkaFailure(topic_name_ + ": offsets by time", err));
  std::vector<int64_t> offsets(partitions, -1);
  for (int i = 0; i < list->cnt; ++i)
    offsets[static_cast<size_t>(list->elems[i].partition)] =
        std::max<int64_t>(list->elems[i].offset, -1);
  return offsets;
}

Result<void> KafkaRange::FindBounds(const RangeBounds& bounds, uint32_t partitions) {
  sources_.resize(partitions);
  const bool from_time = !bounds.offsets && bounds.from != INT64_MIN;
  const bool to_time = !bounds.offsets && bounds.to != INT64_MAX;
  std::vector<int64_t> from(partitions, bounds.offsets ? std::max<int64_t>(bounds.from, 0) : 0);
  std::vector<int64_t> to(partitions, bounds.offsets ? bounds.to : INT64_MAX);
  for (const auto& [wanted, time, out] :
       {std::tuple{from_time, bounds.from, &from}, std::tuple{to_time, bounds.to, &to}}) {
    if (!wanted) continue;
    auto found = OffsetsAt(time, partitions);
    if (!found) return std::unexpected(std::move(found.error()));
    for (uint32_t p = 0; p < partitions; ++p) (*out)[p] = (*found)[p] < 0 ? INT64_MAX : (*found)[p];
  }
  for (uint32_t p = 0; p < partitions; ++p) {
    const auto now = AskWatermarks(p);
    if (!now) return std::unexpected(now.error());
    const auto [low, high] = *now;
    const int64_t end = std::min(to[p], high);
    if (bounds.offsets && from[p] < std::min(low, end))
      gone_ += static_cast<uint64_t>(std::min(low, end) - from[p]);
    sources_[p].position = static_cast<uint64_t>(std::clamp(from[p], low, std::max(low, high)));
    sources_[p].end = static_cast<uint64_t>(std::max<int64_t>(end, 0));
  }
  return {};
}

Result<KafkaRange::Watermarks> KafkaRange::AskWatermarks(uint32_t partition) {
  Watermarks now;
  const auto err = AskBrokers(clock_, kAskNs, [&](int timeout_ms) {
    return rd_kafka_query_watermark_offsets(client_->get(), topic_name_.c_str(),
                                            static_cast<int32_t>(partition), &now.low, &now.high,
                                            timeout_ms);
  });
  if (err == RD_KAFKA_RESP_ERR_NO_ERROR) return now;
  return std::unexpected(
      KafkaFailure(fmt::format("{} [{}]: offsets", topic_name_, partition), err));
}

// Replicas that lag, and leaders of late, say too early that this is all; a leader that is asked
// for its end knows, or says that it does not know yet (KIP-207).
Result<void> KafkaRange::EndAt(uint64_t offset, uint32_t partition) {
  Source& source = sources_[partition];
  source.position = std::max(source.position, std::min(offset, source.end));
  if (source.position == source.end) return {};
  const auto now = AskWatermarks(partition);
  if (!now) return std::unexpected(now.error());
  const uint64_t end =
      std::max(source.position, static_cast<uint64_t>(std::max<int64_t>(now->high, 0)));
  if (end >= source.end) return {};
  gone_ += source.end - end;
  log_.Write(LogLevel::kWarn, "gone",
             fmt::format("kafka {} [{}]: the log ends at offset {} and did at {}: {} are gone",
                         topic_name_, partition, end, source.end, source.end - end));
  source.end = end;
  return {};
}

Result<void> KafkaRange::Start(uint32_t partition) {
  Source& source = sources_[partition];
  if (source.position >= source.end) return {};
  source.queue.reset(rd_kafka_queue_new(client_->get()));
  rd_kafka_queue_cb_event_enable(
      source.queue.get(),
      [](rd_kafka_t*, void* signal) { static_cast<ReadSignal*>(signal)->Notify(); }, &readable_);
  if (rd_kafka_consume_start_queue(topic_, static_cast<int32_t>(partition),
                                   static_cast<int64_t>(source.position), source.queue.get()) != 0)
    return std::unexpected(
        KafkaFailure(fmt::format("{} [{}]: read", topic_name_, partition), rd_kafka_last_error()));
  source.reading = true;
  return {};
}

void KafkaRange::Stop(uint32_t partition) {
  Source& source = sources_[partition];
  if (!std::exchange(source.reading, false)) return;
  rd_kafka_consume_stop(topic_, static_cast<int32_t>(partition));
  rd_kafka_queue_cb_event_enable(source.queue.get(), nullptr, nullptr);
}

Result<void> KafkaRange::Fill(uint32_t partition) {
  Source& source = sources_[partition];
  std::array<rd_kafka_message_t*, kBatch> messages;
  const ssize_t got =
      rd_kafka_consume_batch_queue(source.queue.get(), 0, messages.data(), messages.size());
  Result<void> result;
  for (ssize_t i = 0; i < got; ++i) {
    rd_kafka_message_t* message = messages[static_cast<size_t>(i)];
    if (result) result = Take(*message, source);
    rd_kafka_message_destroy(message);
  }
  if (got > 0) progress_ns_ = clock_.MonotonicNs();
  if (source.position >= source.end) Stop(partition);
  return result;
}

Result<void> KafkaRange::Take(const rd_kafka_message_t& message, Source& source) {
  const auto offset = static_cast<uint64_t>(message.offset);
  if (message.err == RD_KAFKA_RESP_ERR__PARTITION_EOF)
    return EndAt(offset, static_cast<uint32_t>(message.partition));
  if (message.err != RD_KAFKA_RESP_ERR_NO_ERROR) {
    const std::string name = fmt::format("{} [{}]", topic_name_, message.partition);
    const char* text = rd_kafka_message_errstr(&message);
    if (message.err == RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET ||
        message.err == RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE)
      return Fail(Code::kIo, fmt::format("{}: offset {} went from the log while it was read: {}",
                                         name, source.position, text));
    // librdkafka tries again by itself.
    log_.Write(LogLevel::kWarn, "read " + name, KafkaFailure(name, message.err, text).message);
    return {};
  }
  source.position = offset + 1;
  if (offset >= source.end) return {};
  const int64_t ms = std::max<int64_t>(rd_kafka_message_timestamp(&message, nullptr), 0);
  source.last_append_ns =
      std::max(source.last_append_ns, std::min(ms, INT64_MAX / kMillisecond) * kMillisecond);
  Message out{static_cast<uint32_t>(message.partition), offset, source.last_append_ns, {}, {}, {}};
  auto read = FromMessage(Stream::kSpans, message);
  if (auto* record = std::get_if<Record>(&read)) {
    if (record->type == kTakeOver) return {};
    out.type = record->type;
    out.bytes = std::move(record->payload);
  } else {
    out.why = std::move(std::get<Unreadable>(read).reason);
    out.bytes = std::move(std::get<Unreadable>(read).bytes);
  }
  source.ahead.push_back(std::move(out));
  return {};
}

Result<std::optional<KafkaRange::Message>> KafkaRange::Next() {
  progress_ns_ = clock_.MonotonicNs();  // however long the caller took
  while (true) {
    Source* first = nullptr;
    bool waits = false;
    for (uint32_t p = 0; p < partitions(); ++p) {
      Source& source = sources_[p];
      if (source.ahead.empty() && source.reading) WEFT_TRY(Fill(p));
      waits |= source.ahead.empty() && source.reading;
      if (source.ahead.empty()) continue;
      if (first == nullptr || source.ahead.front().append_ns < first->ahead.front().append_ns)
        first = &source;
    }
    if (!waits && first == nullptr) return std::nullopt;
    if (!waits) {
      std::optional<Message> out = std::move(first->ahead.front());
      first->ahead.pop_front();
      return out;
    }
    if (clock_.MonotonicNs() - progress_ns_ > kPatience)
      return Fail(Code::kIo, fmt::format("{}: no broker has sent anything more for {} s",
                                         topic_name_, kPatience / kSecond));
    readable_.WaitFor(kSlice);
  }
}

}  // namespace weft::transport
