// ExporterWorker: one exporter on a thread of its own, behind a queue that is bounded in bytes.
//
// Batches go to the plugin in the order of Push. WEFT_EXPORT_RETRY brings the same batch again
// after a back-off that doubles, with jitter, or after the pause that the sink asks for; a drop, or
// a plugin that breaks the contract, is counted, and the batch is over. A full queue makes Push
// wait, or, for a sink that must not stop the others, lets the oldest batches go, counted.
// Whatever happened, `done` is called once per batch, from the worker's thread in order, from
// others for batches that are taken out of the queue. When the queue has been empty for a while
// the plugin is asked to flush. Push and Forget from any thread; Stop and the destructor from one.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "engine/api/plugin_abi.h"
#include "engine/base/clock.h"
#include "engine/base/log.h"
#include "engine/base/memory_share.h"
#include "engine/base/metrics.h"
#include "engine/trace/export_batch.h"

namespace weft::graph {

// Lent; the instance outlives the worker.
struct Exporter {
  std::string name;
  const weft_exporter* table = nullptr;
  void* instance = nullptr;
  size_t queue_bytes = 0;        // 0: the configuration's
  bool drops_when_full = false;  // the oldest; else Push waits
};

struct ExporterConfig {
  size_t queue_bytes = size_t{64} << 20;
  int64_t first_backoff_ns = 50'000'000;
  int64_t max_backoff_ns = 10'000'000'000;
  int64_t max_pause_ns = 60'000'000'000;      // of those that a sink asks for
  int64_t call_patience_ns = 60'000'000'000;  // a call that takes longer may be given up
  int64_t flush_after_ns = 1'000'000'000;     // of an empty queue
  int64_t end_patience_ns = 3'000'000'000;    // at the end, with a sink that fails and may drop
  // What is given up for want of time is exported by whoever owns the partition next.
  bool handed_over = false;
  const MemoryShare* share = nullptr;  // of queue_bytes; none: all of it
};

// Counters sink.*{sink=name} of ended spans: trace.kept = rows + dropped + pending + handed_over
// for each exporter.
struct ExporterCounters {
  ExporterCounters(Metrics& metrics, const std::string& name);
  Counter& rows;
  Counter& dropped;
  Counter& overflowed;  // of dropped: their queue was full
  Counter& refused;     // of dropped: the sink will never take them
  Counter& handed_over;
  Counter& retries;
  Counter& pending;       // gauge
  Counter& queued_bytes;  // gauge
  Histogram& delay;       // from a span's end to its being stored
};

// What became of a batch.
enum class Fate : uint8_t {
  kExported,   // durable
  kDropped,    // the exporter will never take it
  kAbandoned,  // there was no time left to try again: whoever takes over reads it once more
};

class ExporterWorker {
 public:
  using Done = std::function<void(Fate fate)>;

  ExporterWorker(const ExporterConfig& config, Exporter exporter, const Clock& clock,
                 Metrics& metrics, Logger& log);
  ~ExporterWorker();

  // Waits for room, or makes it (Exporter::drops_when_full): a batch is taken when the queue is
  // empty or it fits. Where *give_up becomes true first, the batch is abandoned.
  void Push(trace::ExportBatchPtr batch, Done done, const std::atomic<bool>* give_up = nullptr);
  // Abandons what waits of that owner of the partition; a call in progress goes on, and its fate
  // comes when it has ended.
  void Forget(uint32_t partition, uint64_t generation);
  // Spans that were kept but never pushed: the next owner exports them.
  void HandOver(uint64_t spans) { counters_.handed_over.Add(spans); }
  // From now on no retry goes on beyond the deadline and batches not done by then are dropped, and
  // counted; where the sink may drop and takes nothing, not for longer than end_patience_ns. May be
  // called again with an earlier one.
  void SetDeadline(int64_t deadline_ns);
  // Lets the queue drain (see SetDeadline), flushes, joins.
  void Stop(int64_t deadline_ns);

 private:
  struct Item {
    trace::ExportBatchPtr batch;
    Done done;
    uint64_t taken = 0;  // of its spans, by calls that wanted it again
  };
  // What the plugin says.
  struct Answer {
    int32_t outcome = WEFT_EXPORT_RETRY;
    uint64_t retry_after_ns = 0, refused = 0, taken = 0;
    weft_error error{};
  };
  void Run();
  void Deliver(const Item& item);
  void Settle(const Item& item, const Answer& answer);
  // Until it is time to try again. The pause grows.
  void WaitBefore(int64_t* backoff_ns, uint64_t asked_ns);
  Answer Call(const trace::ExportBatch& batch);  // never throws
  bool Fits(size_t bytes) const { return queue_.empty() || bytes_ + bytes <= QueueBytes(); }
  size_t QueueBytes() const { return AllowedNow(config_.share, queue_bytes_); }
  std::vector<Item> MakeRoom(size_t bytes);
  void Leave(const Item& item);  // the queue's sums
  void Drop(const Item& item);   // out of a full queue
  void Flush();
  bool Expired() const { return clock_.MonotonicNs() >= EndNs(); }
  int64_t EndNs() const;  // mutex_ held
  void Abandon(const trace::ExportBatch& batch, const Done& done);
  void Miss(const Item& item);  // mutex_ held
  void SayMissed();             // mutex_ held

  const ExporterConfig config_;
  const Exporter exporter_;
  const size_t queue_bytes_;
  const Clock& clock_;
  Logger& log_;
  ExporterCounters counters_;

  std::mutex mutex_;
  std::condition_variable wake_;  // of the worker
  std::condition_variable room_;
  std::deque<Item> queue_;
  size_t bytes_ = 0;
  int64_t deadline_ns_ = INT64_MAX;
  int64_t ending_since_ns_ = INT64_MAX;   // the first SetDeadline
  int64_t failing_since_ns_ = INT64_MAX;  // the RETRY since which nothing was taken
  bool stopping_ = false;
  bool delivering_ = false;             // the queue's front
  bool given_up_ = false;               // the queue's front is settled, whatever the call answers
  bool settled_ = false;                // the same by the worker: nobody may give it up any more
  bool full_ = false;                   // said in the log
  int64_t called_ns_ = 0;               // when delivering_ began
  uint64_t missed_ = 0;                 // spans that a full queue dropped since this was told,
  int64_t missed_from_ns_ = INT64_MAX;  // the oldest of them
  int64_t said_missed_ns_ = 0;          // when that was, monotonic
  uint64_t random_;
  std::atomic<bool> forgotten_ = false;   // what is being delivered need not be tried again
  std::atomic<bool> expendable_ = false;  // the same, because others wait behind it
  std::thread thread_;
};

}  // namespace weft::graph
