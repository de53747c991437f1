// Spool: a queue of records on disk, in order, that outlives its process.
//
// Every record is appended to a segment file before it may be published (so kill -9 loses nothing
// that was taken), and published from memory as long as memory has room, else read back. What is
// settled moves the cursor of the oldest segment; a segment whose records are all settled is
// deleted. Records that were delivered right before a kill are published again: stage 1 knows them
// by agent and sequence. When the spool is full its oldest segment's records that were not handed
// out are dropped, counted. While the disk refuses, records stay in memory, bounded, oldest out.
//
// Per record: Append Next Settle; Next gives them in the order of Append. One thread at a time.
// Ledger: spool.records + spool.recovered_records = spool.delivered_records
//         + spool.dropped_records + spool.waiting_records (gauge) + those damaged while they
//         waited.
#pragma once

#include <deque>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "engine/base/clock.h"
#include "engine/base/log.h"
#include "engine/base/metrics.h"
#include "engine/transport/spool_agents.h"
#include "engine/transport/spool_file.h"

namespace weft::transport {

struct SpoolCount;

struct SpoolOptions {
  std::filesystem::path folder;  // made if it is not there; one process at a time
  uint64_t max_bytes = 1'000'000'000;
  uint64_t segment_bytes = 0;  // 0: an eighth of max_bytes, 8 MB at most
  size_t memory_bytes = size_t{16} << 20;
  // Agents of the process before never speak again: they get a farewell.
  bool farewells = true;
};

class Spool {
 public:
  // Reads what a process before left. References outlive the spool.
  static Result<std::unique_ptr<Spool>> Open(const SpoolOptions& options, const Clock& clock,
                                             Metrics& metrics, Logger& log);
  // Leaves on disk what is not settled; no file where there is nothing.
  ~Spool();

  // Whether a record of so many bytes would go in without dropping one.
  bool HasRoom(size_t payload_bytes) const;
  void Append(OutRecord record);
  // The next record, with its ticket of this spool and without a receipt; nullopt: none waits.
  std::optional<OutRecord> Next();
  void Settle(uint64_t ticket, bool delivered);

  bool HasNext() const { return send_ < next_; }
  bool idle() const { return !HasNext() && in_flight_.empty(); }
  // To be called at intervals: what is to be synced, because records of before the last call are
  // not settled yet.
  std::vector<std::shared_ptr<const SpoolFile>> ToSync();
  void SyncFailed(const Error& error) { DiskFailed(error); }

 private:
  struct Segment {
    std::filesystem::path path;
    uint64_t first = 0, end = 0;  // indices
    uint64_t bytes = 0;
    uint64_t checked = 0;  // up to here damage has been counted
    uint64_t cursor = 0;
    std::shared_ptr<SpoolFile> file;  // shared with who syncs it
  };
  struct Fresh {
    OutRecord record;
    bool stored = false;
  };

  Spool(const SpoolOptions& options, const Clock& clock, Metrics& metrics, Logger& log);
  Result<void> Lock();
  Result<void> Recover();
  void RecoverSegment(uint64_t first, const std::filesystem::path& path, uint64_t* below);
  bool Store(uint64_t index, const OutRecord& record);
  Result<void> StartSegment(uint64_t index);
  void EndSegment();
  void Grown(Segment& segment);
  void Remove(const Segment& segment);
  void MakeRoom(size_t bytes);
  void TrimMemory();
  // Reads the segment's records from send_ on, as far as memory does not have them.
  void Load(Segment& segment);
  Segment* NextToLoad();
  void DropOldest();
  void Drop(const OutRecord& record, uint64_t index);
  // False: it was noted before.
  bool NoteDamage(Segment& segment, const SpoolDamage& damage, bool torn);
  void Collect();
  uint64_t SettledBelow() const;
  void DiskFailed(const Error& error);
  void ShowGauges();
  uint64_t MemoryFirst() const { return next_ - fresh_.size(); }
  const std::shared_ptr<Receipt>& ReceiptOf(uint64_t index) const;

  const SpoolOptions options_;
  const uint64_t segment_bytes_;
  const Clock& clock_;
  Logger& log_;
  std::unique_ptr<SpoolCount> count_;
  int lock_fd_ = -1;

  std::deque<Segment> segments_;  // by index; the last one may be written to
  bool writing_ = false;          // ... and is
  uint64_t bytes_ = 0;            // of the segments
  uint64_t next_ = 1;             // index of the next record appended
  uint64_t send_ = 1;             // ... handed out
  uint64_t own_first_ = 1;        // below: of a process before
  uint64_t sync_mark_ = 0, synced_ = 0;
  // Segments that were ended and neither synced nor settled yet, each with its end.
  std::vector<std::pair<uint64_t, std::shared_ptr<const SpoolFile>>> ended_;
  std::deque<std::pair<uint64_t, OutRecord>> loaded_;  // read back, to be handed out
  std::deque<Fresh> fresh_;                            // the newest records, up to next_
  size_t fresh_bytes_ = 0;
  std::map<uint64_t, OutRecord> in_flight_;  // handed out; without payload
  // From this index on records had this receipt; shared with the source.
  std::deque<std::pair<uint64_t, std::shared_ptr<Receipt>>> receipts_;
  SpoolAgents agents_;
  int64_t retry_ns_ = INT64_MIN;  // the disk is not tried before
  bool failing_ = false;
};

}  // namespace weft::transport
