// MemoryTransport: the streams inside one process, bounded in bytes.
//
// The bound counts what sits in weft.events and weft.spans above the committed offsets, and holds
// at Publish only: commits never wait. Small records (heartbeats) may use an eighth more, so that a
// full log still learns the watermarks that empty it. weft.labels, weft.decisions and weft.links
// live for the horizon and within a byte bound (a link at least until its owner has polled it);
// weft.state keeps the newest record per key.
//
// Any thread; an owner from one thread at a time and not after the transport is gone. With
// `blocking = false` (a simulator on a ManualClock, one thread) nothing ever waits: Publish into a
// full log is kFull at once, WaitReadable returns at once, and every run is the same.
#pragma once

#include <condition_variable>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include "engine/base/clock.h"
#include "engine/base/memory_share.h"
#include "engine/base/metrics.h"
#include "engine/transport/transport.h"

namespace weft::transport {

struct MemoryOptions {
  uint32_t partitions = 4;
  size_t max_bytes = size_t{256} << 20;
  int64_t horizon_ns = 120 * kSecond;
  size_t max_log_bytes = size_t{64} << 20;  // of labels, decisions and links: each, all partitions
  // Generations begin above this; a caller that stores them passes something that grows.
  uint64_t first_generation = 0;
  bool blocking = true;
  const MemoryShare* share = nullptr;  // of both bounds; none: all of them
};

class MemoryTransport final : public Transport {
 public:
  // `clock` and `metrics` must outlive the transport.
  MemoryTransport(const MemoryOptions& options, const Clock& clock, Metrics& metrics);
  ~MemoryTransport() override;

  uint32_t partitions() const override { return options_.partitions; }
  int64_t LogTimeNs() const override { return clock_.MonotonicNs(); }
  Result<void> Publish(OutRecord record, int64_t deadline_ns) override;
  Result<std::unique_ptr<Membership>> Join(Stage stage) override;
  Result<std::unique_ptr<PartitionOwner>> Own(Stage stage, uint32_t partition) override;
  void WaitReadable(Stage stage, uint32_t partition, int64_t deadline_ns) override;
  void CloseSources() override;

  // What the bound counts.
  size_t AdmittedBytes() const;
  // Records of one partition that are still held, oldest first: for tests and tools.
  std::vector<Record> Held(Stream stream, uint32_t partition) const;
  uint64_t CommittedOffset(Stage stage, uint32_t partition) const;

 private:
  friend class MemoryOwner;
  struct Log {
    std::deque<Record> records;
    uint64_t next_offset = 0;
    uint64_t polled = 0;  // weft.links: the owner has read everything below
    int64_t last_append_ns = INT64_MIN;
    uint64_t first_offset() const { return next_offset - records.size(); }
  };
  struct Seat {  // of a stage and partition
    uint64_t generation = 0;
    uint64_t committed = 0;
    uint64_t wakeups = 0;               // counts appends to its inputs
    int64_t links_from_ns = INT64_MAX;  // see Transaction; not told yet
    std::condition_variable readable;
  };
  using Garbage = std::vector<Record>;  // freed after the lock is released

  Log& LogOf(Stream stream, uint32_t partition);
  const Log& LogOf(Stream stream, uint32_t partition) const;
  Seat& SeatOf(Stage stage, uint32_t partition);
  void Append(OutRecord record, Garbage* garbage);
  void Trim(Stream stream, uint32_t partition, Garbage* garbage);
  bool Fits(size_t bytes) const;
  Result<void> Commit(Stage stage, uint32_t partition, uint64_t generation, Transaction tx);

  const MemoryOptions options_;
  const Clock& clock_;
  Counter& admitted_gauge_;
  Counter& log_trimmed_;
  Counter& full_;

  mutable std::mutex mutex_;
  std::condition_variable room_;
  bool closed_ = false;
  size_t admitted_ = 0;
  size_t stream_bytes_[kStreams] = {};
  std::vector<Log> logs_;                          // stream * partitions + partition
  std::vector<std::map<uint64_t, Record>> state_;  // by partition, then key
  std::vector<std::unique_ptr<Seat>> seats_;
};

}  // namespace weft::transport
