// Transport: the streams between sources, stage 1 and stage 2, and the two decision logs.
//
// Two implementations, memory and Kafka; nothing above this header knows which one runs. A stream
// has P partitions; a partition is an ordered log of records with offsets. Records are immutable.
//
// Sources see a Publisher: Publish on kEvents is the only call that waits for room (bytes are
// admitted at the sources only; nothing inside the stage 1 - links - stage 1 circle ever blocks).
// An engine joins a stage and is told which partitions are its own (Membership); it owns each by a
// PartitionOwner, which reads its inputs, and everything it produces goes out in one atomic Commit
// together with its input offset. A stage that was overruled by a newer owner gets Code::kFenced
// from Commit and must drop its state.
//
// Threads: a Transport from any thread; a PartitionOwner and a Membership from one thread at a
// time. Owners and memberships end before their transport does.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "engine/api/payload.h"
#include "engine/base/result.h"

namespace weft::transport {

enum class Stream : uint8_t {
  kEvents = 0,     // weft.events     observations, heartbeats, agent_lost; by host shard
  kLinks = 1,      // weft.links      exists, want, answer; never committed, read by horizon
  kSpans = 2,      // weft.spans      spans with trace ids; by trace id
  kLabels = 3,     // weft.labels     log of stage 1; partitioned like events
  kDecisions = 4,  // weft.decisions  log of stage 2; partitioned like spans
  kState = 5,      // weft.state      learned correlator state; compacted by key
  kDead = 6,       // weft.dead       what could not be read, with the reason
};
inline constexpr int kStreams = 7;
std::string_view StreamName(Stream stream);  // "weft.events"

// The root struct of the record's Cap'n Proto message (engine/api/event.capnp).
enum class RecordType : uint8_t {
  kEventBatch = 1,
  kAgentLost = 2,
  kLinkBatch = 3,
  kLabelBatch = 4,
  kSpanBatch = 5,
  kDecisionBatch = 6,
  kCorrelatorState = 7,
  kDeadRecord = 8,
  kStageLedger = 9,  // engine/api/ledger_record.h
  kAgentLedger = 10,
};

using Payload = api::Payload;
using PayloadPtr = api::PayloadPtr;
using api::CopyPayload;

// Hears what became of a record that a Publisher took: once, from any thread, and must not call the
// Publisher.
class Receipt {
 public:
  virtual ~Receipt() = default;
  // delivered: it is in the log for good. Else it never will be, and is the hearer's to count.
  virtual void Settle(uint64_t ticket, bool delivered) = 0;
  // What is given up now is not lost: the hearer has it and a successor publishes it.
  virtual bool Keeps() const { return false; }
};

struct OutRecord {
  Stream stream = Stream::kEvents;
  uint32_t partition = 0;
  RecordType type = RecordType::kEventBatch;
  uint64_t key = 0;  // compaction key of kState; else informational
  PayloadPtr payload;
  // Of kEvents, for whoever has to drop it: how many ended observations it has, and who is told.
  uint32_t observations = 0;
  uint64_t ticket = 0;
  std::shared_ptr<Receipt> receipt = nullptr;  // the source's, shared with its records on their way

  void Settle(bool delivered) const {
    if (receipt) receipt->Settle(ticket, delivered);
  }
  bool Kept() const { return receipt != nullptr && receipt->Keeps(); }
};

struct Record {
  Stream stream = Stream::kEvents;
  uint32_t partition = 0;
  RecordType type = RecordType::kEventBatch;
  uint64_t key = 0;
  uint64_t offset = 0;
  int64_t append_ns = 0;  // the log's clock when the record was appended; ascending in a partition
  PayloadPtr payload;
};

// What one step of a stage wants to happen, all or nothing.
struct Transaction {
  std::vector<OutRecord> out;
  // Input offset below which nothing is needed any more (kEvents for stage 1, kSpans for stage 2).
  std::optional<uint64_t> commit_offset;
  // Stage 1: whoever takes over needs the links that were appended from this log time on;
  // INT64_MIN, or less than the last time: nothing new.
  int64_t links_from_ns = INT64_MIN;
};

enum class Stage : uint8_t { kStitch = 1, kTrace = 2 };

// Ownership of partition k of a stage: stage 1 reads kEvents[k] from the committed offset and
// kLinks[k] over the horizon, and reads kLabels[k] and kState[k] back on take-over; stage 2 reads
// kSpans[k] from the committed offset, and kDecisions[k] and kState[k] on take-over.
class PartitionOwner {
 public:
  virtual ~PartitionOwner() = default;
  virtual Stage stage() const = 0;
  virtual uint32_t partition() const = 0;
  // Grows with every take-over of this partition.
  virtual uint64_t generation() const = 0;
  // Where reading kEvents / kSpans began: the committed offset at take-over.
  virtual uint64_t start_offset() const = 0;
  // Everything logged in `log` (kLabels, kDecisions, kState) for this partition within the
  // retention, oldest first. To be called before the first Poll.
  virtual Result<void> ReadBack(Stream log, const std::function<void(const Record&)>& visit) = 0;
  // Appends up to max_bytes of new input records to *out, in offset order within each stream.
  virtual Result<void> Poll(size_t max_bytes, std::vector<Record>* out) = 0;
  // From now on Poll brings nothing of kEvents / kSpans, or does again; the rest goes on, and so
  // does this member's part in the group.
  virtual void HoldInput(bool hold) = 0;
  // A log time of which it is known that everything appended to the inputs before it has been
  // handed out by Poll; given once, nullopt: nothing new is known. (That a Poll brought nothing
  // does not say so: records may be on their way.)
  virtual std::optional<int64_t> CaughtUp() = 0;
  virtual Result<void> Commit(Transaction transaction) = 0;
};

// What has changed for this process since the last Wait. No partition is in two lists.
struct Assignment {
  std::vector<uint32_t> gained;   // to be taken over with Own()
  std::vector<uint32_t> revoked;  // to be ended in good order (what is decided is committed)
  std::vector<uint32_t> lost;     // somebody else may have them already: drop their state at once
  bool empty() const { return gained.empty() && revoked.empty() && lost.empty(); }
};

// This process's seat in the group of one stage; the destructor leaves the group. Per partition:
//   gained (revoked | revoked lost | lost)? Release
// after which it may be gained again. What is revoked goes to nobody else before it is released,
// or before the group loses patience, which makes it lost.
class Membership {
 public:
  virtual ~Membership() = default;
  // Nobody else reads this stage, now or ever: every partition comes with the first Wait, which
  // need not be repeated, and what this member leaves behind is read by nobody.
  virtual bool exclusive() const = 0;
  // Takes part in the group and returns when something changed, or at deadline_ns of the log's
  // clock. To be called again and again: who does not is taken for dead, however busy he is.
  virtual Result<Assignment> Wait(int64_t deadline_ns) = 0;
  // Their owners are destroyed. A partition that was not taken back (its owner failed) is gained
  // anew by a later Wait as long as it is this member's.
  virtual void Release(std::span<const uint32_t> partitions) = 0;
};

// What a source needs of a transport.
class Publisher {
 public:
  virtual ~Publisher() = default;
  virtual uint32_t partitions() const = 0;
  // The log's clock, which stamps Record::append_ns.
  virtual int64_t LogTimeNs() const = 0;

  // Sources only, kEvents only (in memory also kSpans, of sources whose spans have their traces):
  // waits until the bytes are admitted or deadline_ns of the log's
  // clock has passed (kFull), or the transport is closed (kCancelled). What was admitted is settled
  // with its receipt, at the transport's end at the latest unless a spool keeps it.
  virtual Result<void> Publish(OutRecord record, int64_t deadline_ns) = 0;
  // Wakes all waiters; Publish fails from now on. Owners may still Poll and Commit.
  virtual void CloseSources() = 0;
};

class Transport : public Publisher {
 public:
  // Takes a seat in the group of a stage; at most one at a time per stage.
  virtual Result<std::unique_ptr<Membership>> Join(Stage stage) = 0;

  // Takes a partition over that a Membership gained; whoever had it is fenced. May take a while:
  // from any thread, so that it need not hold up the Membership.
  virtual Result<std::unique_ptr<PartitionOwner>> Own(Stage stage, uint32_t partition) = 0;

  // Returns when some input of (stage, partition) may be readable, or at the deadline.
  virtual void WaitReadable(Stage stage, uint32_t partition, int64_t deadline_ns) = 0;
};

}  // namespace weft::transport
