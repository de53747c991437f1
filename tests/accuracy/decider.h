// Decider: runs a chain of correlators over one window and decides by the engine's rule: voices add
// up per candidate, context fixes, equal totals go to the latest start, confidence is the softmax over
// the open requests and "none".
#pragma once

#include <vector>

#include "engine/plugin/instance.h"

namespace weft::accuracy {

struct Links {
  std::vector<uint32_t> child, parent, evidence;
  std::vector<float> confidence;
};

class Decider {
 public:
  explicit Decider(std::vector<const plugin::PluginInstance*> chain);
  Decider(const Decider&) = delete;
  Decider& operator=(const Decider&) = delete;

  // Correlate, decide, learn. Voices for rows that are no candidates are counted in ignored().
  Result<Links> Run(const weft_spans& view);

  // Of the last Run.
  const weft_candidates& voices() const { return io_; }
  uint64_t ignored() const { return ignored_; }
  // Spent inside the correlators, in all runs.
  double seconds() const { return seconds_; }

 private:
  struct Total {
    uint32_t candidate, evidence;
    float sum;
  };
  Result<void> Ask(const weft_spans& view);
  Result<void> Teach(const weft_spans& view, const weft_links& links);
  Links Decide(const weft_spans& view);
  void Grow(uint32_t capacity);

  std::vector<const plugin::PluginInstance*> chain_;
  weft_candidates io_{};
  std::vector<uint32_t> child_, candidate_, evidence_;
  std::vector<float> log_odds_;
  uint64_t ignored_ = 0;
  double seconds_ = 0;
};

}  // namespace weft::accuracy
