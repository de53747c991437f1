#include "engine/transport/kafka_publisher.h"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <utility>

#include <fmt/format.h>

#include "engine/transport/kafka_topics.h"

namespace weft::transport {
namespace {

constexpr size_t kHeartbeatBytes = 16 << 10;
constexpr size_t kBatchBytes = 1'000'000;
constexpr int kPollMs = 50;
// A new client meets the same error again: the next one waits longer.
constexpr int64_t kFirstBackoffNs = 100 * kMillisecond;
constexpr int64_t kMostBackoffNs = 5 * kSecond;
// So long after a refusal batches stay small.
constexpr int64_t kSmallBatchesNs = 60 * kSecond;

// What a client's batches may hold, as the user has it or else as we do.
size_t BatchBytes(const KafkaProperties& properties) {
  size_t bytes = kBatchBytes;
  for (const auto& [name, value] : properties)
    if (name == "batch.size") std::from_chars(value.data(), value.data() + value.size(), bytes);
  return bytes;
}

}  // namespace

bool IsFinalRefusal(rd_kafka_resp_err_t error) {
  switch (error) {
    case RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE:
    case RD_KAFKA_RESP_ERR_INVALID_MSG_SIZE:
    case RD_KAFKA_RESP_ERR_RECORD_LIST_TOO_LARGE:
    case RD_KAFKA_RESP_ERR_INVALID_RECORD:
    case RD_KAFKA_RESP_ERR_INVALID_TIMESTAMP:
    case RD_KAFKA_RESP_ERR_POLICY_VIOLATION:
    case RD_KAFKA_RESP_ERR_UNSUPPORTED_COMPRESSION_TYPE:
    case RD_KAFKA_RESP_ERR__INVALID_ARG: return true;
    default: return false;
  }
}

Result<std::unique_ptr<KafkaPublisher>> KafkaPublisher::Open(KafkaContext& context) {
  std::unique_ptr<KafkaPublisher> publisher(new KafkaPublisher(context));
  auto client = publisher->OpenClient();
  if (!client) return std::unexpected(std::move(client.error()));
  publisher->client_ = std::move(*client);
  publisher->thread_ = std::thread([p = publisher.get()] { p->Run(); });
  return publisher;
}

KafkaPublisher::KafkaPublisher(KafkaContext& context)
    : context_(context),
      records_(context.metrics.Get("kafka.published")),
      full_(context.metrics.Get("transport.publish_full")),
      replaced_(context.metrics.Get("kafka.publishers_replaced")),
      repeated_(context.metrics.Get("kafka.publish_repeated")),
      in_flight_gauge_(context.metrics.Get("kafka.publish_in_flight_bytes")),
      begins_(context.partitions),
      whole_batch_bytes_(BatchBytes(context.properties)),
      batch_bytes_(whole_batch_bytes_),
      next_batch_bytes_(whole_batch_bytes_) {
  for (uint32_t p = 0; p < context.partitions; ++p)
    failed_.push_back(&context.metrics.Get(fmt::format("kafka.publish_lost{{partition={}}}", p)));
}

KafkaPublisher::~KafkaPublisher() {
  if (thread_.joinable()) Close(context_.options.close_wait_ns);
}

Result<std::unique_ptr<KafkaClient>> KafkaPublisher::OpenClient() {
  // The bounds are ours, in bytes; librdkafka's must not come first.
  KafkaProperties owned = {
      {"enable.idempotence", "true"},
      // Else a client goes on behind records that it gives up, and newer ones come before them.
      {"enable.gapless.guarantee", "true"},
      {"acks", "all"},
      {"message.timeout.ms", "0"},
      {"queue.buffering.max.kbytes", "2000000"},
      {"queue.buffering.max.messages", "10000000"}};
  if (next_batch_bytes_ < whole_batch_bytes_)
    owned.emplace_back("batch.size", std::to_string(next_batch_bytes_));
  return KafkaClient::Open(
      "publisher", RD_KAFKA_PRODUCER,
      {{"compression.codec", "zstd"},
       {"compression.level", "1"},
       {"linger.ms", "20"},
       {"batch.size", std::to_string(kBatchBytes)},
       {"message.max.bytes", std::to_string(kKafkaMessageBytes)}},
      context_.properties, owned,
      {.delivered = [this](const rd_kafka_message_t& m) { Delivered(m); }, .rebalance = {}},
      context_.log);
}

bool KafkaPublisher::Fits(size_t bytes) const {
  const size_t max = AllowedNow(context_.options.share, context_.options.publish_bytes);
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
  Lock lock(mutex_);
  const bool fits = room_.wait_for(lock, std::chrono::nanoseconds(wait_ns),
                                   [&] { return refusing_ || Fits(bytes); });
  if (refusing_) return Fail(Code::kCancelled, "publish: the transport is closed to sources");
  if (!fits) {
    full_.Add();
    return Fail(Code::kFull, fmt::format("publish: {} bytes wait for the brokers", in_flight_));
  }
  in_flight_ += bytes;
  in_flight_gauge_.Set(in_flight_);
  records_.Add();
  sent_.push_back({std::move(record), bytes});
  // What the client does not take at once the thread tries again.
  if (client_ && !broken_ && handed_ + 1 == sent_.size()) (void)HandOver();
  return {};
}

rd_kafka_resp_err_t KafkaPublisher::HandOver() {
  Sent& next = sent_[handed_];
  auto error = RD_KAFKA_RESP_ERR_NO_ERROR;
  if (!next.settled) {
    Begin& begin = begins_[next.record.partition];
    if (begin.first == First::kUnderWay || !begin.put_off.empty())
      begin.put_off.push_back(&next);
    else
      error = HandOver(next);
  }
  if (error == RD_KAFKA_RESP_ERR_NO_ERROR) ++handed_;
  return error;
}

rd_kafka_resp_err_t KafkaPublisher::HandOver(Sent& next) {
  Begin& begin = begins_[next.record.partition];
  const auto error =
      Produce(client_->get(), client_->Topic(context_.Topic(Stream::kEvents)), next.record, &next);
  next.first = error == RD_KAFKA_RESP_ERR_NO_ERROR && begin.first == First::kNone;
  if (next.first) begin.first = First::kUnderWay;
  return error;
}

void KafkaPublisher::HandOverAll(Lock& lock) {
  for (uint32_t p = 0; p < begins_.size(); ++p) HandOverPutOff(lock, p);
  while (client_ && !broken_ && handed_ < sent_.size()) {
    Sent& next = sent_[handed_];
    const auto error = HandOver();
    if (IsFinalRefusal(error)) ++handed_;
    if (!Handed(lock, next, error)) return;
  }
}

void KafkaPublisher::HandOverPutOff(Lock& lock, uint32_t partition) {
  Begin& begin = begins_[partition];
  while (client_ && !broken_ && begin.first != First::kUnderWay && !begin.put_off.empty()) {
    Sent& next = *begin.put_off.front();
    const auto error = HandOver(next);
    if (error == RD_KAFKA_RESP_ERR_NO_ERROR || IsFinalRefusal(error)) begin.put_off.pop_front();
    if (!Handed(lock, next, error)) return;
  }
}

bool KafkaPublisher::Handed(Lock& lock, Sent& sent, rd_kafka_resp_err_t error) {
  if (error == RD_KAFKA_RESP_ERR_NO_ERROR) return true;
  if (error == RD_KAFKA_RESP_ERR__QUEUE_FULL) return false;
  if (!IsFinalRefusal(error)) return Break(error), false;
  lock.unlock();
  Refused(sent, error);
  lock.lock();
  return true;
}

void KafkaPublisher::Run() {
  Lock lock(mutex_);
  while (!stopping_) {
    if (client_) {
      lock.unlock();
      rd_kafka_poll(client_->get(), kPollMs);
      lock.lock();
      char why[256];
      if (const auto fatal = rd_kafka_fatal_error(client_->get(), why, sizeof(why));
          fatal != RD_KAFKA_RESP_ERR_NO_ERROR)
        Break(fatal);
      WidenBatches();
    } else {
      room_.wait_for(lock, std::chrono::milliseconds(kPollMs), [&] { return stopping_; });
    }
    if ((broken_ || !client_) && context_.clock.MonotonicNs() >= replace_ns_) Replace(lock);
    HandOverAll(lock);
  }
}

void KafkaPublisher::Break(rd_kafka_resp_err_t error) {
  if (std::exchange(broken_, true)) return;
  context_.log.Write(LogLevel::kWarn, "publish again",
                     "publishing begins anew with what is not acknowledged: " +
                         KafkaFailure(context_.Topic(Stream::kEvents), error).message);
}

// By a new client, as a client's batches keep their size.
void KafkaPublisher::WidenBatches() {
  if (broken_ || batch_bytes_ == whole_batch_bytes_ ||
      context_.clock.MonotonicNs() - refused_ns_ < kSmallBatchesNs)
    return;
  next_batch_bytes_ = whole_batch_bytes_;
  broken_ = true;
}

void KafkaPublisher::Replace(Lock& lock) {
  auto old = std::move(client_);
  lock.unlock();
  if (old) {
    // Acknowledgements that are there already count; after its end there are no more.
    rd_kafka_purge(old->get(), RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
    rd_kafka_flush(old->get(), 1000);
    old.reset();
  }
  auto client = OpenClient();
  if (!client) context_.log.Write(LogLevel::kError, "publish again", client.error().message);
  lock.lock();
  auto repeated = std::count_if(sent_.begin(), sent_.begin() + static_cast<ptrdiff_t>(handed_),
                                [](const Sent& sent) { return !sent.settled; });
  for (Begin& begin : begins_) {
    repeated -= static_cast<ptrdiff_t>(begin.put_off.size());
    begin = {};
  }
  repeated_.Add(static_cast<uint64_t>(repeated));
  handed_ = 0;
  backoff_ns_ = std::clamp(2 * backoff_ns_, kFirstBackoffNs, kMostBackoffNs);
  replace_ns_ = context_.clock.MonotonicNs() + backoff_ns_;
  if (!client) return;
  replaced_.Add();
  client_ = std::move(*client);
  batch_bytes_ = next_batch_bytes_;
  broken_ = false;
}

void KafkaPublisher::Delivered(const rd_kafka_message_t& message) {
  Sent& sent = *static_cast<Sent*>(message._private);
  switch (message.err) {
    case RD_KAFKA_RESP_ERR_NO_ERROR: NoteAppendTime(message); return Settle(sent, true);
    case RD_KAFKA_RESP_ERR__PURGE_QUEUE:  // by us: it goes out again
    case RD_KAFKA_RESP_ERR__PURGE_INFLIGHT: return;
    default:
      if (IsFinalRefusal(message.err)) return RefusedWithItsBatch(sent, message.err);
      const Lock lock(mutex_);
      Break(message.err);
  }
}

void KafkaPublisher::NoteAppendTime(const rd_kafka_message_t& message) {
  if (const auto append_ns = AppendTimeNs(message)) {
    stamped_ = true;
    return context_.broker_clock.Note(*append_ns);
  }
  // A broker that had the record already (DUPLICATE_SEQUENCE_NUMBER) does not say since when.
  if (stamped_) return;
  context_.log.Write(LogLevel::kError, "append time",
                     context_.Topic(Stream::kEvents) +
                         ": message.timestamp.type is not LogAppendTime, no engine will read it; "
                         "see `weft topics check`");
}

// One record too many is enough: all that may have been beside it go again in smaller batches, at
// last each in one of its own.
void KafkaPublisher::RefusedWithItsBatch(Sent& sent, rd_kafka_resp_err_t error) {
  {
    const Lock lock(mutex_);
    refused_ns_ = context_.clock.MonotonicNs();
    if (sent.bytes < batch_bytes_ && SharesABatch(sent)) {
      next_batch_bytes_ = std::max<size_t>(batch_bytes_ / 4, 1);
      return Break(error);
    }
  }
  Refused(sent, error);
}

bool KafkaPublisher::SharesABatch(const Sent& sent) const {
  const uint32_t partition = sent.record.partition;
  const auto others = std::count_if(
      sent_.begin(), sent_.begin() + static_cast<ptrdiff_t>(handed_), [&](const Sent& other) {
        return !other.settled && &other != &sent && other.record.partition == partition;
      });
  return static_cast<size_t>(others) > begins_[partition].put_off.size();
}

void KafkaPublisher::Refused(Sent& sent, rd_kafka_resp_err_t error) {
  failed_[sent.record.partition]->Add();
  context_.metrics.Get(fmt::format("kafka.publish_refused{{reason={}}}", rd_kafka_err2name(error)))
      .Add();
  context_.log.Write(
      LogLevel::kError, "publish",
      "lost: " +
          KafkaFailure(context_.Name(Stream::kEvents, sent.record.partition), error).message);
  Settle(sent, false);
}

void KafkaPublisher::Settle(Sent& sent, bool delivered) {
  sent.record.Settle(delivered);
  const Lock lock(mutex_);
  in_flight_ -= sent.bytes;
  in_flight_gauge_.Set(in_flight_);
  Begin& begin = begins_[sent.record.partition];
  if (delivered)
    begin.first = First::kThere;
  else if (sent.first && begin.first == First::kUnderWay)
    begin.first = First::kNone;
  sent.record = {};
  sent.settled = true;
  backoff_ns_ = 0;
  while (!sent_.empty() && sent_.front().settled) {
    sent_.pop_front();
    handed_ -= handed_ > 0;
  }
  room_.notify_all();
}

void KafkaPublisher::Refuse() {
  const Lock lock(mutex_);
  refusing_ = true;
  room_.notify_all();
}

void KafkaPublisher::Close(int64_t wait_ns) {
  Refuse();
  {
    Lock lock(mutex_);
    room_.wait_for(lock, std::chrono::nanoseconds(wait_ns), [&] { return sent_.empty(); });
    stopping_ = true;
    room_.notify_all();
  }
  thread_.join();
  if (client_) {
    rd_kafka_purge(client_->get(), RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
    rd_kafka_flush(client_->get(), 1000);
    client_.reset();
  }
  while (!sent_.empty()) {
    const OutRecord& record = sent_.front().record;
    if (!record.Kept()) failed_[record.partition]->Add();
    Settle(sent_.front(), false);
  }
}

}  // namespace weft::transport
