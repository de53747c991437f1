// LearningVoice: a correlator for tests that shows whether everything was learned just as it was
// the first time. What it says depends on every bit of every view and decision before, in order, so
// that one window which is forgotten, learned twice or seen otherwise soon changes parents. An
// instance per partition; one thread.
#pragma once

#include <cstdint>
#include <unordered_map>

#include "engine/api/plugin_abi.h"

namespace weft::sim {

class LearningVoice {
 public:
  // To be called with a LearningVoice as the instance.
  static const weft_correlator* Table();

  void Correlate(const weft_spans& window, weft_candidates* io);
  void Learn(const weft_spans& window, const weft_links& links);

  std::unordered_map<uint64_t, uint64_t> learned;  // by process
};

}  // namespace weft::sim
