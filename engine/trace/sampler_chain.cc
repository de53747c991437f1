#include "engine/trace/sampler_chain.h"

#include <cmath>
#include <cstddef>

#include <fmt/format.h>

#include "engine/api/dictionary.h"

namespace weft::trace {
namespace {

constexpr size_t kMaxStateBytes = 256 << 10;
constexpr size_t kMaxPaths = 1000;

bool HasState(const weft_sampler& table) {
  constexpr uint32_t kSize = offsetof(weft_sampler, load) + sizeof(void*);
  return table.struct_size >= kSize && table.save != nullptr && table.load != nullptr;
}

}  // namespace

SamplerChain::SamplerChain(std::vector<Sampler> samplers, Metrics& metrics, Logger& log)
    : samplers_(std::move(samplers)),
      failures_(metrics.Get("trace.sampler_failures")),
      state_too_large_(metrics.Get("trace.state_too_large")),
      metrics_(metrics),
      log_(log) {
  for (const Sampler& sampler : samplers_) stateful_ |= HasState(*sampler.table);
}

const Decisions& SamplerChain::Decide(const weft_spans& spans, const weft_traces& traces) {
  result_.keep.assign(traces.n, 1);
  result_.weight.assign(traces.n, 1.0);
  result_.rule.assign(traces.n, {});
  weft_spans hidden = spans;
  hidden.truth = nullptr;
  hidden.truth_strings = nullptr;
  hidden.n_truth_strings = 0;
  for (const Sampler& sampler : samplers_) {
    if (!Ask(sampler, hidden, traces)) continue;
    for (uint32_t i = 0; i < traces.n; ++i) {
      if (!result_.keep[i]) continue;
      result_.keep[i] = keep_[i] != 0;
      // An adjusted count below 1 or not finite would make every later sum wrong.
      if (std::isfinite(weight_[i]) && weight_[i] >= 1.0) result_.weight[i] *= weight_[i];
      if (rule_[i].size != 0 && rule_[i].data != nullptr)
        result_.rule[i] = Join(result_.rule[i], api::View(rule_[i]));
    }
  }
  for (uint32_t i = 0; i < traces.n; ++i) Count(result_.rule[i], result_.keep[i] != 0);
  return result_;
}

// Paths are few, because rules are; a plugin that makes up names without end gets its own name
// only.
std::string_view SamplerChain::Join(std::string_view path, std::string_view rule) {
  if (path.empty()) return rule;
  joined_.assign(path).append(" > ").append(rule);
  if (const auto it = paths_.find(joined_); it != paths_.end()) return *it;
  if (paths_.size() >= kMaxPaths) return rule;
  return *paths_.insert(joined_).first;
}

void SamplerChain::Count(std::string_view path, bool keep) {
  auto it = counters_.find(path);
  if (it == counters_.end()) {
    if (path.empty()) return;
    std::string label(counters_.size() < kMaxPaths ? path : "other");
    for (char& c : label)
      if (c == '{' || c == '}' || c == ',' || c == '=' || c == '"') c = '_';
    Counter& kept = metrics_.Get(fmt::format("trace.rule_kept{{rule={}}}", label));
    Counter& dropped = metrics_.Get(fmt::format("trace.rule_dropped{{rule={}}}", label));
    if (label == "other") return (keep ? kept : dropped).Add();
    it = counters_.emplace(path, Path{kept, dropped}).first;
  }
  (keep ? it->second.kept : it->second.dropped).Add();
}

// The place in the chain belongs to the name: the same sampler may be there twice.
std::string SamplerChain::NameOf(size_t sampler) const {
  return fmt::format("sampler/{}/{}", sampler, samplers_[sampler].name);
}

std::vector<SamplerChain::State> SamplerChain::Save() {
  std::vector<State> out;
  for (size_t i = 0; i < samplers_.size(); ++i) {
    if (!HasState(*samplers_[i].table)) continue;
    State state{NameOf(i), {}};
    weft_buffer buffer{sizeof buffer, &state.bytes, [](void* ctx, weft_str bytes) -> int32_t {
                         auto& to = *static_cast<std::string*>(ctx);
                         if (to.size() + bytes.size > kMaxStateBytes) return WEFT_FAILED;
                         to.append(api::View(bytes));
                         return WEFT_OK;
                       }};
    weft_error error{};
    if (samplers_[i].table->save(samplers_[i].instance, &buffer, &error) == WEFT_OK)
      out.push_back(std::move(state));
    else
      state_too_large_.Add();
  }
  return out;
}

bool SamplerChain::Load(const State& state) {
  for (size_t i = 0; i < samplers_.size(); ++i) {
    if (!HasState(*samplers_[i].table) || NameOf(i) != state.name) continue;
    weft_error error{};
    const weft_str bytes{state.bytes.data(), state.bytes.size()};
    if (samplers_[i].table->load(samplers_[i].instance, bytes, &error) == WEFT_OK) return true;
    failures_.Add();
    log_.Warn(fmt::format("sampler {}: starts anew: {}", samplers_[i].name,
                          std::string_view(error.message)));
    return false;
  }
  return false;
}

bool SamplerChain::Ask(const Sampler& sampler, const weft_spans& spans, const weft_traces& traces) {
  keep_.assign(traces.n, 1);
  weight_.assign(traces.n, 1.0);
  rule_.assign(traces.n, weft_str{"", 0});
  weft_decisions out{sizeof(weft_decisions), traces.n, keep_.data(), weight_.data(), rule_.data()};
  weft_error error{};
  if (sampler.table->decide(sampler.instance, &spans, &traces, &out, &error) == WEFT_OK)
    return true;
  // The first failures are told in words, the rest only counted: a policy that fails on every batch
  // must not fill the log.
  if (failures_.Get() < 10)
    log_.Error(fmt::format("sampler {}: {} traces kept undecided: {}", sampler.name, traces.n,
                           std::string_view(error.message)));
  failures_.Add(1);
  return false;
}

}  // namespace weft::trace
