// CorrelatorChain: asks the correlators of one partition about a window and decides.
//
// Each correlator in turn appends voices to one list; LinkDecider makes decisions of it; all are
// then told what was decided. A correlator that fails is counted and passed over for that window:
// its voices are taken back, and it does not learn from it. Learned state is per process, saved and
// loaded by name. One thread.
#pragma once

#include <string>
#include <vector>

#include "engine/api/codec.h"
#include "engine/base/log.h"
#include "engine/base/metrics.h"
#include "engine/stitch/link_decider.h"

namespace weft::stitch {

class CorrelatorChain {
 public:
  static constexpr size_t kMaxStateBytes = 256 << 10;

  CorrelatorChain(std::vector<ChainLink> chain, const StitchConfig& config, Metrics& metrics,
                  Logger& logger);
  CorrelatorChain(const CorrelatorChain&) = delete;

  uint64_t columns() const;  // weft_column bits that somebody reads
  bool reads_ahead() const { return (columns() & WEFT_COLUMN_AHEAD) != 0; }
  bool learns() const;
  // Decides the view's calls; the answer is valid until the next call.
  const LinkDecider& Decide(const weft_spans& view);

  // States of all correlators that have one, to be logged.
  void Save(uint64_t process_id, int64_t decided_ns, std::vector<api::CorrelatorState>* out);
  void Load(const api::CorrelatorState& state);
  void Forget(uint64_t process_id);
  const std::vector<ChainLink>& links() const { return chain_; }

 private:
  static int32_t Grow(weft_candidates* self, uint32_t min_capacity);
  void Reserve(uint32_t capacity);
  void Learn(const weft_spans& view);
  void Report(const ChainLink& link, const char* call, const weft_error& error);

  const std::vector<ChainLink> chain_;
  LinkDecider decider_;
  Logger& logger_;
  Counter& failures_;
  Counter& ignored_;
  Counter& state_too_large_;
  weft_candidates voices_{};
  std::vector<bool> failed_;  // by link, in the window in hand
  std::vector<uint32_t> child_, candidate_, evidence_;
  std::vector<float> log_odds_;
  std::vector<uint32_t> link_child_, link_parent_, link_evidence_;
  std::vector<float> link_confidence_;
};

}  // namespace weft::stitch
