#include "engine/transport/kafka_transport.h"

#include <unistd.h>

#include <algorithm>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "engine/transport/kafka_admin.h"
#include "engine/transport/kafka_owner.h"
#include "engine/transport/kafka_publisher.h"

namespace weft::transport {
namespace {

constexpr int64_t kSayAgainNs = 60 * kSecond;
constexpr const char* kTimestampType = "message.timestamp.type";
constexpr const char* kLogAppendTime = "LogAppendTime";

std::vector<Stream> StreamsOf(Stage stage) {
  if (stage == Stage::kStitch)
    return {Stream::kEvents, Stream::kLinks, Stream::kSpans,
            Stream::kLabels, Stream::kState, Stream::kDead};
  return {Stream::kSpans, Stream::kDecisions, Stream::kState, Stream::kDead};
}

// No two processes at a time, and no process and its successor, have the same.
std::string UniqueInstance(const KafkaOptions& options, const Clock& clock) {
  char host[256] = "host";
  gethostname(host, sizeof(host) - 1);
  return fmt::format("{}-{}-{:x}",
                     options.settings.instance.empty() ? host : options.settings.instance.c_str(),
                     getpid(), clock.UnixNs() / kMillisecond);
}

}  // namespace

Result<std::unique_ptr<KafkaTransport>> KafkaTransport::Open(const KafkaOptions& options,
                                                             const Clock& clock, Metrics& metrics,
                                                             Logger& log) {
  auto properties = MakeKafkaProperties(options.settings);
  if (!properties) return std::unexpected(std::move(properties.error()));
  if (const std::string limit = KafkaLibraryLimit(*properties); !limit.empty()) log.Warn(limit);
  KafkaOptions own = options;
  own.settings.instance = UniqueInstance(options, clock);
  std::unique_ptr<KafkaTransport> transport(new KafkaTransport(
      std::make_unique<KafkaContext>(own, std::move(*properties), clock, metrics, log)));
  auto watch = KafkaWatch::Open(*transport->context_);
  if (!watch) return std::unexpected(std::move(watch.error()));
  transport->watch_ = std::move(*watch);
  if (auto found = transport->FindEvents(); !found)
    return Context(std::move(found.error()),
                   fmt::format("kafka at {}", fmt::join(own.settings.brokers, ",")));
  for (uint32_t i = 0; i < 2 * transport->context_->partitions; ++i)
    transport->signals_.push_back(std::make_unique<ReadSignal>());
  return transport;
}

KafkaTransport::KafkaTransport(std::unique_ptr<KafkaContext> context)
    : context_(std::move(context)) {}

KafkaTransport::~KafkaTransport() {
  publisher_.reset();
  for (auto& stage : stages_) stage.reset();
}

uint32_t KafkaTransport::partitions() const { return context_->partitions; }
int64_t KafkaTransport::LogTimeNs() const { return context_->broker_clock.NowNs(); }

// Brokers may come up with this process, or after it.
Result<void> KafkaTransport::FindEvents() {
  int64_t say_ns = INT64_MIN;
  while (true) {
    auto found = CheckTopics({Stream::kEvents});
    const auto& patience = context_->options.patience;
    if (found || found.error().code != Code::kIo || !patience) return found;
    if (context_->clock.MonotonicNs() >= say_ns) {
      say_ns = context_->clock.MonotonicNs() + kSayAgainNs;
      context_->log.Write(LogLevel::kWarn, "start",
                          "kafka " + found.error().message + "; waiting for an answer");
    }
    if (patience(kSecond)) return Fail(Code::kCancelled, "ended before any broker had answered");
  }
}

Result<void> KafkaTransport::CheckTopics(const std::vector<Stream>& streams) {
  for (const Stream stream : streams) {
    const std::string name = context_->Topic(stream);
    auto count = watch_->Partitions(stream);
    if (!count) return std::unexpected(std::move(count.error()));
    if (context_->partitions == 0) context_->partitions = *count;
    if (*count != context_->partitions)
      return Fail(
          Code::kInvalid,
          fmt::format("{} has {} partitions, {} has {}: all must have the same number (see "
                      "`weft topics check`)",
                      name, *count, context_->Topic(Stream::kEvents), context_->partitions));
  }
  return CheckAppendTimes(streams);
}

// What is written to a topic of another kind stays unreadable when the topic is mended, so it must
// be known before anything is. Who may not ask for settings goes on: reading would show it.
Result<void> KafkaTransport::CheckAppendTimes(const std::vector<Stream>& streams) {
  std::vector<std::string> names;
  for (const Stream stream : streams) names.push_back(context_->Topic(stream));
  auto admin = KafkaAdmin::Connect(context_->properties, context_->options.settings_wait_ns);
  auto topics = admin ? (*admin)->ReadTopics(names)
                      : Result<TopicStates>(std::unexpected(std::move(admin.error())));
  if (!topics) {
    context_->log.Write(LogLevel::kInfo, "settings",
                        topics.error().message + "; whether they are right is not checked");
    return {};
  }
  for (const auto& [name, state] : *topics) {
    const auto it = state.settings.find(kTimestampType);
    if (it != state.settings.end() && it->second != kLogAppendTime)
      return Fail(Code::kInvalid,
                  fmt::format("topic {} has {}={}, but the brokers' clock is weft's: `weft topics "
                              "create` sets {}",
                              name, kTimestampType, it->second, kLogAppendTime));
  }
  return {};
}

Result<void> KafkaTransport::Publish(OutRecord record, int64_t deadline_ns) {
  KafkaPublisher* publisher = nullptr;
  {
    const std::lock_guard lock(mutex_);
    if (closed_) return Fail(Code::kCancelled, "publish: the transport is closed to sources");
    if (!publisher_) {
      if (const std::string limit = KafkaPublishingLimit(); !limit.empty())
        context_->log.Write(LogLevel::kWarn, "publishing limit", limit);
      auto opened = KafkaPublisher::Open(*context_);
      if (!opened) return std::unexpected(std::move(opened.error()));
      publisher_ = std::move(*opened);
    }
    publisher = publisher_.get();
  }
  return publisher->Publish(std::move(record), deadline_ns);
}

void KafkaTransport::CloseSources() {
  {
    const std::lock_guard lock(mutex_);
    closed_ = true;
    if (publisher_) publisher_->Refuse();
    for (auto& stage : stages_)
      if (stage)
        stage->committer->GiveUpAt(context_->clock.MonotonicNs() + context_->options.close_wait_ns);
  }
  for (auto& signal : signals_) signal->Notify();
}

Result<std::unique_ptr<Membership>> KafkaTransport::Join(Stage stage) {
  WEFT_TRY(CheckTopics(StreamsOf(stage)));
  const std::lock_guard lock(mutex_);
  if (Slot(stage)) return Fail(Code::kInvalid, "join: this process has a seat there already");
  auto made = std::make_shared<KafkaStage>();
  made->stage = stage;
  auto reader = KafkaReader::Open(*context_, stage);
  if (!reader) return std::unexpected(std::move(reader.error()));
  made->reader = std::move(*reader);
  auto group = KafkaGroup::Join(*context_, stage);
  if (!group) return std::unexpected(std::move(group.error()));
  made->group = std::move(*group);
  made->committer = std::make_unique<KafkaCommitter>(*context_, stage, made->group);
  made->fence = std::make_unique<KafkaFence>(*context_, stage, made->committer->id());
  Slot(stage) = made;
  return std::make_unique<KafkaMembership>(made->group, [this, stage] {
    std::shared_ptr<KafkaStage> gone;
    const std::lock_guard inner(mutex_);
    gone.swap(Slot(stage));
  });
}

Result<std::unique_ptr<PartitionOwner>> KafkaTransport::Own(Stage stage, uint32_t partition) {
  if (partition >= partitions()) return Fail(Code::kInvalid, "own: no such partition");
  std::shared_ptr<KafkaStage> joined;
  {
    const std::lock_guard lock(mutex_);
    joined = Slot(stage);
  }
  if (!joined) return Fail(Code::kInvalid, "own: join the stage first");
  auto owner = KafkaOwner::TakeOver(*context_, std::move(joined), partition, *watch_,
                                    Signal(stage, partition));
  if (!owner) return std::unexpected(std::move(owner.error()));
  return std::unique_ptr<PartitionOwner>(std::move(*owner));
}

ReadSignal& KafkaTransport::Signal(Stage stage, uint32_t partition) {
  return *signals_[(stage == Stage::kTrace ? partitions() : 0) + partition];
}

void KafkaTransport::WaitReadable(Stage stage, uint32_t partition, int64_t deadline_ns) {
  Signal(stage, partition).WaitFor(context_->WaitNs(deadline_ns));
}

}  // namespace weft::transport
