// The state of one stage 1 partition. Only engine/stitch/*.cc include this; see stitch_partition.h
// for the contract and ARCHITECTURE.md for the rules. A row goes through
//
//   Admit -> Announce (its id is final: exists, want, or root) -> Decide (calls, by window)
//         -> SetTrace -> Resolve (children are told) -> emit -> free
//
// in whatever order the facts come in; each step is taken once. One thread.
#pragma once

#include <atomic>
#include <compare>
#include <deque>
#include <map>
#include <memory>
#include <type_traits>
#include <unordered_map>
#include <utility>
#include <vector>

#include "engine/api/ids.h"
#include "engine/base/quiet_warnings.h"
#include "engine/stitch/agent_table.h"
#include "engine/stitch/correlator_chain.h"
#include "engine/stitch/link_join.h"
#include "engine/stitch/networks.h"
#include "engine/stitch/outbox.h"
#include "engine/stitch/partition_ledger.h"
#include "engine/stitch/row_store.h"
#include "engine/stitch/span_emitter.h"
#include "engine/stitch/stitch_partition.h"
#include "engine/stitch/tally.h"
#include "engine/stitch/window_columns.h"

namespace weft::stitch {

inline constexpr size_t kPrefetch = 16;  // this many entries ahead

struct StitchCounters {
  explicit StitchCounters(Metrics& m);
  void Settle();
  Tally records, dead, dead_repeated, duplicate_batches, sequence_gaps;
  Tally spans, ended_by_engine, emitted, emitted_open, pending, handed_over, duplicates;
  Tally late, windows, calls, unlinked, roots, answers, late_answers;
  Tally answer_deadline, answer_patience, same_keys, context_conflicts, untrusted_context,
      agents_lost, sdk_spans;
  Tally input_held, over_bytes;
  Tally restored, relearned, relearned_otherwise, compacted_bytes;
};

struct Process {
  uint64_t id = 0;
  int64_t decided_ns = INT64_MIN;
  int64_t last_log_ns = 0;
  bool forgotten = false;
  bool carries_context = false;  // some row of it did
  // Decided by an owner before this one: windows up to here are only learned from again.
  int64_t logged_ns = INT64_MIN;
  int64_t learned_ns = INT64_MIN;  // end of the last window that was learned from
  bool unsaved = false;            // since the state was saved, and learning that again needs
  uint64_t needs_offset = 0;       // the input from here on,
  int64_t needs_append_ns = 0;     // which was appended then
  std::map<int64_t, std::vector<uint32_t>> buckets;  // window number -> undecided rows
  std::vector<uint32_t>* bucket = nullptr;           // the one used last, of the window that
  int64_t bucket_ns = 0;                             // begins then
  std::vector<uint32_t> before;  // decided rows that later windows need, by (start, exchange)
  std::vector<uint32_t> late;    // calls that came too late for their window
  std::vector<uint32_t> agents;
};

static_assert(std::is_nothrow_move_constructible_v<Process>);  // `bucket` stays good

// A decision that was read back from weft.labels.
struct LoggedLabel {
  uint64_t span_id = 0, parent_id = 0, parent_exchange = 0, trace_hi = 0, trace_lo = 0;
  float confidence = 0;
  uint32_t evidence = 0, flags = 0;
  uint8_t what = 0;
};

// A span id that some row's trace context names: who had it first in its process.
struct SeenContext {
  uint64_t span_id = 0;
  uint8_t call = 0;  // requests come first: what came in was not made here
  int64_t start_ns = 0;
  uint64_t exchange = 0;
  friend auto operator<=>(const SeenContext&, const SeenContext&) = default;
};

class StitchPartition::Impl {
 public:
  Impl(const StitchConfig& config, uint32_t partition, std::vector<ChainLink> chain,
       Metrics& metrics, Logger& logger);
  ~Impl();

  void TookOver(int64_t log_now) { links_again_until_ns_ = log_now; }
  void Restore(const transport::Record& record);
  void Consume(const transport::Record& record);
  void Tick(int64_t log_now);
  void Finish(int64_t log_now);
  void Cancel() { cancelled_ = true; }
  void SettleCounters() { count_.Settle(); }
  void SaveStates();
  void Replace(std::vector<ChainLink> chain, Metrics& metrics);
  bool Idle() const;
  transport::Transaction TakeTransaction();
  size_t BufferedSpans() const { return rows_.size(); }
  size_t BufferedBytes() const;
  bool WantsInput();
  size_t OpenWindows() const { return open_windows_; }
  size_t PendingLinks() const { return join_.waiting(); }
  int64_t WatermarkLagNs() const { return watermark_lag_ns_; }

 private:
  void CountPending() {
    ++pending_;
    count_.pending.Add();
  }

  // stitch_admit.cc: records in.
  void ConsumeEvents(const transport::Record& record);
  void ConsumeAgentLost(const transport::Record& record);
  void ConsumeLinks(const transport::Record& record);
  void NoteSilence(int64_t append_ns);
  void LoseAgent(uint32_t number);
  void Dead(const transport::Record& record, const Error& error);
  // stitch_count.cc
  void CountBatch(const api::EventHeader& header, uint64_t ended);
  void KeepAgentLedger(const api::EventHeader& header);
  void AdmitRows(uint32_t batch, uint32_t agent);
  void AdmitNew(uint32_t number, uint32_t batch, uint32_t at, uint32_t agent);
  void AdmitAgain(uint32_t number, uint32_t batch, uint32_t at, uint32_t agent);
  void Place(uint32_t number, uint32_t process, bool too_late_for_windows);
  void ReadColumns(Row& row, uint32_t at);
  void NoteEnd(uint32_t number);
  uint32_t ProcessOf(uint32_t batch, uint32_t process, uint32_t agent);
  void EndOpenRows(uint32_t agent, uint32_t flag);
  void AdoptOrphans(uint32_t parent);

  // stitch_known.cc: what the logs say about rows that are still to be read.
  bool ApplyLogged(uint32_t number, bool* emitted);
  struct KnownTrace {
    uint64_t span_id = 0;  // 0: not known yet
    api::TraceId trace;
  };
  void NoteAwaitedParents();
  const KnownTrace* FindGoneParent(const LoggedLabel& l) const;
  void KeepLost(const Row& row);
  void ForgetLost();
  bool TakeBackEnd(uint32_t number);

  // stitch_decide.cc: windows.
  int64_t WatermarkOf(const Process& process) const;
  bool MayBeIncomplete(const Process& process, int64_t until_ns) const;
  void Advance(Agent& agent);
  void DecideUpTo(uint32_t process, int64_t watermark);
  void DecideWindow(uint32_t process, int64_t window, std::vector<uint32_t> bucket);
  void SortByStart(std::vector<uint32_t>& numbers);
  void DecideLate(uint32_t process);
  void DecideMembers(int64_t horizon_ns);
  void NoteContexts();
  void ApplyDecision(const LinkDecision& decision, const LinkDecider& decider);
  void Unlink(uint32_t number);
  void LinkTo(uint32_t child, uint32_t parent);
  void Retain(Process& process, uint32_t number, int64_t from_ns);
  void PruneBefore(Process& process, int64_t from_ns);
  void SaveState(Process& process);
  void SaveIfDue(Process& process, int64_t next_ns);
  void HoldInput(Process& process, const std::vector<uint32_t>& bucket);
  uint64_t OffsetToLearnAgain(int64_t not_before, uint64_t next) const;

  // stitch_resolve.cc: ids and traces.
  uint8_t PeerOf(const HeldBatch& batch, uint32_t address);
  // Inside the networks, or an address of a host with an agent.
  bool PeerIsCovered(const Row& r);
  void Announce(uint32_t number);
  void AnnounceServer(uint32_t number);
  void Offer(const Row& row, uint64_t trace_hi, uint64_t trace_lo);
  void Ask(uint32_t number, uint64_t key, uint32_t flags);
  void AskByWire(uint32_t number);
  std::vector<uint32_t> TakeSameKeys(uint64_t key);
  void SettleRoot(uint32_t number);
  // Trace ids by reference: by value they are stored by halves and loaded whole, and such a load
  // waits until every store before it has reached the cache.
  void OnAnswer(uint64_t wire_id, uint64_t span_id, const api::TraceId& trace, uint32_t flags);
  void AnswerServer(uint32_t number, uint64_t span_id, const api::TraceId& trace,
                    uint32_t flags = 0);
  void KeepAnswer(uint64_t key, uint64_t span_id, api::TraceId trace, uint32_t flags);
  void ForgetAnswers();
  void SetTrace(uint32_t number, const api::TraceId& trace);
  void TryResolve(uint32_t number);
  void MaybeEmit(uint32_t number);
  void AdoptSdkId(uint32_t child);
  void QueueLabel(uint32_t number);
  void QueueFree(uint32_t number);
  void EmitLongOpen(Agent& agent);

  // stitch_partition.cc: time and transactions.
  void ReadUpTo(int64_t log_time);
  void KeepGoing();
  void FlushEmitted();
  void NoteEmitted(uint32_t number);
  void FlushLabels();
  void WriteLabel(Row& row);
  void FlushFrees();
  void SettleLinks();
  void CheckDeadlines();
  void CheckSilence();
  void ForgetIdleProcesses();
  void ComputeWatermarks();
  int64_t LostWithin(int64_t watermark) const;

  uint64_t WireOf(const Row& row) const {
    if (row.no_wire) return 0;
    // Rather than from its record, which is long out of the cache.
    if (row.wire_span && row.span_id != 1)
      return api::WireIdOf(row.span_id, row.server() ? api::Side::kServer : api::Side::kClient);
    return rows_.Columns(row).wire_id[row.row];
  }
  uint64_t OptionOf(const Row& row) const { return rows_.Columns(row).option_id[row.row]; }

  const StitchConfig config_;
  const uint32_t partition_;
  Logger& logger_;
  QuietWarnings bad_records_;
  StitchCounters count_;
  Networks networks_;
  std::unique_ptr<CorrelatorChain> chain_;  // never null
  bool chain_learns_, chain_reads_ahead_;
  RowStore rows_;
  Outbox outbox_;
  SpanEmitter emitter_;
  AgentTable agents_;
  LinkJoin join_;
  PartitionLedger ledger_;
  FlatMap<int64_t> agent_ledgers_;  // agent id -> log time when its totals were kept
  bool counting_ = false;           // the batch in hand was never counted before
  WindowColumns columns_;

  std::vector<Process> processes_;
  FlatMap<uint32_t> process_by_id_;
  FlatMap<uint32_t> asking_;  // wire or option id -> server row that waits for an answer
  std::unordered_multimap<uint64_t, uint32_t> same_keys_;  // further ones, that should not be
  // Answers that nobody here has asked for yet: after a take-over the links are read again, maybe
  // before the request that will ask, and their partition may have forgotten them by then.
  struct KeptAnswer {
    uint64_t span_id = 0;
    api::TraceId trace;
    uint32_t flags = 0;
  };
  FlatMap<KeptAnswer> kept_answers_;
  std::deque<std::pair<int64_t, uint64_t>> answer_ages_;  // log time, key: when they may go
  std::vector<SeenContext> contexts_;       // of the view that is being decided, sorted
  std::vector<OpenRow> provisional_calls_;  // calls whose wire id is not known yet
  static constexpr uint8_t kPeerKnown = 1, kPeerInside = 2, kPeerCovered = 4;
  std::vector<uint8_t> peers_;  // of the strings of the batch with this serial
  uint64_t peers_of_ = 0;
  std::vector<Member> members_;
  // The columns of the record that is being admitted which every row is asked for.
  struct Admitted {
    std::vector<uint64_t> exchange, wire_id;
    std::vector<int64_t> start_ns;
    std::vector<uint32_t> flags, process;
    std::vector<uint8_t> kind;
    void Read(const api::EventColumns& from);
  };
  Admitted admitted_;
  std::vector<SortItem> sort_items_, sort_scratch_;
  std::vector<uint32_t> dirty_processes_;  // with late calls
  std::vector<uint32_t> label_queue_, free_queue_;
  api::LinkBatch link_batch_;  // that is being read
  std::vector<LinkAnswer> answers_;
  std::vector<api::CorrelatorState> states_;

  FlatMap<LoggedLabel> logged_;
  FlatMap<KnownTrace> awaited_;  // requests of logged calls whose trace the log does not have
  std::deque<std::pair<int64_t, uint64_t>> kept_lost_;  // log time, exchange of KeepLost
  FlatMap<int64_t> logged_decided_;                     // process id -> decided_ns
  FlatMap<int64_t> restored_states_;                    // process id -> learned_ns
  std::unordered_multimap<uint64_t, OpenRow> orphans_;  // parent exchange -> child

  size_t open_windows_ = 0;  // of all processes
  int64_t watermark_lag_ns_ = 0;
  int64_t log_now_ = INT64_MIN;   // the newest append time or told time
  int64_t input_ns_ = INT64_MIN;  // how far the events are read; behind log_now_ in a backlog
  int64_t next_watermark_ns_ = INT64_MIN;
  int64_t next_check_ns_ = INT64_MIN, next_tick_ns_ = INT64_MIN;
  int64_t links_again_until_ns_ = INT64_MIN;  // INT64_MIN: those are read
  int64_t spoken_ns_ = 0, gap_end_ns_ = 0;    // of events: the newest, the one after a gap
  int64_t next_silence_ns_ = INT64_MIN;
  int64_t patience_watermark_ns_ = INT64_MIN, patience_since_ns_ = INT64_MAX;
  uint64_t next_offset_ = 0;
  uint64_t committed_ = 0;
  // Of rows and their records: when it was measured, and what was read since.
  size_t measured_bytes_ = 0, unmeasured_bytes_ = 0;
  uint64_t pending_ = 0;  // this partition's share of the gauge
  bool finished_ = false;
  bool hurried_ = false;  // the window in hand is decided because its agent fell silent
  std::atomic<bool> cancelled_ = false;
};

}  // namespace weft::stitch
