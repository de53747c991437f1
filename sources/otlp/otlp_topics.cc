#include "sources/otlp/otlp_topics.h"

#include <algorithm>
#include <chrono>

#include <unistd.h>

#include <fmt/format.h>

#include "engine/transport/kafka_topics.h"

namespace weft::otlp {

using transport::AwaitFirstAssignment;
using transport::KafkaClient;
using transport::KafkaError;
using transport::KafkaFailure;
using transport::PartitionList;

namespace {

constexpr int kPollMs = 20;
constexpr int kCallMs = 5'000;
constexpr int kPauseMs = 500;  // where the brokers cannot be asked
constexpr int64_t kLinger = 50 * kMillisecond;
constexpr uint64_t kRows = 16'384;
constexpr size_t kBytes = size_t{8} << 20;

}  // namespace

OtlpTopics::OtlpTopics(std::vector<std::string> topics, const transport::KafkaOptions& options,
                       transport::KafkaProperties properties, uint32_t partitions,
                       const Clock& clock, Metrics& metrics, Logger& log)
    : topics_(std::move(topics)),
      context_(options, std::move(properties), clock, metrics, log),
      id_(fmt::format("{}-otlp-{}-{}-{}", options.settings.group, options.settings.instance,
                      getpid(), clock.UnixNs())),
      intake_(partitions, id_, metrics),
      retries_(metrics.Get("otlp.retries")),
      passed_over_(metrics.Get("otlp.passed_over")),
      paused_us_(metrics.Get("otlp.paused_us")) {}

Result<std::unique_ptr<OtlpTopics>> OtlpTopics::Start(const std::vector<std::string>& topics,
                                                      const transport::KafkaOptions& options,
                                                      uint32_t partitions, const Clock& clock,
                                                      Metrics& metrics, Logger& log) {
  auto properties = transport::MakeKafkaProperties(options.settings);
  if (!properties) return std::unexpected(std::move(properties.error()));
  std::unique_ptr<OtlpTopics> source(
      new OtlpTopics(topics, options, std::move(*properties), partitions, clock, metrics, log));
  if (auto opened = source->OpenConsumer(); !opened)
    return Context(std::move(opened.error()), "sources.otlp");
  source->thread_ = std::thread([raw = source.get()] { raw->Run(); });
  return source;
}

OtlpTopics::~OtlpTopics() {
  stopping_ = true;
  if (thread_.joinable()) thread_.join();
  if (!consumer_) return;
  AwaitFirstAssignment(consumer_->get(), context_.clock, assigned_once_);
  rd_kafka_consumer_close(consumer_->get());
}

Result<void> OtlpTopics::OpenConsumer() {
  const std::string group = context_.options.settings.group + "-otlp";
  auto client = KafkaClient::Open(
      "otlp consumer", RD_KAFKA_CONSUMER,
      // What was written before weft came is read too; librdkafka.auto.offset.reset changes it.
      {{"auto.offset.reset", "earliest"},
       // As the stages' groups: a reader that ends while it joins keeps the others waiting so long.
       {"session.timeout.ms", "10000"},
       {"heartbeat.interval.ms", "500"},
       {"max.poll.interval.ms", "60000"},
       {"fetch.wait.max.ms", "100"},
       // librdkafka before 2.2 looks once a second whether a queue that was full has room again.
       {"queued.max.messages.kbytes",
        std::to_string(std::max<size_t>(context_.options.fetch_bytes * 4 >> 10, 1))}},
      context_.properties,
      {{"group.id", group},
       {"partition.assignment.strategy", "cooperative-sticky"},
       {"enable.auto.commit", "false"},
       {"enable.auto.offset.store", "false"},
       {"isolation.level", "read_committed"}},
      {.delivered = {},
       .rebalance = [this](rd_kafka_resp_err_t err,
                           rd_kafka_topic_partition_list_t* p) { OnRebalance(err, p); }},
      context_.log);
  if (!client) return std::unexpected(std::move(client.error()));
  rd_kafka_poll_set_consumer((*client)->get());
  const PartitionList list(rd_kafka_topic_partition_list_new(static_cast<int>(topics_.size())));
  for (const std::string& topic : topics_)
    rd_kafka_topic_partition_list_add(list.get(), topic.c_str(), RD_KAFKA_PARTITION_UA);
  if (const auto err = rd_kafka_subscribe((*client)->get(), list.get()))
    return std::unexpected(KafkaFailure("group " + group, err));
  consumer_ = std::move(*client);
  return {};
}

Result<void> OtlpTopics::OpenProducer() {
  if (producer_) return {};
  auto client = KafkaClient::Open(
      "otlp producer", RD_KAFKA_PRODUCER,
      {{"compression.codec", "zstd"},
       {"compression.level", "1"},
       {"linger.ms", "5"},
       {"message.max.bytes", std::to_string(transport::kKafkaMessageBytes)},
       {"message.timeout.ms", "10000"},
       {"transaction.timeout.ms", "10000"}},
      context_.properties,
      {{"transactional.id", id_}, {"enable.idempotence", "true"}, {"acks", "all"}}, {},
      context_.log);
  if (!client) return std::unexpected(std::move(client.error()));
  if (rd_kafka_error_t* error = rd_kafka_init_transactions((*client)->get(), kCallMs)) {
    const KafkaError owned(error);
    return std::unexpected(KafkaFailure("transactional id " + id_, rd_kafka_error_code(error),
                                        rd_kafka_error_string(error)));
  }
  producer_ = std::move(*client);
  return {};
}

void OtlpTopics::Run() {
  while (!stopping_) {
    Poll();
    if (rewind_) {
      rewind_ = !Rewind();
      const int64_t now_ns = context_.clock.MonotonicNs();
      paused_us_.Add(static_cast<uint64_t>((now_ns - rewind_since_ns_) / kMicrosecond));
      rewind_since_ns_ = now_ns;
    } else if (Due()) {
      Flush();
    }
  }
  if (!offsets_.empty() && !rewind_) Flush();
}

bool OtlpTopics::Due() const {
  return !offsets_.empty() && (intake_.rows() >= kRows || bytes_ >= kBytes ||
                               context_.clock.MonotonicNs() - since_ns_ >= kLinger);
}

void OtlpTopics::Poll() {
  rd_kafka_message_t* message = rd_kafka_consumer_poll(consumer_->get(), kPollMs);
  if (message == nullptr) return;
  if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR) {
    context_.log.Write(
        LogLevel::kWarn, "otlp",
        "kafka " +
            KafkaFailure("sources.otlp", message->err, rd_kafka_message_errstr(message)).message);
  } else if (rewind_) {  // it lies behind what was not committed, and is read again
    passed_over_.Add();
  } else {
    if (offsets_.empty()) since_ns_ = context_.clock.MonotonicNs();
    offsets_[{rd_kafka_topic_name(message->rkt), message->partition}] = message->offset + 1;
    bytes_ += message->len;
    intake_.Add(
        {static_cast<const char*>(message->payload), message->len},
        {static_cast<uint32_t>(message->partition), static_cast<uint64_t>(message->offset)});
  }
  rd_kafka_message_destroy(message);
}

void OtlpTopics::OnRebalance(rd_kafka_resp_err_t err, rd_kafka_topic_partition_list_t* partitions) {
  rd_kafka_t* const consumer = consumer_->get();
  if (err == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS) {
    assigned_once_ = true;
    if (const KafkaError failed{rd_kafka_incremental_assign(consumer, partitions)})
      context_.log.Write(
          LogLevel::kError, "assign",
          fmt::format("kafka sources.otlp: {}", rd_kafka_error_string(failed.get())));
    // librdkafka keeps a pause over the time in which a partition was another's, or nobody's.
    if (!Fetch(partitions, !rewind_) && !rewind_) BeginAgain();
    return;
  }
  // What was read of them is committed first, or dropped where they are another's already.
  const bool lost = rd_kafka_assignment_lost(consumer) != 0;
  if (lost || rewind_) {
    BeginAgain();
  } else if (!offsets_.empty()) {
    Flush();
  }
  const KafkaError failed(rd_kafka_incremental_unassign(consumer, partitions));
}

void OtlpTopics::Flush() {
  const std::vector<transport::OutRecord> records = intake_.Take();
  if (Commit(records)) {
    intake_.Sent();
    offsets_.clear();
    bytes_ = 0;
  } else {
    retries_.Add();
    BeginAgain();
  }
}

void OtlpTopics::BeginAgain() {
  intake_.Forget();
  offsets_.clear();
  bytes_ = 0;
  if (rewind_) return;
  rewind_ = true;
  rewind_since_ns_ = context_.clock.MonotonicNs();
  rd_kafka_topic_partition_list_t* raw = nullptr;
  // Where it does not stop, Poll passes over what comes.
  if (rd_kafka_assignment(consumer_->get(), &raw) == RD_KAFKA_RESP_ERR_NO_ERROR)
    Fetch(PartitionList(raw).get(), false);
}

bool OtlpTopics::Fetch(rd_kafka_topic_partition_list_t* partitions, bool wanted) {
  auto err = wanted ? rd_kafka_resume_partitions(consumer_->get(), partitions)
                    : rd_kafka_pause_partitions(consumer_->get(), partitions);
  for (int i = 0; i < partitions->cnt && err == RD_KAFKA_RESP_ERR_NO_ERROR; ++i)
    err = partitions->elems[i].err;
  if (err == RD_KAFKA_RESP_ERR_NO_ERROR) return true;
  context_.log.Write(
      LogLevel::kWarn, "fetch",
      "kafka " +
          KafkaFailure(wanted ? "sources.otlp: resume" : "sources.otlp: pause", err).message);
  return false;
}

bool OtlpTopics::Commit(const std::vector<transport::OutRecord>& records) {
  if (auto opened = OpenProducer(); !opened) return Pause(opened.error());
  rd_kafka_t* const producer = producer_->get();
  const auto metadata = transport::TakeGroupMetadata(consumer_->get());
  if (!metadata) return false;  // what was read may be another's by now
  if (rd_kafka_error_t* error = rd_kafka_begin_transaction(producer)) return GiveUp(error);
  for (const transport::OutRecord& record : records) {
    rd_kafka_topic_t* const topic = producer_->Topic(context_.Topic(record.stream));
    rd_kafka_resp_err_t err;
    while ((err = transport::Produce(producer, topic, record, nullptr)) ==
           RD_KAFKA_RESP_ERR__QUEUE_FULL)
      rd_kafka_poll(producer, 10);
    if (err == RD_KAFKA_RESP_ERR_NO_ERROR) continue;
    context_.log.Write(LogLevel::kWarn, "produce",
                       "kafka " + KafkaFailure("sources.otlp", err).message);
    return GiveUp(nullptr);
  }
  const PartitionList list(rd_kafka_topic_partition_list_new(static_cast<int>(offsets_.size())));
  for (const auto& [where, offset] : offsets_)
    rd_kafka_topic_partition_list_add(list.get(), where.first.c_str(), where.second)->offset =
        offset;
  if (rd_kafka_error_t* error =
          rd_kafka_send_offsets_to_transaction(producer, list.get(), metadata.get(), kCallMs))
    return GiveUp(error);
  while (rd_kafka_error_t* error = rd_kafka_commit_transaction(producer, kCallMs)) {
    // Its effect is not known yet, and the same call finds out.
    const bool again = rd_kafka_error_is_retriable(error) != 0 &&
                       rd_kafka_error_txn_requires_abort(error) == 0 && !stopping_;
    if (!again) return GiveUp(error);
    rd_kafka_error_destroy(error);
  }
  return true;
}

bool OtlpTopics::GiveUp(rd_kafka_error_t* error) {
  const KafkaError owned(error);
  if (error != nullptr)
    context_.log.Write(LogLevel::kWarn, "commit",
                       fmt::format("kafka sources.otlp: {}", rd_kafka_error_string(error)));
  // Where the outcome of a commit is unknown a new producer settles it: init_transactions waits
  // until the old transaction is over, and the committed offsets then say how it ended.
  const bool unknown = error != nullptr && rd_kafka_error_txn_requires_abort(error) == 0;
  bool fatal = unknown || (error != nullptr && rd_kafka_error_is_fatal(error) != 0);
  if (!fatal)
    if (const KafkaError aborted{rd_kafka_abort_transaction(producer_->get(), kCallMs)})
      fatal = true;
  if (fatal) {
    producer_.reset();
    intake_.Doubt();
  }
  return false;
}

bool OtlpTopics::Pause(const Error& why) {
  context_.log.Write(LogLevel::kWarn, "wait", "kafka " + why.message);
  std::this_thread::sleep_for(std::chrono::milliseconds(kPauseMs));
  return false;
}

// Back to what the group has committed.
bool OtlpTopics::Rewind() {
  if (auto opened = OpenProducer(); !opened) return Pause(opened.error());
  rd_kafka_topic_partition_list_t* raw = nullptr;
  if (const auto err = rd_kafka_assignment(consumer_->get(), &raw))
    return Pause(KafkaFailure("sources.otlp: partitions", err));
  const PartitionList assigned(raw);
  if (assigned->cnt == 0) return true;
  if (const auto err = rd_kafka_committed(consumer_->get(), assigned.get(), kCallMs))
    return Pause(KafkaFailure("sources.otlp: committed offsets", err));
  for (int i = 0; i < assigned->cnt; ++i)
    if (assigned->elems[i].offset < 0) assigned->elems[i].offset = RD_KAFKA_OFFSET_BEGINNING;
  if (const KafkaError failed{rd_kafka_seek_partitions(consumer_->get(), assigned.get(), kCallMs)})
    return Pause(KafkaFailure("sources.otlp: seek", rd_kafka_error_code(failed.get())));
  // One that was assigned just now may not be ready yet.
  bool all = true;
  for (int i = 0; i < assigned->cnt; ++i)
    all &= assigned->elems[i].err == RD_KAFKA_RESP_ERR_NO_ERROR;
  return all && Fetch(assigned.get(), true);
}

}  // namespace weft::otlp
