// ExporterWorker: one exporter on a thread of its own, behind a queue that is bounded in bytes.
//
// Batches go to the plugin in the order of Push. WEFT_EXPORT_RETRY brings the same batch again
// after a back-off that doubles; a drop, or a plugin that breaks the contract, is counted, and the
// batch is over. Whatever happened, `done` is called once per batch, on the worker's thread and in
// order, but for batches that Forget takes back. When the queue has been empty for a while the
// plugin is asked to flush. Push and Forget from any thread; Stop and the destructor from one.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "engine/api/plugin_abi.h"
#include "engine/base/clock.h"
#include "engine/base/log.h"
#include "engine/base/metrics.h"
#include "engine/trace/export_batch.h"

namespace weft::graph {

// Lent; the instance outlives the worker.
struct Exporter {
  std::string name;
  const weft_exporter* table = nullptr;
  void* instance = nullptr;
};

struct ExporterConfig {
  size_t queue_bytes = size_t{64} << 20;
  int64_t first_backoff_ns = 50'000'000;
  int64_t max_backoff_ns = 10'000'000'000;
  int64_t flush_after_ns = 1'000'000'000;  // of an empty queue
  // What is given up for want of time is exported by whoever owns the partition next.
  bool handed_over = false;
};

// Counters sink.*{sink=name} of ended spans: trace.kept = rows + dropped + pending + handed_over
// for each exporter.
struct ExporterCounters {
  ExporterCounters(Metrics& metrics, const std::string& name);
  Counter& rows;
  Counter& dropped;
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

  // Waits for room: a batch is taken when the queue is empty or it fits. Where *give_up becomes
  // true first, the batch is abandoned.
  void Push(trace::ExportBatchPtr batch, Done done, const std::atomic<bool>* give_up = nullptr);
  // Abandons what waits of that owner of the partition; a call in progress goes on, and its fate
  // comes when it has ended.
  void Forget(uint32_t partition, uint64_t generation);
  // Spans that were kept but never pushed: the next owner exports them.
  void HandOver(uint64_t spans) { counters_.handed_over.Add(spans); }
  // From now on no retry goes on beyond the deadline and batches not done by then are dropped, and
  // counted. May be called again with an earlier one.
  void SetDeadline(int64_t deadline_ns);
  // Lets the queue drain (see SetDeadline), flushes, joins.
  void Stop(int64_t deadline_ns);

 private:
  struct Item {
    trace::ExportBatchPtr batch;
    Done done;
  };
  void Run();
  void Deliver(const Item& item);
  // The plugin's answer; never throws.
  int32_t Call(const trace::ExportBatch& batch, weft_error* error);
  void Flush();
  bool Expired() const;
  void Abandon(const trace::ExportBatch& batch, const Done& done);

  const ExporterConfig config_;
  const Exporter exporter_;
  const Clock& clock_;
  Logger& log_;
  ExporterCounters counters_;

  std::mutex mutex_;
  std::condition_variable wake_;  // of the worker
  std::condition_variable room_;
  std::deque<Item> queue_;
  size_t bytes_ = 0;
  int64_t deadline_ns_ = INT64_MAX;
  bool stopping_ = false;
  bool delivering_ = false;              // the queue's front
  std::atomic<bool> forgotten_ = false;  // what is being delivered need not be tried again
  std::thread thread_;
};

}  // namespace weft::graph
