#include "engine/stitch/stitch_partition.h"

#include <algorithm>
#include <span>
#include <utility>

#include "engine/base/check.h"
#include "engine/stitch/stitch_impl.h"

namespace weft::stitch {

using transport::RecordType;
using transport::Stream;

namespace {

constexpr int64_t kCheckEvery = kSecond;
// From the last answer, when all has ended, to giving up on the oldest question.
constexpr int64_t kEndPatience = kSecond;
constexpr int64_t kCompactAge = 4 * kSecond;  // of records: most spans are through by then
// Watermarks are partitions^2 records: with many they are sent more seldom.
constexpr int64_t kWatermarkCost = 4 * kMillisecond;
// Past its bound a partition waits for those that have read less by more than this. Whoever has
// read least never waits, or all would: so it is well above what is not told yet of how far they
// have.
constexpr int64_t kAhead = 2 * kSecond;
// Where no agent speaks, one may be about to begin: its first batch reaches this far back.
constexpr int64_t kNewAgentLag = kSecond;

int64_t WatermarkEvery(const StitchConfig& config) {
  return std::max(config.watermark_every_ns, config.partitions * kWatermarkCost);
}

Networks ParsedNetworks(const StitchConfig& config) {
  auto networks = Networks::Parse(config.networks);
  WEFT_CHECK(networks.has_value());  // the configuration was validated
  return std::move(*networks);
}

}  // namespace

StitchPartition::Impl::Impl(const StitchConfig& config, uint32_t partition,
                            std::vector<ChainLink> chain, Metrics& metrics, Logger& logger)
    : config_(config),
      partition_(partition),
      logger_(logger),
      bad_records_(logger),
      count_(metrics),
      networks_(ParsedNetworks(config)),
      chain_(std::make_unique<CorrelatorChain>(std::move(chain), config, metrics, logger)),
      chain_learns_(chain_->learns()),
      chain_reads_ahead_(chain_->reads_ahead()),
      outbox_(partition, config.partitions),
      emitter_(rows_, outbox_, config.partitions),
      join_(config.partitions, config.links_horizon_ns, metrics),
      ledger_(partition),
      columns_(chain_->columns()) {}

// Whoever owns the partition next reads what is pending once more.
StitchPartition::Impl::~Impl() {
  count_.handed_over.Add(pending_);
  count_.pending.Add(0 - pending_);
  count_.Settle();
}

void StitchPartition::Impl::Tick(int64_t log_now) {
  log_now_ = std::max(log_now_, log_now);
  links_again_until_ns_ = INT64_MIN;
  ReadUpTo(log_now_);
  if (log_now_ < next_tick_ns_) return;
  next_tick_ns_ = log_now_ + kCheckEvery;
  CheckSilence();
  ForgetAnswers();
  ForgetLost();
  ForgetIdleProcesses();
}

// All events that were appended before are consumed.
void StitchPartition::Impl::ReadUpTo(int64_t log_time) {
  if (input_ns_ == INT64_MIN) {  // all is restored
    NoteAwaitedParents();
    for (const api::AgentTally& tally : ledger_.agents())
      if (tally.end == api::AgentEnd::kSpeaking ||
          (tally.end == api::AgentEnd::kLost &&
           tally.spoken_ns > log_time - config_.links_horizon_ns))
        agents_.Expect(tally, log_time);
  }
  input_ns_ = std::max(input_ns_, log_time);
  outbox_.ReadUpTo(input_ns_);
}

// What must go on in a backlog too.
void StitchPartition::Impl::KeepGoing() {
  if (log_now_ >= next_check_ns_) {
    next_check_ns_ = log_now_ + kCheckEvery;
    CheckDeadlines();
    count_.compacted_bytes.Add(rows_.Compact(input_ns_ - kCompactAge));
  }
  if (input_ns_ != INT64_MIN && (input_ns_ >= next_watermark_ns_ || finished_)) {
    next_watermark_ns_ = input_ns_ + WatermarkEvery(config_);
    ComputeWatermarks();
    outbox_.TellHowFar();
  }
}

void StitchPartition::Impl::CheckSilence() {
  for (size_t i = 0; i < agents_.size(); ++i) {
    Agent& a = agents_[static_cast<uint32_t>(i)];
    if (a.gone() || a.lost_announced || log_now_ - a.last_append_ns < config_.agent_silence_ns)
      continue;
    a.lost_announced = true;
    outbox_.Raw({Stream::kEvents, partition_, RecordType::kAgentLost, a.id,
                 api::EncodeAgentLost({a.id, a.host_id, a.watermark_ns})});
  }
}

// An answer is overdue when all partitions had read on so long ago: behind a backlog it has the
// time that it takes, however much the log's times go on meanwhile. Where some partition reads
// nothing at all, patience ends.
void StitchPartition::Impl::CheckDeadlines() {
  const int64_t passed = join_.watermark();
  if (passed > patience_watermark_ns_ || log_now_ < patience_since_ns_) {
    patience_watermark_ns_ = passed;
    patience_since_ns_ = log_now_;
  }
  const bool stuck = log_now_ - patience_since_ns_ >= config_.answer_patience_ns;
  int64_t appended_by = stuck ? log_now_ - config_.answer_patience_ns
                              : join_.WatermarkBefore(config_.answer_deadline_ns);
  // At the end all was heard: what waits on waits for itself, or for what was lost. The oldest is
  // given up first, as others may hang on it.
  if (finished_ && passed == INT64_MAX && log_now_ - patience_since_ns_ >= kEndPatience) {
    appended_by = INT64_MAX;
    asking_.ForEach([&](uint64_t, uint32_t number) {
      if (number == kNone) return;
      appended_by = std::min(appended_by, rows_.batch(rows_[number].batch).append_ns + 1);
    });
  }
  const auto is_overdue = [&](const HeldBatch& b) { return b.append_ns < appended_by; };
  if (!rows_.HoldsAny(is_overdue)) return;
  std::vector<uint64_t> overdue;
  asking_.ForEach([&](uint64_t wire, uint32_t number) {
    if (number != kNone && is_overdue(rows_.batch(rows_[number].batch))) overdue.push_back(wire);
  });
  if (stuck) count_.answer_patience.Add(overdue.size());
  for (const uint64_t wire : overdue) {
    const uint32_t number = std::exchange(asking_[wire], kNone);
    answer_ages_.emplace_back(log_now_, wire);
    const auto give_up = [this](uint32_t asker) {
      count_.answer_deadline.Add();
      rows_[asker].flags |= WEFT_FLAG_DEADLINE;
      AnswerServer(asker, 0, {});
    };
    give_up(number);
    for (const uint32_t other : TakeSameKeys(wire)) give_up(other);
  }
}

void StitchPartition::Impl::ForgetIdleProcesses() {
  for (Process& p : processes_) {
    if (p.forgotten || !p.buckets.empty() || !p.before.empty() ||
        p.last_log_ns > input_ns_ - config_.process_idle_ns)
      continue;
    p.forgotten = true;
    p.unsaved = false;
    chain_->Forget(p.id);
    for (const ChainLink& link : chain_->links())
      if (link.table->save != nullptr)
        outbox_.Raw({Stream::kState, partition_, RecordType::kCorrelatorState,
                     HashCombine(p.id, HashText(link.name)), nullptr});
  }
}

void StitchPartition::Impl::SettleLinks() {
  if (links_again_until_ns_ == INT64_MIN) join_.Settle(log_now_, &answers_);
  for (const LinkAnswer& a : answers_)
    outbox_.Answer(a.partition, a.wire_id, a.span_id, a.trace_hi, a.trace_lo, a.flags);
  answers_.clear();
}

void StitchPartition::Impl::ComputeWatermarks() {
  if (cancelled_) return;  // there are windows that should have been decided by now
  const int64_t base =
      finished_ ? INT64_MAX : agents_.LogWatermark(input_ns_ - config_.grace_ns - kNewAgentLag);
  if (base == INT64_MIN) return;  // an agent that the owner before knew did not speak yet
  watermark_lag_ns_ = finished_ ? 0 : log_now_ - base;
  int64_t links = base;
  // A call that is not offered yet holds its trace's roots back, for a while.
  std::erase_if(provisional_calls_, [this](const OpenRow& o) {
    return rows_[o.row].age != o.age || rows_[o.row].is(kFinalId);
  });
  for (const OpenRow& o : provisional_calls_) {
    const Row& r = rows_[o.row];
    const int64_t start = r.start_ns + rows_.batch(r.batch).log_offset_ns - config_.grace_ns;
    if (start > input_ns_ - config_.agent_silence_ns) links = std::min(links, start);
  }
  const int64_t pending = rows_.OldestPendingStart(INT64_MAX);
  const int64_t spans = pending == INT64_MAX ? base : std::min(base, pending - config_.grace_ns);
  outbox_.Watermarks(links, spans, finished_ ? 0 : LostWithin(links));
}

// How much of that watermark is without agents that fell silent and may come back: for as long as
// the links remember who asked.
int64_t StitchPartition::Impl::LostWithin(int64_t watermark) const {
  const int64_t horizon = config_.links_horizon_ns;
  const int64_t with_lost = agents_.WatermarkWithLost(watermark, input_ns_ - horizon);
  return with_lost <= watermark - horizon ? horizon : std::max<int64_t>(watermark - with_lost, 0);
}

void StitchPartition::Impl::Finish(int64_t log_now) {
  log_now_ = std::max(log_now_, log_now);
  ReadUpTo(log_now_);
  finished_ = true;
  for (size_t i = 0; i < agents_.size(); ++i) {
    const auto number = static_cast<uint32_t>(i);
    EndOpenRows(number, WEFT_FLAG_OPEN_AT_EXIT);
    agents_[number].last = true;
    Advance(agents_[number]);
  }
}

bool StitchPartition::Impl::Idle() const {
  return rows_.pending() == 0 && join_.waiting() == 0 && emitter_.empty() && answers_.empty() &&
         outbox_.empty();
}

void StitchPartition::Impl::FlushEmitted() {
  emitter_.Flush([this](std::span<const SortItem> rows) {
    for (const SortItem& row : rows) NoteEmitted(row.value);
  });
}

void StitchPartition::Impl::NoteEmitted(uint32_t number) {
  Row& r = rows_[number];
  r.state &= static_cast<uint16_t>(~kEmitQueued);
  rows_.MarkEmitted(number, r.open() ? kEmittedOpen : kEmitted);
  WriteLabel(r);
  if (r.open()) return count_.emitted_open.Add();
  count_.emitted.Add();
  ledger_.CountEmitted(rows_.EndIsForced(number));
  count_.pending.Add(UINT64_MAX);  // one less
  --pending_;
  QueueFree(number);
}

void StitchPartition::Impl::FlushLabels() {
  const size_t n = label_queue_.size();
  for (size_t i = 0; i < n; ++i) {
    if (i + kPrefetch < n) rows_.PrefetchRow(label_queue_[i + kPrefetch]);
    if (Row& r = rows_[label_queue_[i]]; r.is(kLogQueued)) WriteLabel(r);
  }
  label_queue_.clear();
}

// What the log does not say of the row yet.
void StitchPartition::Impl::WriteLabel(Row& r) {
  r.state &= static_cast<uint16_t>(~kLogQueued);
  uint8_t what = 0;
  if (r.is(kDecided) && (!r.is(kLogParent) || (r.is(kTraced) && !r.is(kResolved))))
    what |= api::kLabelParent;
  if (r.is(kResolved) && !r.is(kLogTrace)) what |= api::kLabelTrace;
  if (r.is(kEmitted)) what |= api::kLabelEmitted;
  if (r.is(kEmittedOpen)) what |= api::kLabelEmittedOpen;
  if (what == 0) return;
  const bool local = (what & api::kLabelParent) != 0 && !r.server() && r.parent != kNone;
  outbox_.Label(what, r.exchange, r.span_id, r.parent_id, local ? rows_[r.parent].exchange : 0,
                r.trace_hi, r.trace_lo, r.confidence, r.evidence, r.flags);
  if (r.is(kDecided)) r.state |= kLogParent;
  if (r.is(kResolved)) r.state |= kLogTrace;
}

void StitchPartition::Impl::FlushFrees() {
  const size_t n = free_queue_.size();
  for (size_t i = 0; i < n; ++i) {
    if (i + 2 * kPrefetch < n) rows_.PrefetchRow(free_queue_[i + 2 * kPrefetch]);
    if (i + kPrefetch < n) rows_.PrefetchIndex(rows_[free_queue_[i + kPrefetch]].exchange);
    const uint32_t number = free_queue_[i];
    Row& r = rows_[number];
    r.state &= static_cast<uint16_t>(~kFreeQueued);
    constexpr uint16_t kHeld = kRetained | kUndecidedWindow | kEmitQueued | kLogQueued;
    if (!r.is(kEmitted) || (r.state & kHeld) != 0) continue;
    if (r.candidates != kNone) emitter_.DropCandidates(r.candidates);
    if ((r.flags & WEFT_FLAG_AGENT_LOST) != 0) KeepLost(r);
    rows_.Free(number);
  }
  free_queue_.clear();
}

transport::Transaction StitchPartition::Impl::TakeTransaction() {
  SettleLinks();
  KeepGoing();
  FlushEmitted();
  FlushLabels();
  FlushFrees();
  transport::Transaction tx;
  outbox_.Take(&tx);
  const int64_t pins_from = input_ns_ == INT64_MIN ? INT64_MIN : input_ns_ - config_.max_pin_ns;
  const uint64_t offset =
      OffsetToLearnAgain(pins_from, rows_.OldestOffset(pins_from, next_offset_));
  ledger_.Settle(offset);
  if (auto ledger = ledger_.TakeRecord())
    tx.out.push_back({Stream::kState, partition_, RecordType::kStageLedger, api::StageLedgerKey(1),
                      std::move(ledger)});
  if (offset > committed_) {
    committed_ = offset;
    tx.commit_offset = offset;
  }
  // What is older the join has forgotten; where that is not known yet, all there is.
  tx.links_from_ns = std::max<int64_t>(join_.WatermarkBefore(config_.links_horizon_ns), 0);
  return tx;
}

size_t StitchPartition::Impl::BufferedBytes() const {
  return rows_.MemoryBytes() + emitter_.MemoryBytes() + asking_.MemoryBytes() +
         kept_answers_.MemoryBytes() + join_.MemoryBytes();
}

bool StitchPartition::Impl::WantsInput() {
  const size_t bound = AllowedNow(config_.share, config_.max_bytes);
  if (measured_bytes_ + unmeasured_bytes_ <= bound) return true;
  measured_bytes_ = rows_.HeldBytes();
  unmeasured_bytes_ = 0;
  if (measured_bytes_ <= bound) return true;
  const int64_t allowed = std::max(kAhead, 2 * WatermarkEvery(config_));
  const bool ahead = join_.OthersRead(partition_) < input_ns_ - allowed;
  (ahead ? count_.input_held : count_.over_bytes).Add();
  return !ahead;
}

StitchPartition::StitchPartition(const StitchConfig& config, uint32_t partition,
                                 std::vector<ChainLink> chain, Metrics& metrics, Logger& logger)
    : impl_(std::make_unique<Impl>(config, partition, std::move(chain), metrics, logger)) {}
StitchPartition::~StitchPartition() = default;
void StitchPartition::TookOver(int64_t log_now) { impl_->TookOver(log_now); }
void StitchPartition::Restore(const transport::Record& record) {
  impl_->Restore(record);
  impl_->SettleCounters();
}
void StitchPartition::Consume(const transport::Record& record) {
  impl_->Consume(record);
  impl_->SettleCounters();
}
void StitchPartition::Tick(int64_t log_now) {
  impl_->Tick(log_now);
  impl_->SettleCounters();
}
void StitchPartition::Finish(int64_t log_now) {
  impl_->Finish(log_now);
  impl_->SettleCounters();
}
void StitchPartition::Cancel() { impl_->Cancel(); }
void StitchPartition::SaveStates() { impl_->SaveStates(); }
void StitchPartition::Replace(std::vector<ChainLink> chain, Metrics& metrics) {
  impl_->Replace(std::move(chain), metrics);
}
bool StitchPartition::Idle() const { return impl_->Idle(); }
transport::Transaction StitchPartition::TakeTransaction() {
  transport::Transaction tx = impl_->TakeTransaction();
  impl_->SettleCounters();
  return tx;
}
size_t StitchPartition::BufferedSpans() const { return impl_->BufferedSpans(); }
size_t StitchPartition::BufferedBytes() const { return impl_->BufferedBytes(); }
bool StitchPartition::WantsInput() {
  const bool wants = impl_->WantsInput();
  impl_->SettleCounters();
  return wants;
}
size_t StitchPartition::OpenWindows() const { return impl_->OpenWindows(); }
size_t StitchPartition::PendingLinks() const { return impl_->PendingLinks(); }
int64_t StitchPartition::WatermarkLagNs() const { return impl_->WatermarkLagNs(); }

}  // namespace weft::stitch
