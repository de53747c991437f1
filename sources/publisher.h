// Publisher: turns observation rows into sealed EventBatches on weft.events.
//
// Every source owns one and calls it from one thread: (AddRow ... )* Tick, and Finish at the end.
// Rows of one process go to one partition, those of one host to at most kShardsPerHost. A batch is
// sealed when it is due or large and handed to the transport without waiting; what the transport
// does not admit waits in a bounded queue, whose oldest batch is dropped, and counted, when it is
// full. The watermark given to Tick promises that everything begun before it has been added, whole
// or as open.
//
// Ledger: agent.observed (closed rows sealed) = agent.published (of batches that the transport has
// for good) + agent.dropped (of dropped batches) + agent.queued (gauge: here, in a spool, on their
// way); agent.batches, agent.batches_dropped, agent.announced (open rows).
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/api/span_table.h"
#include "engine/base/clock.h"
#include "engine/base/flat_map.h"
#include "engine/base/memory_share.h"
#include "engine/base/metrics.h"
#include "engine/transport/transport.h"

namespace weft::sources {

inline constexpr uint32_t kShardsPerHost = 4;

// Partition of weft.events that a process's observations go to.
uint32_t EventPartition(std::string_view host_id, uint64_t process_id, uint32_t partitions);

struct AgentIdentity {
  std::string host_id;  // stable over reboots
  std::string host_name;
  uint64_t agent_id = 0;  // new at every start
  uint64_t boot_id = 0;
};

struct ProcessRecord {
  uint64_t id = 0;
  uint32_t pid = 0;
  std::string_view service_name;
  std::string_view executable = {};
  std::span<const std::pair<std::string, std::string>> attributes = {};
};

// The ledger's part of what became of observations after a transport took them: agent.queued goes
// down, agent.published or agent.dropped up. A source has one and gives it with every record, whose
// ticket is the number of ended observations; they may outlive it, `metrics` outlives all.
class PublishReceipt final : public transport::Receipt {
 public:
  explicit PublishReceipt(Metrics& metrics)
      : published_(metrics.Get("agent.published")),
        dropped_(metrics.Get("agent.dropped")),
        queued_(metrics.Get("agent.queued")) {}

  void Seal(uint64_t observations) { queued_.Add(observations); }
  void Settle(uint64_t observations, bool delivered) override {
    (delivered ? published_ : dropped_).Add(observations);
    queued_.Add(uint64_t{0} - observations);
  }

 private:
  Counter &published_, &dropped_, &queued_;
};

inline constexpr size_t kPublisherQueueBytes = size_t{32} << 20;

class Publisher {
 public:
  struct Options {
    int64_t interval_ns = 50 * kMillisecond;    // a batch is sealed at this age
    int64_t heartbeat_ns = 200 * kMillisecond;  // longest silence on a partition once written
    uint32_t max_rows = 4096;                   // ... or at this size
    size_t queue_bytes = kPublisherQueueBytes;  // what waits for the transport
    const MemoryShare* share = nullptr;         // of that; none: all of it
    int64_t finish_wait_ns = 5 * kSecond;
  };
  // References must outlive the publisher.
  Publisher(AgentIdentity identity, Options options, transport::Publisher& transport,
            const Clock& clock, Metrics& metrics);

  // Adds a zeroed row of that process; it is the newest row of the returned table, which is lent
  // until the next call. Also fills in process and service.
  api::SpanTable& AddRow(const ProcessRecord& process);

  // Addresses of this host, for the engine to know which peers are watched.
  void SetAddresses(std::vector<std::string> addresses) { addresses_ = std::move(addresses); }
  // Running totals that travel with heartbeats.
  void SetLedger(std::vector<std::pair<std::string, uint64_t>> ledger) {
    ledger_ = std::move(ledger);
  }

  // Seals what is due, sends heartbeats, offers the queue to the transport. Cheap when idle.
  void Tick(int64_t watermark_ns);
  // Seals everything, marks the last batch of each partition, and waits for room up to
  // finish_wait_ns; what is left is dropped, counted, and reported as kFull.
  Result<void> Finish();

  size_t queued_bytes() const { return queued_bytes_; }

 private:
  struct Shard {
    uint32_t partition = 0;
    bool written = false;  // the engine knows of us there: heartbeats are due
    uint64_t sequence = 0;
    uint64_t observed = 0;  // ended rows sealed
    int64_t sealed_ns = 0;
    api::SpanTable table;
    FlatMap<uint32_t> process_rows;
    uint64_t last_process = 0;  // of process_rows, because rows come in runs
    uint32_t last_row = WEFT_NONE;
  };
  Shard& ShardOf(uint64_t process_id);
  void Seal(Shard* shard, int64_t now, int64_t watermark_ns, bool last);
  // False when the transport has no room before the deadline (log time).
  bool Offer(int64_t deadline_ns);
  void DropOldest();
  int64_t UnixOffset();

  const AgentIdentity identity_;
  const uint32_t first_partition_;  // of this host's shards
  Options options_;
  transport::Publisher& transport_;
  const Clock& clock_;
  Counter &observed_, &batches_, &batches_dropped_, &announced_;
  const std::shared_ptr<PublishReceipt> receipt_;  // shared with the records on their way
  std::vector<Shard> shards_;                      // at most kShardsPerHost
  std::deque<transport::OutRecord> queue_;
  size_t queued_bytes_ = 0;
  std::optional<int64_t> unix_offset_ns_;
  std::vector<std::string> addresses_;
  std::vector<std::pair<std::string, uint64_t>> ledger_;
};

}  // namespace weft::sources
