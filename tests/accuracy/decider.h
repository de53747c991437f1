// Decider: runs a chain of correlators over one window and decides as stage 1 does, by its
// LinkDecider; keeps the time that the correlators took apart from the rest.
#pragma once

#include <functional>
#include <vector>

#include "engine/plugin/instance.h"
#include "engine/stitch/link_decider.h"

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

  // Correlate, decide, learn: what was decided, as `correct` leaves it.
  Result<Links> Run(const weft_spans& view, const std::function<void(Links&)>& correct = {});

  // Of the last Run.
  const weft_candidates& voices() const { return io_; }
  // Voices that named a row which could not have caused the call, in all runs.
  uint64_t ignored() const { return decider_.ignored(); }
  // CPU time spent inside the correlators, in all runs.
  double seconds() const { return seconds_; }

 private:
  Result<void> Ask(const weft_spans& view);
  Result<void> Teach(const weft_spans& view, const weft_links& links);
  Links Decide(const weft_spans& view);
  void Grow(uint32_t capacity);

  std::vector<const plugin::PluginInstance*> chain_;
  stitch::LinkDecider decider_{stitch::StitchConfig{}};
  weft_candidates io_{};
  std::vector<uint32_t> child_, candidate_, evidence_;
  std::vector<float> log_odds_;
  double seconds_ = 0;
};

}  // namespace weft::accuracy
