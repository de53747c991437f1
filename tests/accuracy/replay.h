// Replay: feeds a recording to a chain of correlator plugins window by window, as stage 1 does:
// half-second windows of one process, the requests still open from before, a half-second
// look-ahead, ends that lie beyond it not yet known; nothing of the truth is in the view.
#pragma once

#include <vector>

#include "engine/eval/score.h"
#include "engine/plugin/instance.h"
#include "tests/accuracy/recording.h"

namespace weft::accuracy {

struct ReplayResult {
  eval::Parents parents;
  std::vector<float> confidence;  // of each decided call
  double seconds = 0;             // in the correlators
};

// What the plugins learn from: what was decided, or what is true (a bound on what can be learned;
// each window is still decided before it is told).
enum class Teacher { kDecisions, kTruth };

// The instances are given the services of the recording as processes 1, 2, ...
Result<ReplayResult> Replay(const Recording& recording,
                            const std::vector<const plugin::PluginInstance*>& chain,
                            Teacher teacher = Teacher::kDecisions);

}  // namespace weft::accuracy
