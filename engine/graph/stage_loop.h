// StageLoop: the turns of the shards of one stage as a TBB flow graph.
//
//   token --> [exchange: async_node, a thread per shard] --> [compute: function_node] --+
//               ^                                                                       |
//               +-----------------------------------------------------------------------+
//
// One token per shard goes round; it dies when the shard ends, and the graph is empty when all
// have. So a shard is never in two nodes at once, what waits never sits on a TBB worker, and
// nothing can pile up in the graph: there is one token, with at most poll_bytes, per shard. This is
// the only file of weft that builds a graph. Start and Join from one thread.
#pragma once

#include <memory>
#include <vector>

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
 public:
  // `shards` and `workers` outlive the loop.
  StageLoop(std::vector<Shard*> shards, Workers& workers);
  // Requires: Join has been called, or Start never.
  ~StageLoop();

  void Start();
  // Returns when every shard has ended.
  void Join();

 private:
  struct Graph;
  std::unique_ptr<Graph> graph_;
};

}  // namespace weft::graph
