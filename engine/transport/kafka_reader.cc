#include "engine/transport/kafka_reader.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <utility>

#include <fmt/format.h>

namespace weft::transport {
namespace {

constexpr size_t kMaxBatch = 256;
constexpr auto kLookEvery = std::chrono::milliseconds(250);
constexpr int64_t kUnread = kSecond;  // a shard that goes on reads far more often

}  // namespace

void ReadSignal::Notify() {
  const std::lock_guard lock(mutex_);
  told_ = true;
  wake_.notify_one();
}

void ReadSignal::WaitFor(int64_t ns) {
  std::unique_lock lock(mutex_);
  wake_.wait_for(lock, std::chrono::nanoseconds(ns), [this] { return told_; });
  told_ = false;
}

Result<std::unique_ptr<KafkaReader>> KafkaReader::Open(KafkaContext& context, Stage stage) {
  const size_t bytes = AllowedNow(context.options.share, context.options.fetch_bytes);
  const std::string kbytes = std::to_string(std::max<size_t>(bytes >> 10, 1));
  auto client = KafkaClient::Open(fmt::format("{} reader", StageName(stage)), RD_KAFKA_CONSUMER,
                                  // An empty fetch says where the log ends; that is also how soon
                                  // an idle stage learns the time.
                                  {{"fetch.wait.max.ms", "100"}, {"fetch.error.backoff.ms", "100"}},
                                  context.properties,
                                  {{"isolation.level", "read_committed"},
                                   {"enable.auto.commit", "false"},
                                   {"enable.partition.eof", "true"},
                                   {"auto.offset.reset", "error"},
                                   {"queued.min.messages", "10000000"},
                                   {"queued.max.messages.kbytes", kbytes}},
                                  {}, context.log);
  if (!client) return std::unexpected(std::move(client.error()));
  return std::unique_ptr<KafkaReader>(new KafkaReader(context, std::move(*client)));
}

KafkaReader::KafkaReader(KafkaContext& context, std::unique_ptr<KafkaClient> client)
    : context_(context), client_(std::move(client)) {
  if (context_.options.share != nullptr) thread_ = std::thread([this] { KeepMemory(); });
}

KafkaReader::~KafkaReader() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  stop_.notify_all();
  if (thread_.joinable()) thread_.join();
}

void KafkaReader::KeepMemory() {
  std::unique_lock lock(mutex_);
  while (!stop_.wait_for(lock, kLookEvery, [this] { return stopping_; })) {
    const size_t allowed = AllowedNow(context_.options.share, context_.options.fetch_bytes);
    if (allowed >= context_.options.fetch_bytes) continue;
    for (PartitionReader* one : partitions_) one->LetGo(allowed);
  }
}

Result<std::unique_ptr<PartitionReader>> KafkaReader::Start(Stream stream, uint32_t partition,
                                                            uint64_t offset, ReadSignal* readable) {
  std::unique_ptr<PartitionReader> reader(
      new PartitionReader(*this, stream, partition, offset, readable));
  WEFT_TRY(reader->Start());
  return reader;
}

PartitionReader::PartitionReader(KafkaReader& reader, Stream stream, uint32_t partition,
                                 uint64_t offset, ReadSignal* readable)
    : reader_(reader),
      context_(reader.context_),
      client_(*reader.client_),
      stream_(stream),
      partition_(partition),
      readable_(readable),
      topic_(client_.Topic(context_.Topic(stream))),
      unstamped_(context_.metrics.Get("kafka.unstamped")),
      let_go_(context_.metrics.Get("kafka.fetched_let_go")),
      read_ns_(context_.clock.MonotonicNs()),
      position_(offset) {
  const std::lock_guard lock(reader_.mutex_);
  reader_.partitions_.insert(this);
}

Result<void> PartitionReader::Start() {
  queue_.reset(rd_kafka_queue_new(client_.get()));
  rd_kafka_queue_cb_event_enable(
      queue_.get(), [](rd_kafka_t*, void* signal) { static_cast<ReadSignal*>(signal)->Notify(); },
      readable_);
  if (rd_kafka_consume_start_queue(topic_, static_cast<int32_t>(partition_),
                                   static_cast<int64_t>(position_), queue_.get()) == 0)
    return {};
  const auto error = rd_kafka_last_error();
  rd_kafka_queue_cb_event_enable(queue_.get(), nullptr, nullptr);
  queue_.reset();
  return std::unexpected(KafkaFailure(context_.Name(stream_, partition_) + ": read", error));
}

void PartitionReader::Stop() {
  if (!queue_) return;
  rd_kafka_consume_stop(topic_, static_cast<int32_t>(partition_));
  rd_kafka_queue_cb_event_enable(queue_.get(), nullptr, nullptr);
  queue_.reset();
}

PartitionReader::~PartitionReader() {
  {
    const std::lock_guard lock(reader_.mutex_);
    reader_.partitions_.erase(this);
  }
  Stop();
}

void PartitionReader::LetGo(size_t more_than_bytes) {
  const std::unique_lock lock(mutex_, std::try_to_lock);
  if (!lock || !queue_ || context_.clock.MonotonicNs() - read_ns_ < kUnread) return;
  const size_t waiting = rd_kafka_queue_length(queue_.get());
  if (waiting * usual_bytes_ <= more_than_bytes) return;
  Stop();
  let_go_.Add(waiting);
  readable_->Notify();  // there is something to read, though not here
}

Result<void> PartitionReader::Read(size_t max_bytes, std::vector<Record>* records,
                                   std::vector<Unreadable>* unreadable) {
  std::array<rd_kafka_message_t*, kMaxBatch> messages;
  const std::lock_guard lock(mutex_);
  read_ns_ = context_.clock.MonotonicNs();
  bytes_ = 0;
  if (!queue_) WEFT_TRY(Start());
  while (bytes_ < max_bytes) {
    const size_t room = std::clamp<size_t>((max_bytes - bytes_) / usual_bytes_, 1, kMaxBatch);
    const ssize_t got = rd_kafka_consume_batch_queue(queue_.get(), 0, messages.data(), room);
    if (got <= 0) break;
    const size_t before = bytes_;
    Result<void> result;
    for (ssize_t i = 0; i < got; ++i) {
      rd_kafka_message_t* message = messages[static_cast<size_t>(i)];
      if (result) result = Take(*message, records, unreadable);
      rd_kafka_message_destroy(message);
    }
    if (!result) return result;
    const size_t mean = (bytes_ - before) / static_cast<size_t>(got);
    usual_bytes_ = std::max<size_t>((3 * usual_bytes_ + mean) / 4, 256);
  }
  if (std::exchange(unstamped_seen_, false))
    context_.log.Write(LogLevel::kError, "append time",
                       context_.Name(stream_, partition_) +
                           ": records carry no append time, their writers' is taken for it: set "
                           "message.timestamp.type=LogAppendTime (`weft topics check` says what "
                           "else differs)");
  if (last_append_ns_ != INT64_MIN && bytes_ > 0) context_.broker_clock.Note(last_append_ns_);
  return {};
}

Result<void> PartitionReader::Take(const rd_kafka_message_t& message, std::vector<Record>* records,
                                   std::vector<Unreadable>* unreadable) {
  const auto offset = static_cast<uint64_t>(message.offset);
  if (message.err == RD_KAFKA_RESP_ERR__PARTITION_EOF) {
    position_ = std::max(position_, offset);
    return {};
  }
  if (message.err != RD_KAFKA_RESP_ERR_NO_ERROR) return ReadError(message);
  last_append_ns_ = std::max(last_append_ns_, AppendTimeOf(message));
  position_ = offset + 1;
  bytes_ += std::max<size_t>(message.len, 1);
  auto read = FromMessage(stream_, message);
  if (auto* record = std::get_if<Record>(&read)) {
    if (record->type == kTakeOver) return {};
    record->append_ns = last_append_ns_;
    records->push_back(std::move(*record));
  } else {
    unreadable->push_back(std::move(std::get<Unreadable>(read)));
    unreadable->back().append_ns = last_append_ns_;
  }
  return {};
}

Result<void> PartitionReader::ReadError(const rd_kafka_message_t& message) {
  const std::string name = context_.Name(stream_, partition_);
  const char* text = rd_kafka_message_errstr(&message);
  if (message.err == RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET ||
      message.err == RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE)
    return Fail(Code::kCorrupt,
                fmt::format("{}: offset {} is gone from the log before it was read: {} (raise the "
                            "topic's retention)",
                            name, position_, text));
  // librdkafka tries again by itself.
  context_.log.Write(LogLevel::kWarn, "read " + name,
                     KafkaFailure(name, message.err, text).message);
  return {};
}

// Somebody has changed the topic since this process, or a record's writer, began. Refusing the
// record would stop the partition until all of them were deleted; its writer's time is wrong by
// what the hosts' clocks differ.
int64_t PartitionReader::AppendTimeOf(const rd_kafka_message_t& message) {
  if (const auto append_ns = AppendTimeNs(message)) return *append_ns;
  unstamped_.Add();
  unstamped_seen_ = true;
  const int64_t written_ms = rd_kafka_message_timestamp(&message, nullptr);  // any number at all
  const int64_t now_ns = context_.broker_clock.NowNs();
  return std::min(std::clamp<int64_t>(written_ms, 0, now_ns / kMillisecond + 1) * kMillisecond,
                  now_ns);
}

}  // namespace weft::transport
