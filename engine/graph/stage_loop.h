// StageLoop: the turns of the shards of one stage as a TBB flow graph.
//
//   token --> [exchange: async_node, a thread per shard] --> [compute: function_node] --+
//               ^                                                                       |
//               +-----------------------------------------------------------------------+
//
// One token per shard goes round; it dies when the shard ends. So a shard is never in two nodes at
// once, what waits never sits on a TBB worker, and nothing can pile up in the graph: there is one
// token, with at most poll_bytes, per shard. Shards come and go while the others turn. This is the
// only file of weft that builds a graph. Add from one thread at a time; Turns from any one thread.
#pragma once

#include <functional>
#include <memory>

#include "engine/graph/shard.h"

namespace weft::graph {

// The threads that all stages compute on. Stages share them: TBB lends its workers to one arena as
// long as that has work, so a stage in an arena of its own can starve the other.
class Workers {
 public:
  explicit Workers(unsigned threads);  // 0 is one per core
  ~Workers();

 private:
  friend class StageLoop;
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

class StageLoop {
 private:
  struct Graph;

 public:
  // The turns of one shard. The destructor waits for the last one.
  class Turns {
   public:
    ~Turns();
    // The last turn is over: the shard may go.
    bool ended() const;
    void Wait() const;

   private:
    friend class StageLoop;
    struct Impl;
    explicit Turns(std::unique_ptr<Impl> impl);
    std::unique_ptr<Impl> impl_;
  };

  // `workers` outlives the loop.
  explicit StageLoop(Workers& workers);
  // Requires: all Turns are gone.
  ~StageLoop();

  // On a thread of the shard's own `begin` is called, which may take its time, and the shard that
  // it gives turns until it ends; null: there is none. The shard outlives its turns.
  std::unique_ptr<Turns> Add(std::function<Shard*()> begin);

 private:
  std::unique_ptr<Graph> graph_;
};

}  // namespace weft::graph
