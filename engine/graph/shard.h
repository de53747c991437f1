// Shard: the turn of one partition of one stage: commit, wait, read; compute; and again.
//
// The graph alternates (Exchange Compute)* for each shard and never runs two at once: Exchange on
// the shard's own thread, because it waits and may write to a network; Compute on a TBB worker. The
// derived class is the stage. No exception leaves either; what fails ends the shard and is kept.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "engine/base/metrics.h"
#include "engine/base/result.h"
#include "engine/graph/shard_metrics.h"
#include "engine/stitch/link_decider.h"
#include "engine/trace/sampler_chain.h"
#include "engine/transport/transport.h"

namespace weft::graph {

struct ShardLimits {
  size_t poll_bytes = size_t{4} << 20;
  int64_t tick_ns = 100'000'000;
};

// What a shard's stage calls and nobody else.
struct ShardResources {
  virtual ~ShardResources() = default;
};

// The instances of one shard, which are never called at the same time.
struct ShardPlugins {
  std::vector<stitch::ChainLink> correlators;  // of stage 1
  std::vector<trace::Sampler> samplers;        // of stage 2
  std::unique_ptr<ShardResources> instances;   // owns what these point to; may be null
};

class Shard {
 public:
  // Called between two turns, on the shard's thread: plugins to go on with, if there are new ones.
  using Renewal = std::function<std::optional<ShardPlugins>()>;

  Shard(transport::Transport& transport, std::unique_ptr<transport::PartitionOwner> owner,
        const ShardLimits& limits, Metrics& metrics);
  virtual ~Shard() = default;

  // Commits what Compute returned, waits for input at most a tick, reads it. False: this was the
  // last turn; see failure().
  bool Exchange();
  void Compute();

  // Ends the shard after its next commit.
  void End() { ending_ = true; }
  // Ends the shard in good order, for another owner to go on: nothing more is read, what is decided
  // is committed.
  virtual void Leave() { leaving_ = true; }
  // Ends it at once: the partition may be somebody else's already, so nothing is committed any
  // more. A step or a commit in progress is waited for.
  virtual void Drop() { dropped_ = true; }
  // No more input will be appended from here on: what is there is the last of it. Waits become
  // short.
  void Finish() {
    finish_ns_ = transport_.LogTimeNs();
    finishing_ = true;
  }
  std::optional<Error> failure() const;
  // Before the first turn: what the stage calls, and where to ask for others.
  void Keep(std::unique_ptr<ShardResources> resources, Renewal renewal) {
    resources_ = std::move(resources);
    renewal_ = std::move(renewal);
  }

  // Finished, and nothing is left here. The shard must still turn until all of its stage are
  // drained: the others may want answers of it.
  virtual bool Drained() const { return false; }
  // Spans that are held and not decided.
  virtual uint64_t BufferedSpans() const { return 0; }

 protected:
  const transport::PartitionOwner& owner() const { return *owner_; }
  // Reads a log back through `restore`; a record that cannot be used is the stage's to count.
  Result<void> ReadBack(transport::Stream log,
                        const std::function<void(const transport::Record&)>& restore);

  // Compute: the stage itself. `caught_up`: all that was appended before now_ns is in the records
  // of this and earlier steps; else now_ns is that of the last time this was so.
  virtual transport::Transaction Step(const std::vector<transport::Record>& records, int64_t now_ns,
                                      bool caught_up) = 0;
  // Step: everything that there will ever be is in the records of this and earlier steps. (To ask
  // whether Finish was called would not do: it may have been called after the records were read.)
  bool input_ended() const { return input_ended_; }
  bool leaving() const { return leaving_; }
  bool dropped() const { return dropped_; }
  // Exchange: false: the input is left where it is for now, what else there is to read comes.
  virtual bool WantsInput() { return true; }
  // Exchange: the step's transaction has been committed. May wait.
  virtual void Committed() {}
  // Exchange: the stage calls these from now on, and the old ones no more.
  virtual void Replace(ShardPlugins&) {}
  // Compute, a few times a second: what the stage holds, for the metrics.
  virtual void ShowState(ShardMetrics&) {}
  // Exchange, before the next wait: is there a reason to go on?
  virtual bool Ended() const { return false; }

 private:
  bool Commit();
  bool Commit(transport::Transaction transaction);
  Result<void> Read();
  Result<void> ReadAvailable();
  void Renew();
  void Show();
  void Fail(Error error);

  std::unique_ptr<ShardResources> resources_;  // goes after the stage, which derived classes own
  Renewal renewal_;
  transport::Transport& transport_;
  std::unique_ptr<transport::PartitionOwner> owner_;
  const ShardLimits limits_;
  std::string name_;
  ShardMetrics metrics_;
  std::vector<transport::Record> records_;
  bool held_ = false;          // the input
  int64_t input_read_ns_ = 0;  // append time of the newest record of it; 0: none was read
  bool caught_up_ = false;
  bool input_ended_ = false;
  int64_t now_ns_ = 0;
  int64_t next_show_ns_ = 0;
  std::optional<transport::Transaction> transaction_;
  transport::Transaction waiting_;  // an offset that goes with the next one
  int64_t committed_ns_ = INT64_MIN;
  std::atomic<bool> ending_ = false;
  std::atomic<bool> leaving_ = false;
  std::atomic<bool> dropped_ = false;
  std::atomic<bool> finishing_ = false;
  std::atomic<int64_t> finish_ns_ = 0;
  mutable std::mutex mutex_;
  std::optional<Error> failure_;
};

}  // namespace weft::graph
