#include "engine/transport/kafka_committer.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include <fmt/format.h>

#include "engine/transport/kafka_topics.h"

namespace weft::transport {
namespace {

// A dead member's open transaction holds read-committed readers back for so long.
constexpr const char* kTransactionTimeoutMs = "10000";
constexpr int kCallMs = 2'000;  // then we look whether to give up
constexpr int64_t kFirstBackoff = 5 * kMillisecond;
constexpr int64_t kMaxBackoff = 500 * kMillisecond;

}  // namespace

KafkaCommitter::KafkaCommitter(KafkaContext& context, Stage stage,
                               std::shared_ptr<KafkaGroup> group)
    : context_(context),
      stage_(stage),
      transactional_id_(fmt::format("{}-{}-{}", context.options.settings.group, StageName(stage),
                                    context.options.settings.instance)),
      group_(std::move(group)),
      commits_(context.metrics.Get(fmt::format("kafka.commits{{stage={}}}", StageName(stage)))),
      shards_(
          context.metrics.Get(fmt::format("kafka.committed_steps{{stage={}}}", StageName(stage)))),
      aborts_(context.metrics.Get(fmt::format("kafka.aborts{{stage={}}}", StageName(stage)))),
      retries_(
          context.metrics.Get(fmt::format("kafka.commit_retries{{stage={}}}", StageName(stage)))),
      fenced_(context.metrics.Get(fmt::format("kafka.fenced{{stage={}}}", StageName(stage)))),
      unknown_(
          context.metrics.Get(fmt::format("kafka.commits_unknown{{stage={}}}", StageName(stage)))),
      busy_us_(context.metrics.Get(fmt::format("kafka.commit_us{{stage={}}}", StageName(stage)))),
      thread_([this] { Run(); }) {}

KafkaCommitter::~KafkaCommitter() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  work_.notify_all();
  thread_.join();
}

Result<void> KafkaCommitter::Commit(Work work) {
  Request request{std::move(work), std::nullopt, {}};
  std::unique_lock lock(mutex_);
  waiting_.push_back(&request);
  work_.notify_all();
  answered_.wait(lock, [&] { return request.result.has_value(); });
  return std::move(*request.result);
}

void KafkaCommitter::Answer(const std::vector<Request*>& batch, const Result<void>& result) {
  const std::lock_guard lock(mutex_);
  for (Request* request : batch) request->result = result;
  answered_.notify_all();
}

void KafkaCommitter::Run() {
  while (true) {
    std::vector<Request*> batch = Gather();
    if (batch.empty()) break;
    Process(std::move(batch));
  }
  CloseProducer();
}

std::vector<KafkaCommitter::Request*> KafkaCommitter::Gather() {
  std::unique_lock lock(mutex_);
  work_.wait(lock, [this] { return stopping_ || !waiting_.empty(); });
  work_.wait_for(lock, std::chrono::nanoseconds(context_.options.commit_linger_ns),
                 [this] { return stopping_ || waiting_.size() >= committers_; });
  std::vector<Request*> batch(waiting_.begin(), waiting_.end());
  waiting_.clear();
  return batch;
}

bool KafkaCommitter::GivenUp() const { return context_.clock.MonotonicNs() >= give_up_ns_; }

void KafkaCommitter::Process(std::vector<Request*> batch) {
  const int64_t began = context_.clock.MonotonicNs();
  int64_t backoff = kFirstBackoff;
  while (true) {
    Fence(&batch);
    if (batch.empty()) return;
    switch (Try(batch)) {
      case Outcome::kDone:
        commits_.Add();
        shards_.Add(batch.size());
        busy_us_.Add(static_cast<uint64_t>((context_.clock.MonotonicNs() - began) / kMicrosecond));
        return Answer(batch, {});
      case Outcome::kUnknown:
        unknown_.Add();
        CloseProducer();
        return Answer(batch, Fail(Code::kFenced, "commit: nobody can say whether it took effect"));
      case Outcome::kAgain: break;
    }
    retries_.Add();
    if (GivenUp())
      return Answer(batch, Fail(Code::kCancelled, "commit: the brokers did not take it in time"));
    std::unique_lock lock(mutex_);
    work_.wait_for(lock, std::chrono::nanoseconds(backoff), [this] { return stopping_; });
    backoff = std::min(2 * backoff, kMaxBackoff);
  }
}

void KafkaCommitter::Fence(std::vector<Request*>* batch) {
  std::vector<Request*> over;
  std::erase_if(*batch, [&](Request* request) {
    if (request->refused.empty()) return false;
    Answer({request}, Fail(Code::kInvalid, "commit: " + request->refused));
    return true;
  });
  std::erase_if(*batch, [&](Request* request) {
    if (group_->Tenure(request->work.partition) == request->work.tenure) return false;
    over.push_back(request);
    return true;
  });
  fenced_.Add(over.size());
  if (!over.empty())
    Answer(over, Fail(Code::kFenced, "the partition was taken from this member of the group"));
}

KafkaCommitter::Outcome KafkaCommitter::Try(const std::vector<Request*>& batch) {
  if (auto opened = OpenProducer(); !opened) {
    context_.log.Write(LogLevel::kWarn, "producer", "kafka " + opened.error().message);
    return Outcome::kAgain;
  }
  // Metadata first, tenures then: see kafka_group.h.
  const auto metadata = group_->Metadata();
  if (!metadata) return Outcome::kAgain;
  for (const Request* request : batch)
    if (group_->Tenure(request->work.partition) != request->work.tenure) return Outcome::kAgain;
  if (rd_kafka_error_t* error = rd_kafka_begin_transaction(producer_->get()))
    return Judge(error, "begin");
  // Offsets first. That they are refused is usual (the group has just changed), and librdkafka 2.0
  // loses count of the sequence numbers of messages that an abort takes out of its queue: the next
  // commit is then a fatal error ("skipped sequence numbers") of which nobody knows the effect.
  Outcome outcome = SendOffsets(batch, *metadata);
  if (outcome == Outcome::kDone) outcome = ProduceAll(batch);
  if (outcome == Outcome::kDone) outcome = End();
  return outcome;
}

KafkaCommitter::Outcome KafkaCommitter::ProduceAll(const std::vector<Request*>& batch) {
  for (Request* request : batch)
    for (const OutRecord& record : request->work.out) {
      rd_kafka_topic_t* topic = producer_->Topic(context_.Topic(record.stream));
      rd_kafka_resp_err_t err;
      while ((err = Produce(producer_->get(), topic, record, request)) ==
             RD_KAFKA_RESP_ERR__QUEUE_FULL)
        rd_kafka_poll(producer_->get(), 10);
      if (err == RD_KAFKA_RESP_ERR_NO_ERROR) continue;
      NoteFailure(context_.Name(record.stream, record.partition), err, request);
      return Abort();
    }
  return Outcome::kDone;
}

void KafkaCommitter::NoteFailure(const std::string& name, rd_kafka_resp_err_t err,
                                 Request* request) {
  const Error error = KafkaFailure(name, err);
  if (err == RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE) request->refused = error.message;
  if (err != RD_KAFKA_RESP_ERR__PURGE_QUEUE && err != RD_KAFKA_RESP_ERR__PURGE_INFLIGHT)
    context_.log.Write(LogLevel::kWarn, "produce", "kafka " + error.message);
}

KafkaCommitter::Outcome KafkaCommitter::SendOffsets(
    const std::vector<Request*>& batch, const rd_kafka_consumer_group_metadata_t& metadata) {
  PartitionList offsets(rd_kafka_topic_partition_list_new(static_cast<int>(batch.size())));
  const std::string input = context_.Topic(InputOf(stage_));
  for (const Request* request : batch) {
    auto* one = rd_kafka_topic_partition_list_add(offsets.get(), input.c_str(),
                                                  static_cast<int32_t>(request->work.partition));
    one->offset = static_cast<int64_t>(request->work.offset);
    // Freed with the list, by free().
    one->metadata = strndup(request->work.metadata.data(), request->work.metadata.size());
    one->metadata_size = request->work.metadata.size();
  }
  while (rd_kafka_error_t* error = rd_kafka_send_offsets_to_transaction(
             producer_->get(), offsets.get(), &metadata, kCallMs)) {
    if (!Again(error)) return Judge(error, "offsets");
    rd_kafka_error_destroy(error);
  }
  return Outcome::kDone;
}

KafkaCommitter::Outcome KafkaCommitter::End() {
  while (rd_kafka_error_t* error = rd_kafka_commit_transaction(producer_->get(), kCallMs)) {
    // Its effect is not known yet, and the same call finds out.
    if (!Again(error)) return Judge(error, "commit");
    rd_kafka_error_destroy(error);
  }
  return Outcome::kDone;
}

// The same call is to be made again.
bool KafkaCommitter::Again(const rd_kafka_error_t* error) {
  if (rd_kafka_error_is_retriable(error) == 0 || rd_kafka_error_txn_requires_abort(error) != 0 ||
      rd_kafka_error_is_fatal(error) != 0 || GivenUp())
    return false;
  context_.log.Write(LogLevel::kWarn, "waiting",
                     fmt::format("kafka transaction: {}; waiting", rd_kafka_error_string(error)));
  return true;
}

KafkaCommitter::Outcome KafkaCommitter::Abort() {
  aborts_.Add();
  while (rd_kafka_error_t* error = rd_kafka_abort_transaction(producer_->get(), kCallMs)) {
    const bool again = Again(error);
    context_.log.Write(LogLevel::kWarn, "abort",
                       fmt::format("kafka abort: {}", rd_kafka_error_string(error)));
    rd_kafka_error_destroy(error);
    if (again) continue;
    CloseProducer();  // the next one's start aborts what is open
    return Outcome::kAgain;
  }
  // Nothing may point into the records' payloads any more.
  if (rd_kafka_outq_len(producer_->get()) > 0) CloseProducer();
  return Outcome::kAgain;
}

KafkaCommitter::Outcome KafkaCommitter::Judge(rd_kafka_error_t* error, std::string_view step) {
  const KafkaError owned(error);
  const bool abort = rd_kafka_error_txn_requires_abort(error) != 0;
  const bool fatal = rd_kafka_error_is_fatal(error) != 0;
  context_.log.Write(
      LogLevel::kWarn, fmt::format("txn {} {}", step, rd_kafka_error_name(error)),
      "kafka " + KafkaFailure(fmt::format("{} transaction, {}", StageName(stage_), step),
                              rd_kafka_error_code(error), rd_kafka_error_string(error))
                     .message);
  // A commit that is over without an answer may have taken effect.
  if (step == "commit" && !abort) return Outcome::kUnknown;
  if (fatal) {
    CloseProducer();
    return Outcome::kAgain;
  }
  return Abort();
}

Result<void> KafkaCommitter::OpenProducer() {
  if (producer_) return {};
  auto client = KafkaClient::Open(
      fmt::format("{} producer", StageName(stage_)), RD_KAFKA_PRODUCER,
      // Packed columns have little left to find: zstd makes them 15 % smaller for twice the time.
      {{"compression.codec", "lz4"},
       {"linger.ms", "5"},
       {"batch.size", "1000000"},
       {"batch.num.messages", "100000"},
       {"message.max.bytes", std::to_string(kKafkaMessageBytes)},
       {"queue.buffering.max.kbytes", "1000000"},
       {"queue.buffering.max.messages", "1000000"},
       {"message.timeout.ms", kTransactionTimeoutMs},
       {"transaction.timeout.ms", kTransactionTimeoutMs}},
      context_.properties,
      {{"transactional.id", transactional_id_}, {"enable.idempotence", "true"}, {"acks", "all"}},
      {.delivered =
           [this](const rd_kafka_message_t& message) {
             if (message.err != RD_KAFKA_RESP_ERR_NO_ERROR)
               NoteFailure(
                   fmt::format("{} [{}]", rd_kafka_topic_name(message.rkt), message.partition),
                   message.err, static_cast<Request*>(message._private));
             else if (const auto append_ns = AppendTimeNs(message))
               context_.broker_clock.Note(*append_ns);
           },
       .rebalance = {}},
      context_.log);
  if (!client) return std::unexpected(std::move(client.error()));
  if (rd_kafka_error_t* error = rd_kafka_init_transactions((*client)->get(), kCallMs)) {
    const KafkaError owned(error);
    return std::unexpected(KafkaFailure(fmt::format("transactional id {}", transactional_id_),
                                        rd_kafka_error_code(error), rd_kafka_error_string(error)));
  }
  producer_ = std::move(*client);
  return {};
}

void KafkaCommitter::CloseProducer() {
  // Joins librdkafka's threads: nothing points into the records' payloads afterwards.
  producer_.reset();
}

}  // namespace weft::transport
