#include "engine/transport/kafka_owner.h"

#include <algorithm>
#include <map>
#include <utility>

#include <fmt/format.h>

#include "engine/api/codec.h"

namespace weft::transport {
namespace {

constexpr int64_t kStableWait = 1500 * kMillisecond;  // markers take some tens of milliseconds
constexpr size_t kReadBackBytes = size_t{4} << 20;
constexpr size_t kDeadBytes = size_t{4} << 20;  // kept for the stage's next commit
constexpr int64_t kFirstWait = 15 * kSecond;
constexpr int64_t kReadBackWait = 60 * kSecond;  // without any progress
constexpr int64_t kWaitSlice = 50 * kMillisecond;

std::vector<std::pair<Stream, uint32_t>> Inputs(Stage stage, uint32_t partition) {
  if (stage == Stage::kTrace) return {{Stream::kSpans, partition}};
  return {{Stream::kEvents, partition}, {Stream::kLinks, partition}};
}

}  // namespace

KafkaOwner::KafkaOwner(KafkaContext& context, std::shared_ptr<KafkaStage> stage, uint32_t partition,
                       uint64_t tenure, KafkaWatch& watch, ReadSignal& readable)
    : context_(context),
      stage_(std::move(stage)),
      partition_(partition),
      tenure_(tenure),
      watch_(watch),
      readable_(readable),
      input_(InputOf(stage_->stage)),
      unreadable_(context.metrics.Get("kafka.unreadable")),
      unreadable_repeated_(context.metrics.Get("kafka.unreadable_repeated")),
      expired_(context.metrics.Get("kafka.expired_records")),
      lag_(context.metrics.Get(
          fmt::format("kafka.lag{{stage={},partition={}}}", StageName(stage_->stage), partition))),
      ends_(std::make_shared<WatchedEnds>(Inputs(stage_->stage, partition))) {
  stage_->committer->Enter();
}

KafkaOwner::~KafkaOwner() {
  stage_->committer->Leave();
  lag_.Set(0);
}

Result<std::unique_ptr<KafkaOwner>> KafkaOwner::TakeOver(KafkaContext& context,
                                                         std::shared_ptr<KafkaStage> stage,
                                                         uint32_t partition, KafkaWatch& watch,
                                                         ReadSignal& readable) {
  const uint64_t tenure = stage->group->Tenure(partition);
  if (tenure == 0)
    return Fail(Code::kFenced, context.Name(InputOf(stage->stage), partition) +
                                   ": the group has not given it to this member");
  std::unique_ptr<KafkaOwner> owner(
      new KafkaOwner(context, std::move(stage), partition, tenure, watch, readable));
  WEFT_TRY(owner->FindStart());
  WEFT_TRY(owner->Announce());
  WEFT_TRY(owner->StartReading());
  watch.Add(owner->ends_);
  return owner;
}

Result<void> KafkaOwner::FindStart() {
  auto committed = stage_->group->CommittedOffset(partition_, kStableWait);
  if (!committed) {
    stage_->fence->EndLastOwner(partition_);
    committed = stage_->group->CommittedOffset(partition_);
  }
  if (!committed) return std::unexpected(std::move(committed.error()));
  auto first = watch_.Earliest(input_, partition_);
  if (!first) return std::unexpected(std::move(first.error()));
  auto end = watch_.End(input_, partition_);
  if (!end) return std::unexpected(std::move(end.error()));
  generation_ = std::max(StoredGeneration(committed->metadata) + 1,
                         static_cast<uint64_t>(context_.clock.UnixNs() / kMillisecond));
  links_from_ns_ = StoredLinksFrom(committed->metadata);
  dead_ends_ = StoredDead(committed->metadata);
  start_offset_ = committed->offset.value_or(*first);
  if (start_offset_ > *end || start_offset_ < *first) {
    expired_.Add(start_offset_ < *first ? *first - start_offset_ : 0);
    context_.log.Write(
        LogLevel::kError, "expired",
        fmt::format("{}: offset {} was committed, but the log has {} to {}: records were deleted "
                    "before they were read (raise the topic's retention)",
                    context_.Name(input_, partition_), start_offset_, *first, *end));
    start_offset_ = *first;
  }
  committed_ = decided_ = handed_out_ = start_offset_;
  return {};
}

// From here on the offset carries the new generation.
Result<void> KafkaOwner::Announce() {
  const Stream log = stage_->stage == Stage::kStitch ? Stream::kLabels : Stream::kDecisions;
  return CommitWork({OutRecord{log, partition_, kTakeOver, 0, nullptr}}, start_offset_);
}

Result<void> KafkaOwner::StartReading() {
  auto end = watch_.End(input_, partition_);
  if (!end) return std::unexpected(std::move(end.error()));
  auto input = stage_->reader->Start(input_, partition_, start_offset_, &readable_);
  if (!input) return std::unexpected(std::move(input.error()));
  input_reader_ = std::move(*input);
  // The oldest record that is not decided says how far back the horizon is.
  const int64_t deadline = context_.clock.MonotonicNs() + kFirstWait;
  std::vector<Unreadable> unreadable;
  while (first_.empty() && input_reader_->position() < *end &&
         context_.clock.MonotonicNs() < deadline) {
    WEFT_TRY(input_reader_->Read(1, &first_, &unreadable));
    if (first_.empty() && input_reader_->position() < *end) readable_.WaitFor(kWaitSlice);
  }
  Bury(std::move(unreadable));
  int64_t oldest_ns = context_.broker_clock.NowNs();
  if (!first_.empty()) oldest_ns = std::min(oldest_ns, first_.front().append_ns);
  back_to_ns_ = oldest_ns - context_.options.horizon_ns;
  readable_.Notify();
  if (stage_->stage != Stage::kStitch) return {};

  auto links_end = watch_.End(Stream::kLinks, partition_);
  if (!links_end) return std::unexpected(std::move(links_end.error()));
  // Others may be further behind than this partition is: who they ask for is in older links.
  const int64_t links_back_to_ns = std::min(back_to_ns_, links_from_ns_);
  auto from = watch_.OffsetAt(Stream::kLinks, partition_, links_back_to_ns, *links_end);
  if (!from) return std::unexpected(std::move(from.error()));
  auto links = stage_->reader->Start(Stream::kLinks, partition_, *from, &readable_);
  if (!links) return std::unexpected(std::move(links.error()));
  links_reader_ = std::move(*links);
  return {};
}

Result<void> KafkaOwner::ReadBack(Stream log, const std::function<void(const Record&)>& visit) {
  auto end = watch_.End(log, partition_);
  if (!end) return std::unexpected(std::move(end.error()));
  auto from = log == Stream::kState ? watch_.Earliest(log, partition_)
                                    : watch_.OffsetAt(log, partition_, back_to_ns_, *end);
  if (!from) return std::unexpected(std::move(from.error()));
  ReadSignal readable;
  auto reader = stage_->reader->Start(log, partition_, *from, &readable);
  if (!reader) return std::unexpected(std::move(reader.error()));
  std::vector<Record> records;
  std::vector<Unreadable> unreadable;
  std::map<uint64_t, Record> newest;  // of kState, whatever compaction has left
  int64_t deadline = context_.clock.MonotonicNs() + kReadBackWait;
  while ((*reader)->position() < *end) {
    records.clear();
    WEFT_TRY((*reader)->Read(kReadBackBytes, &records, &unreadable));
    for (Record& record : records) {
      if (record.offset >= *end) break;
      if (log != Stream::kState)
        visit(record);
      else
        newest[record.key] = std::move(record);
    }
    if ((*reader)->bytes() > 0) {
      deadline = context_.clock.MonotonicNs() + kReadBackWait;
      continue;
    }
    if (context_.clock.MonotonicNs() >= deadline)
      return Fail(Code::kIo,
                  fmt::format("{}: reading back stands at offset {} of {}",
                              context_.Name(log, partition_), (*reader)->position(), *end));
    readable.WaitFor(kWaitSlice);
  }
  for (const auto& [key, record] : newest)
    if (record.payload != nullptr) visit(record);
  Bury(std::move(unreadable));
  return {};
}

Result<void> KafkaOwner::Poll(size_t max_bytes, std::vector<Record>* out) {
  if (stage_->group->Tenure(partition_) != tenure_)
    return Fail(Code::kFenced, context_.Name(input_, partition_) + " was taken from this member");
  const size_t before = out->size();
  std::vector<Unreadable> unreadable;
  size_t bytes = 0;
  // Links first: they are small, and answers free more than observations do.
  if (links_reader_) {
    WEFT_TRY(links_reader_->Read(max_bytes, out, &unreadable));
    bytes += links_reader_->bytes();
  }
  if (!held_) {
    for (Record& record : first_) {
      bytes += record.payload->bytes().size();
      out->push_back(std::move(record));
    }
    first_.clear();
    WEFT_TRY(input_reader_->Read(max_bytes > bytes ? max_bytes - bytes : 1, out, &unreadable));
  }
  for (size_t i = before; i < out->size(); ++i)
    if ((*out)[i].stream == input_) handed_out_ = (*out)[i].offset + 1;
  Bury(std::move(unreadable));
  CheckCaughtUp();
  // A stage that was given nothing commits nothing; nor may a flood of them wait for it in memory.
  if (!dead_.empty() && (out->size() == before || dead_bytes_ >= kDeadBytes))
    return CommitWork({}, decided_);
  return {};
}

void KafkaOwner::CheckCaughtUp() {
  const WatchedEnds::Snapshot newest = ends_->Newest();
  if (newest.ends.empty()) return;
  const uint64_t positions[] = {input_reader_->position(),
                                links_reader_ ? links_reader_->position() : 0};
  lag_.Set(newest.ends[0] - std::min(newest.ends[0], positions[0]));
  const auto told = told_.Look(newest, {positions, newest.ends.size()});
  if (told && !held_ && first_.empty()) caught_up_ns_ = told;
}

void KafkaOwner::Bury(std::vector<Unreadable> unreadable) {
  for (Unreadable& one : unreadable) {
    DeadEnd& newest = dead_ends_[one.stream];
    if (one.offset < newest.end && one.append_ns <= newest.append_ns) {
      unreadable_repeated_.Add();
      continue;
    }
    newest = {one.offset + 1, one.append_ns};
    unreadable_.Add();
    context_.log.Write(LogLevel::kWarn, "unreadable",
                       fmt::format("{} offset {}: {}", context_.Name(one.stream, one.partition),
                                   one.offset, one.reason));
    dead_.push_back(
        {Stream::kDead, partition_, RecordType::kDeadRecord, 0,
         api::EncodeDead({static_cast<uint8_t>(one.stream), one.partition, one.offset, one.reason,
                          one.bytes ? one.bytes->bytes() : std::string_view()})});
    dead_bytes_ += dead_.back().payload->bytes().size();
  }
}

Result<void> KafkaOwner::Commit(Transaction transaction) {
  const uint64_t offset = transaction.commit_offset.value_or(decided_);
  if (offset < decided_ || offset > input_reader_->position())
    return Fail(Code::kInvalid, "commit: offset outside of what was read");
  for (const OutRecord& out : transaction.out)
    if (out.partition >= context_.partitions)
      return Fail(Code::kInvalid, "commit: no such partition");
  if (transaction.links_from_ns != INT64_MIN &&
      (links_from_ns_ == INT64_MAX || transaction.links_from_ns > links_from_ns_))
    links_from_ns_ = transaction.links_from_ns;
  return CommitWork(std::move(transaction.out), offset);
}

Result<void> KafkaOwner::CommitWork(std::vector<OutRecord> out, uint64_t decided) {
  for (OutRecord& dead : std::exchange(dead_, {})) out.push_back(std::move(dead));
  dead_bytes_ = 0;
  uint64_t offset = std::max(decided, committed_);
  // Where all that was handed out is decided, what was not for the stage is over with it.
  if (input_reader_ && first_.empty() && decided >= handed_out_)
    offset = std::max(offset, input_reader_->position());
  auto done = stage_->committer->Commit(
      {partition_, tenure_, offset,
       OffsetMetadata(generation_, stage_->committer->id(), links_from_ns_, dead_ends_),
       std::move(out)});
  if (!done) return Context(std::move(done.error()), context_.Name(input_, partition_));
  decided_ = decided;
  committed_ = offset;
  return {};
}

}  // namespace weft::transport
