#include "engine/transport/kafka_watch.h"

#include <algorithm>
#include <chrono>
#include <functional>

#include <fmt/format.h>

namespace weft::transport {
namespace {

constexpr auto kPeriod = std::chrono::milliseconds(50);
constexpr int kAskMs = 2'000;
constexpr int64_t kGap = 2 * kSecond;
// Agents connect again within a second or two, and then speak at once.
constexpr int64_t kSettle = 4 * kSecond;
constexpr int64_t kCountEvery = 10 * kSecond;
constexpr int64_t kTopicNs = 5 * kSecond;
constexpr int64_t kAskNs = 15 * kSecond;

// offsets_for_times takes the protocol's special time for "latest".
rd_kafka_resp_err_t AskEnds(rd_kafka_t* client, rd_kafka_topic_partition_list_t* list,
                            int timeout_ms) {
  for (int i = 0; i < list->cnt; ++i) list->elems[i].offset = RD_KAFKA_OFFSET_END;
  auto err = rd_kafka_offsets_for_times(client, list, timeout_ms);
  for (int i = 0; i < list->cnt && err == RD_KAFKA_RESP_ERR_NO_ERROR; ++i) err = list->elems[i].err;
  return err;
}

}  // namespace

WatchedEnds::Snapshot WatchedEnds::Newest() const {
  const std::lock_guard lock(mutex_);
  return newest_;
}

std::optional<int64_t> CaughtUpTime::Look(const WatchedEnds::Snapshot& newest,
                                          std::span<const uint64_t> positions) {
  if (newest.ends.empty()) return std::nullopt;
  const auto reached = [&](const WatchedEnds::Snapshot& s) {
    return std::ranges::equal(positions, s.ends, std::greater_equal<>());
  };
  if (newest.number > target_.number && (target_.ends.empty() || reached(newest))) target_ = newest;
  if (target_.ends.empty() || !reached(target_)) return std::nullopt;
  target_.ends.clear();
  told_ns_ = std::max(told_ns_, target_.asked_ns);
  return told_ns_;
}

Result<std::unique_ptr<KafkaWatch>> KafkaWatch::Open(KafkaContext& context) {
  auto client = KafkaClient::Open("watch", RD_KAFKA_CONSUMER, {}, context.properties,
                                  {{"isolation.level", "read_uncommitted"}}, {}, context.log);
  if (!client) return std::unexpected(std::move(client.error()));
  return std::unique_ptr<KafkaWatch>(new KafkaWatch(context, std::move(*client)));
}

KafkaWatch::KafkaWatch(KafkaContext& context, std::unique_ptr<KafkaClient> client)
    : context_(context),
      client_(std::move(client)),
      failed_(context.metrics.Get("kafka.watch_failed")),
      gaps_(context.metrics.Get("kafka.watch_gaps")),
      silent_(context.metrics.Get("kafka.watch_silent")),
      answered_ns_(context.clock.MonotonicNs()),
      thread_([this] { Run(); }) {}

KafkaWatch::~KafkaWatch() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  thread_.join();
}

void KafkaWatch::Add(const std::shared_ptr<WatchedEnds>& watched) {
  const std::lock_guard lock(mutex_);
  watched_.push_back(watched);
  wake_.notify_all();
}

Result<uint32_t> KafkaWatch::Partitions(Stream stream) {
  const std::string name = context_.Topic(stream);
  uint32_t count = 0;
  const auto err = AskBrokers(context_.clock, kTopicNs, [&](int timeout_ms) {
    const rd_kafka_metadata_t* metadata = nullptr;
    auto asked = rd_kafka_metadata(client_->get(), 0, client_->Topic(name), &metadata, timeout_ms);
    if (asked != RD_KAFKA_RESP_ERR_NO_ERROR) return asked;
    if (metadata->topic_cnt == 1) {
      asked = metadata->topics[0].err;
      count = static_cast<uint32_t>(metadata->topics[0].partition_cnt);
    }
    rd_kafka_metadata_destroy(metadata);
    return asked == RD_KAFKA_RESP_ERR_NO_ERROR && count == 0
               ? RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART
               : asked;
  });
  if (err != RD_KAFKA_RESP_ERR_NO_ERROR) return std::unexpected(KafkaFailure("topic " + name, err));
  return count;
}

Result<uint64_t> KafkaWatch::End(Stream stream, uint32_t partition) {
  PartitionList list(rd_kafka_topic_partition_list_new(1));
  rd_kafka_topic_partition_list_add(list.get(), context_.Topic(stream).c_str(),
                                    static_cast<int32_t>(partition));
  const auto err = AskBrokers(context_.clock, kAskNs, [&](int timeout_ms) {
    return AskEnds(client_->get(), list.get(), timeout_ms);
  });
  if (err != RD_KAFKA_RESP_ERR_NO_ERROR)
    return std::unexpected(KafkaFailure(context_.Name(stream, partition) + ": end", err));
  return static_cast<uint64_t>(list->elems[0].offset);
}

Result<uint64_t> KafkaWatch::Earliest(Stream stream, uint32_t partition) {
  int64_t low = 0, high = 0;
  const auto err = AskBrokers(context_.clock, kAskNs, [&](int timeout_ms) {
    return rd_kafka_query_watermark_offsets(client_->get(), context_.Topic(stream).c_str(),
                                            static_cast<int32_t>(partition), &low, &high,
                                            timeout_ms);
  });
  if (err != RD_KAFKA_RESP_ERR_NO_ERROR)
    return std::unexpected(KafkaFailure(context_.Name(stream, partition) + ": first offset", err));
  return static_cast<uint64_t>(low);
}

Result<uint64_t> KafkaWatch::OffsetAt(Stream stream, uint32_t partition, int64_t append_ns,
                                      uint64_t end) {
  PartitionList list(rd_kafka_topic_partition_list_new(1));
  auto* one = rd_kafka_topic_partition_list_add(list.get(), context_.Topic(stream).c_str(),
                                                static_cast<int32_t>(partition));
  const auto err = AskBrokers(context_.clock, kAskNs, [&](int timeout_ms) {
    one->offset = std::max<int64_t>(append_ns / kMillisecond, 0);
    const auto asked = rd_kafka_offsets_for_times(client_->get(), list.get(), timeout_ms);
    return asked != RD_KAFKA_RESP_ERR_NO_ERROR ? asked : one->err;
  });
  if (err != RD_KAFKA_RESP_ERR_NO_ERROR)
    return std::unexpected(
        KafkaFailure(context_.Name(stream, partition) + ": offset by time", err));
  return one->offset < 0 ? end : std::min(static_cast<uint64_t>(one->offset), end);
}

void KafkaWatch::Run() {
  int64_t count_ns = context_.clock.MonotonicNs() + kCountEvery;
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    std::vector<std::shared_ptr<WatchedEnds>> alive;
    std::erase_if(watched_, [&](const std::weak_ptr<WatchedEnds>& weak) {
      auto one = weak.lock();
      if (!one) return true;
      alive.push_back(std::move(one));
      return false;
    });
    if (alive.empty()) {
      silent_.Set(0);
      wake_.wait(lock);
      answered_ns_ = context_.clock.MonotonicNs();
      continue;
    }
    lock.unlock();
    if (context_.broker_clock.known()) Ask(alive);
    if (const int64_t now = context_.clock.MonotonicNs(); now >= count_ns) {
      count_ns = now + kCountEvery;
      if (const auto count = Partitions(Stream::kEvents)) context_.topic_partitions = *count;
    }
    alive.clear();
    lock.lock();
    wake_.wait_for(lock, kPeriod, [this] { return stopping_; });
  }
}

void KafkaWatch::Ask(const std::vector<std::shared_ptr<WatchedEnds>>& watched) {
  PartitionList list(rd_kafka_topic_partition_list_new(16));
  const auto find = [&](Stream stream, uint32_t partition) {
    return rd_kafka_topic_partition_list_find(list.get(), context_.Topic(stream).c_str(),
                                              static_cast<int32_t>(partition));
  };
  for (const auto& one : watched)
    for (const auto& [stream, partition] : one->inputs_)
      if (find(stream, partition) == nullptr)  // answers go to the first of equal ones only
        rd_kafka_topic_partition_list_add(list.get(), context_.Topic(stream).c_str(),
                                          static_cast<int32_t>(partition));
  // Append times have milliseconds only.
  const int64_t asked_ns = context_.broker_clock.NowNs() - kMillisecond;
  const auto err = AskEnds(client_->get(), list.get(), kAskMs);
  const int64_t answered_ns = context_.clock.MonotonicNs();
  if (err == RD_KAFKA_RESP_ERR_NO_ERROR) answered_ns_ = answered_ns;
  silent_.Set(static_cast<uint64_t>((answered_ns - answered_ns_) / kSecond));
  if (err != RD_KAFKA_RESP_ERR_NO_ERROR) {
    failed_.Add();
    context_.log.Write(LogLevel::kWarn, "watch",
                       "kafka " + KafkaFailure("ends of the partitions read here", err).message);
    return;
  }
  for (const auto& one : watched) {
    WatchedEnds::Snapshot snapshot{++one->asked_, asked_ns, {}};
    for (const auto& [stream, partition] : one->inputs_)
      snapshot.ends.push_back(static_cast<uint64_t>(find(stream, partition)->offset));
    const int64_t now_ns = context_.clock.MonotonicNs();
    if (one->last_asked_ns_ != INT64_MIN && asked_ns - one->last_asked_ns_ > kGap) {
      gaps_.Add();
      one->held_until_ns_ = now_ns + kSettle;
    }
    one->last_asked_ns_ = asked_ns;
    if (now_ns < one->held_until_ns_) continue;
    const std::lock_guard lock(one->mutex_);
    one->newest_ = std::move(snapshot);
  }
}

}  // namespace weft::transport
