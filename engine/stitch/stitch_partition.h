// StitchPartition: stage 1 for one partition. Observations and links go in; labels, links and spans
// with trace ids come out. The rules are in ARCHITECTURE.md ("Stage 1, per process", "weft.links").
//
// A pure state machine: no thread, no clock, no I/O. Its driver (the graph, the simulator, a test)
// does, from one thread:
//
//   TookOver? Restore* (Consume* Tick? TakeTransaction)* Finish (Consume* Tick TakeTransaction)*
//
// and commits every transaction before it takes the next. A driver that is fenced drops the object;
// the next owner makes a new one and feeds it what ReadBack gives. `clock times` are log time.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "engine/base/log.h"
#include "engine/base/metrics.h"
#include "engine/stitch/config.h"
#include "engine/transport/transport.h"

namespace weft::stitch {

class StitchPartition {
 public:
  // `metrics` and `logger` must outlive the partition, and so must what `chain` points to.
  StitchPartition(const StitchConfig& config, uint32_t partition, std::vector<ChainLink> chain,
                  Metrics& metrics, Logger& logger);
  ~StitchPartition();

  // There was an owner before, and now it is log_now. Until all links from before were read again
  // nobody is told that nobody calls him: who does may be in the next one.
  void TookOver(int64_t log_now);

  // A record of weft.labels or weft.state, oldest first, before the first Consume.
  void Restore(const transport::Record& record);

  // A record of weft.events or weft.links, in offset order within each stream. One that cannot be
  // read goes to weft.dead and is counted.
  void Consume(const transport::Record& record);

  // Requires: everything that was appended to this partition before log_now has been consumed.
  void Tick(int64_t log_now);

  // The sources are closed and everything they sent has been consumed: agents count as stopped,
  // watermarks as infinite. What comes after are links. Once Idle() holds in every partition,
  // nothing is left to do.
  void Finish(int64_t log_now);
  bool Idle() const;

  // From any thread: no further window is decided, so that the call in progress returns after the
  // window in hand. What is decided stays so and may be committed; the rest is for the next owner.
  void Cancel();
  // Learned state goes out with the next transaction: the last one, another owner goes on.
  void SaveStates();

  // Windows are decided by this chain from now on. What the old one has learned is logged, and
  // handed to correlators of the same names; its instances may go when this returns.
  void Replace(std::vector<ChainLink> chain, Metrics& metrics);

  // What happened since the last call, with the offset below which nothing is needed any more.
  transport::Transaction TakeTransaction();

  // Spans that are held, and the bytes they hold (payloads included).
  size_t BufferedSpans() const;
  size_t BufferedBytes() const;
  // False: what is held is past its bound because other partitions are behind. They are to be
  // waited for: links are still to be read, events are not, and no time is to be told. Whoever is
  // behind reads on past the bound.
  bool WantsInput();
  // For operators: windows not decided yet, requests whose caller's trace is not known yet, and how
  // far the watermark of the slowest agent is behind the log's clock.
  size_t OpenWindows() const;
  size_t PendingLinks() const;
  int64_t WatermarkLagNs() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace weft::stitch
