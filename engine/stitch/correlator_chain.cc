#include "engine/stitch/correlator_chain.h"

#include <algorithm>
#include <new>

namespace weft::stitch {
namespace {

constexpr uint32_t kMaxVoices = 16u << 20;  // of one window; a plugin that asks for more has a bug

int32_t AppendState(void* ctx, weft_str bytes) {
  auto& state = *static_cast<std::string*>(ctx);
  if (state.size() + bytes.size > CorrelatorChain::kMaxStateBytes) return WEFT_FAILED;
  try {
    state.append(bytes.data, bytes.size);
  } catch (const std::bad_alloc&) {
    return WEFT_FAILED;
  }
  return WEFT_OK;
}

}  // namespace

CorrelatorChain::CorrelatorChain(std::vector<ChainLink> chain, const StitchConfig& config,
                                 Metrics& metrics, Logger& logger)
    : chain_(std::move(chain)),
      decider_(config),
      logger_(logger),
      failures_(metrics.Get("stitch.correlator_failures")),
      ignored_(metrics.Get("stitch.voices_ignored")),
      state_too_large_(metrics.Get("stitch.state_too_large")),
      failed_(chain_.size()) {
  voices_.struct_size = sizeof voices_;
  voices_.ctx = this;
  voices_.grow = &CorrelatorChain::Grow;
  Reserve(1024);
}

uint64_t CorrelatorChain::columns() const {
  uint64_t columns = 0;
  for (const ChainLink& link : chain_)
    columns |= link.table->columns != 0 ? link.table->columns : ~uint64_t{0};
  return columns;
}

bool CorrelatorChain::learns() const {
  return std::any_of(chain_.begin(), chain_.end(),
                     [](const ChainLink& l) { return l.table->save != nullptr; });
}

void CorrelatorChain::Reserve(uint32_t capacity) {
  child_.resize(capacity);
  candidate_.resize(capacity);
  log_odds_.resize(capacity);
  evidence_.resize(capacity);
  voices_.child = child_.data();
  voices_.candidate = candidate_.data();
  voices_.log_odds = log_odds_.data();
  voices_.evidence = evidence_.data();
  voices_.capacity = capacity;
}

int32_t CorrelatorChain::Grow(weft_candidates* self, uint32_t min_capacity) {
  if (min_capacity > kMaxVoices) return WEFT_FAILED;
  auto& chain = *static_cast<CorrelatorChain*>(self->ctx);
  try {
    chain.Reserve(std::max(min_capacity, std::min(self->capacity * 2, kMaxVoices)));
  } catch (const std::bad_alloc&) {
    return WEFT_FAILED;
  }
  return WEFT_OK;
}

void CorrelatorChain::Report(const ChainLink& link, const char* call, const weft_error& error) {
  failures_.Add();
  logger_.Warn("correlator " + link.name + ": " + call + ": " + error.message);
}

const LinkDecider& CorrelatorChain::Decide(const weft_spans& view) {
  voices_.n = 0;
  for (size_t i = 0; i < chain_.size(); ++i) {
    const ChainLink& link = chain_[i];
    const uint32_t before = voices_.n;
    weft_error error{};
    failed_[i] = link.table->correlate(link.instance, &view, &voices_, &error) != WEFT_OK;
    if (!failed_[i]) continue;
    voices_.n = before;
    Report(link, "correlate", error);
  }
  decider_.Decide(view, voices_);
  if (decider_.ignored() != 0) ignored_.Add(decider_.ignored());
  Learn(view);
  return decider_;
}

void CorrelatorChain::Learn(const weft_spans& view) {
  if (std::none_of(chain_.begin(), chain_.end(),
                   [](const ChainLink& l) { return l.table->learn != nullptr; }))
    return;
  const auto& decisions = decider_.decisions();
  link_child_.clear();
  link_parent_.clear();
  link_confidence_.clear();
  link_evidence_.clear();
  for (const LinkDecision& d : decisions) {
    link_child_.push_back(d.child);
    link_parent_.push_back(d.parent);
    link_confidence_.push_back(d.confidence);
    link_evidence_.push_back(d.evidence);
  }
  const weft_links links = {sizeof(weft_links),      static_cast<uint32_t>(decisions.size()),
                            link_child_.data(),      link_parent_.data(),
                            link_confidence_.data(), link_evidence_.data()};
  for (size_t i = 0; i < chain_.size(); ++i) {
    const ChainLink& link = chain_[i];
    weft_error error{};
    if (failed_[i] || link.table->learn == nullptr) continue;
    if (link.table->learn(link.instance, &view, &links, &error) != WEFT_OK)
      Report(link, "learn", error);
  }
}

void CorrelatorChain::Save(uint64_t process_id, int64_t decided_ns,
                           std::vector<api::CorrelatorState>* out) {
  for (const ChainLink& link : chain_) {
    if (link.table->save == nullptr) continue;
    api::CorrelatorState state{process_id, link.name, decided_ns, {}};
    weft_buffer buffer = {sizeof(weft_buffer), &state.state, &AppendState};
    weft_error error{};
    if (link.table->save(link.instance, process_id, &buffer, &error) != WEFT_OK) {
      state_too_large_.Add();
      Report(link, "save", error);
    } else if (!state.state.empty()) {
      out->push_back(std::move(state));
    }
  }
}

void CorrelatorChain::Load(const api::CorrelatorState& state) {
  for (const ChainLink& link : chain_) {
    if (link.name != state.correlator || link.table->load == nullptr) continue;
    weft_error error{};
    if (link.table->load(link.instance, state.process_id, api::Str(state.state), &error) != WEFT_OK)
      Report(link, "load", error);
  }
}

void CorrelatorChain::Forget(uint64_t process_id) {
  for (const ChainLink& link : chain_)
    if (link.table->forget != nullptr) link.table->forget(link.instance, process_id);
}

}  // namespace weft::stitch
