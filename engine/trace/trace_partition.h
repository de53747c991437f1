// TracePartition: stage 2 for one partition, as a pure state machine: spans in, decided traces out.
//
// Called by the graph's trace shard and by the simulator, in the order
//   Restore* (Consume* Tick (commit TakeExports | give up))*
// with Acknowledge and CloseAll between any two calls. It owns no thread, reads no clock and does
// no I/O: the time is the log's, handed in. Nothing acts before it is logged: the batches of a step
// are handed out only after the step's transaction was committed. One caller at a time.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "engine/base/log.h"
#include "engine/base/memory_share.h"
#include "engine/base/metrics.h"
#include "engine/base/quiet_warnings.h"
#include "engine/base/result.h"
#include "engine/redact/redactor.h"
#include "engine/trace/decision_log.h"
#include "engine/trace/export_batch.h"
#include "engine/trace/offset_tracker.h"
#include "engine/trace/open_traces.h"
#include "engine/trace/sampler_chain.h"
#include "engine/trace/span_buffer.h"
#include "engine/trace/span_counts.h"
#include "engine/trace/trace_counters.h"
#include "engine/transport/transport.h"

namespace weft::trace {

struct TraceConfig {
  CloseRules close;
  std::shared_ptr<const redact::Rules> redact;  // none: nothing is hidden
  size_t max_bytes = size_t{512} << 20;  // of one partition: beyond it the oldest traces are closed
  const MemoryShare* share = nullptr;    // of max_bytes; none: all of it
  uint32_t batch_spans = 16'384;         // aimed size of an export batch
  int64_t linger_ns = 50'000'000;        // due traces wait so long for a batch to fill
  int64_t note_done_ns = 1'000'000'000;  // between notes of what is durable
  uint32_t remember_traces = 1u << 20;   // verdicts kept for late spans
  int64_t save_state_ns = 5'000'000'000;  // between saves of what samplers have learned
  // Exporters get what samplers see: nothing is hidden, no thresholds are written.
  bool as_judged = false;
};

// What ownership of the partition gave.
struct Tenure {
  uint32_t partition = 0;
  uint64_t generation = 0;
  uint64_t start_offset = 0;
  int64_t since_ns = 0;  // log time of the take-over: what was appended before it is a replay
  uint32_t stitch_partitions = 1;  // whose watermarks count
};

class TracePartition {
 public:
  TracePartition(const TraceConfig& config, const Tenure& tenure, std::vector<Sampler> samplers,
                 Metrics& metrics, Logger& log);
  ~TracePartition();

  // A record of kDecisions or kState, read back at take-over.
  Result<void> Restore(const transport::Record& decision);
  // A record of kSpans. One that cannot be read goes to kDead with the next Tick and is counted.
  void Consume(const transport::Record& record);
  // Decides what is due and returns what to commit. `caught_up`: all that was appended by
  // log_now_ns has been consumed; else time is that of the newest record, so that a backlog ages
  // nothing.
  transport::Transaction Tick(int64_t log_now_ns, bool caught_up);
  // The batches of the committed steps, in order. To be exported in this order.
  std::vector<ExportBatchPtr> TakeExports();
  // Every exporter is done with the batch (in order: earlier batches are done too). `everywhere`:
  // all of them have stored it; what one has refused for good counts as dropped.
  void Acknowledge(uint64_t batch_number, bool everywhere = true);
  // From now on everything that is there is due at the next Tick: the last step before a stop.
  void CloseAll() { close_all_ = true; }
  // From now on nothing more is decided, and what is durable is noted at once: the partition goes
  // to another owner.
  void Leave() { leaving_ = true; }
  // These decide from now on; samplers of the same names and places go on with what was learned.
  // The old ones may go when this returns.
  void Replace(std::vector<Sampler> samplers, Metrics& metrics, Logger& log);

  // Nothing is undecided and nothing in flight.
  bool Idle() const { return open_.size() == 0 && late_.empty() && in_flight_.empty(); }
  bool InFlight() const { return !in_flight_.empty(); }
  uint64_t buffered_spans() const { return buffer_.rows(); }
  size_t buffered_bytes() const { return buffer_.bytes(); }
  size_t MemoryBytes() const;
  // How far the watermark, below which every span is there, is behind the log's clock.
  int64_t WatermarkLagNs() const;

 private:
  struct Flight {
    uint64_t number = 0;
    struct Share {
      uint64_t record;
      uint32_t rows, ended;
    };
    std::vector<Share> records;
    struct Trace {
      api::TraceId id;
      Verdict verdict;
      uint64_t end_offset;
    };
    std::vector<Trace> traces;
  };

  // A record that cannot be decoded goes to weft.dead, once.
  void Bury(const transport::Record& record, const Error& error);
  void Place(RowRef row, const api::EventColumns& spans, const transport::Record& record,
             int64_t input_ns);
  void Discard(RowRef row, const api::EventColumns& spans, Counter& why);
  void Leave(Counter& where, uint64_t spans);
  bool LingerOver(size_t spans) const;
  void DecideWhatIsDue();
  void DecideDue();
  void CloseSome(std::span<const uint32_t> slots);
  struct Gathered {
    std::vector<uint32_t> ended;  // per slot
    std::vector<RowRef> superseded;
  };
  Gathered Gather(std::span<const uint32_t> slots, ExportBatch& batch);
  void CountSpans(std::span<const uint32_t> slots, const std::vector<Verdict>& verdicts,
                  const ExportBatch& batch);
  std::vector<Verdict> Judge(std::span<const uint32_t> slots, const ExportBatch& batch);
  void Settle(uint32_t slot, Verdict verdict, const std::vector<RowRef>& superseded,
              Flight& flight);
  void Stage(std::unique_ptr<ExportBatch> batch, std::unique_ptr<Flight> flight);
  void ExportLate();
  void NoteDone();
  bool Ended(RowRef row) const;
  Result<void> RestoreState(const transport::Record& record);
  void SaveState(transport::Transaction& transaction);
  Result<void> RestoreLedger(const transport::Record& record);
  void AddLedger(transport::Transaction& transaction);
  void KeepBudget();

  TraceConfig config_;
  Tenure tenure_;
  QuietWarnings bad_records_;
  TraceCounters counters_;
  std::unique_ptr<SamplerChain> samplers_;  // never null
  redact::Redactor redactor_;
  std::optional<SpanCounts> span_counts_;  // where somebody reads them
  DecisionLog decisions_;
  SpanBuffer buffer_;
  RowGatherer gatherer_;
  OpenTraces open_;
  OffsetTracker offsets_;

  std::vector<int64_t> watermarks_;
  int64_t now_ns_ = 0;
  std::vector<uint32_t> due_;
  size_t due_spans_ = 0;
  int64_t due_since_ns_ = 0;
  bool waiting_ = false;
  uint64_t pending_ = 0;  // this partition's share of the gauge
  std::vector<RowRef> late_;
  std::vector<transport::OutRecord> dead_;
  std::unique_ptr<ExportBatch> spare_;  // empty; of what was gathered and not kept
  std::vector<ExportBatchPtr> staged_;
  std::deque<std::unique_ptr<Flight>> in_flight_;
  std::deque<Flight::Trace> durable_;  // not yet below the committed offset, not yet noted
  int64_t noted_ns_ = 0, saved_ns_ = 0;
  bool learned_ = false;  // samplers have decided since the last save
  uint64_t next_batch_ = 1;
  uint64_t committed_ = 0;
  RowFates told_;                              // what the ledger on weft.state says
  uint64_t dead_end_ = 0, told_dead_end_ = 0;  // offset behind the newest one on weft.dead
  bool close_all_ = false;
  bool leaving_ = false;
};

}  // namespace weft::trace
