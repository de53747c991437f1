// RunStage: recorded traces through the engine's own stage 1, as one agent's observations.
//
// Ids, parents and traces are left behind: each service becomes a process, each span an observation
// without context, wire id or thread, in batches as an agent sends them. What StitchPartition
// decides is read from its labels. One thread, no clock: the same input gives the same answer.
#pragma once

#include <vector>

#include "engine/base/log.h"
#include "engine/base/metrics.h"
#include "engine/base/result.h"
#include "engine/eval/score.h"
#include "engine/stitch/config.h"

namespace weft::eval {

struct StageRun {
  Parents parents;
  std::vector<float> confidence;   // of each linked call
  double seconds = 0;              // CPU time in the correlators, learning included
  uint64_t bytes_per_process = 0;  // most heap that they held, over the services
};

struct StageServices {
  Metrics& metrics;
  Logger& log;
};

Result<StageRun> RunStage(const KnownTraces& known, const std::vector<stitch::ChainLink>& chain,
                          const stitch::StitchConfig& config, const StageServices& services);

}  // namespace weft::eval
