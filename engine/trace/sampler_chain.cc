#include "engine/trace/sampler_chain.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <numeric>
#include <utility>

#include <fmt/format.h>

#include "engine/api/dictionary.h"
#include "engine/api/plugin_shares.h"

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
  alive_.resize(traces.n);
  std::iota(alive_.begin(), alive_.end(), 0u);
  share_weight_.assign(traces.n, 1.0);
  for (const Sampler& sampler : samplers_) {
    if (alive_.empty()) break;
    const weft_traces left = alive_.size() == traces.n ? traces : Left(traces);
    if (!Ask(sampler, hidden, left)) continue;
    size_t kept = 0;
    for (uint32_t i = 0; i < left.n; ++i) {
      const uint32_t trace = alive_[i];
      result_.keep[trace] = keep_[i] != 0;
      Weigh(trace, weight_[i], by_trace_id_[i] != 0);
      if (rule_[i].size != 0 && rule_[i].data != nullptr)
        result_.rule[trace] = Join(result_.rule[trace], api::View(rule_[i]));
      if (keep_[i] != 0) alive_[kept++] = trace;
    }
    alive_.resize(kept);
  }
  for (uint32_t i = 0; i < traces.n; ++i) Count(result_.rule[i], result_.keep[i] != 0);
  return result_;
}

// Independent chances multiply. Who keeps a share of trace ids keeps what a smaller share keeps.
void SamplerChain::Weigh(uint32_t trace, double weight, bool by_trace_id) {
  // An adjusted count below 1 or not finite would make every later sum wrong.
  if (!std::isfinite(weight) || weight < 1.0) return;
  if (by_trace_id) {
    double& share = share_weight_[trace];
    const double before = std::exchange(share, std::max(share, weight));
    weight = share / before;
  }
  result_.weight[trace] *= weight;
}

// The traces that are still kept: a budget must not be spent on what an earlier sampler dropped.
weft_traces SamplerChain::Left(const weft_traces& traces) {
  left_ = {};
  for (const uint32_t i : alive_) {
    left_.AddTrace(traces.trace_hi[i], traces.trace_lo[i], traces.first_row[i]);
    left_.n_rows.back() = traces.n_rows[i];
    left_.root_row.back() = traces.root_row[i];
    left_.start_ns.back() = traces.start_ns[i];
    left_.end_ns.back() = traces.end_ns[i];
    left_.n_errors.back() = traces.n_errors[i];
    left_.flags.back() = traces.flags[i];
  }
  weft_traces view = left_.View();
  view.decided_ns = traces.decided_ns;
  view.partition = traces.partition;
  view.n_partitions = traces.n_partitions;
  return view;
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
  if (path.empty()) return;
  if (known_.size() > 4 * kMaxPaths) known_.clear();  // a plugin that makes them up
  Path*& known = known_[path.data()];
  if (known == nullptr || known->name != path) known = &PathOf(path);
  (keep ? known->kept : known->dropped).Add();
}

SamplerChain::Path& SamplerChain::PathOf(std::string_view path) {
  if (const auto it = counters_.find(path); it != counters_.end()) return it->second;
  if (counters_.size() >= kMaxPaths) path = "other";
  std::string label(path);
  for (char& c : label)
    if (c == '{' || c == '}' || c == ',' || c == '=' || c == '"') c = '_';
  return counters_
      .try_emplace(
          std::string(path),
          Path{std::string(path), metrics_.Get(fmt::format("trace.rule_kept{{rule={}}}", label)),
               metrics_.Get(fmt::format("trace.rule_dropped{{rule={}}}", label))})
      .first->second;
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
  by_trace_id_.assign(traces.n, 0);
  weft_decisions_shares out{
      {sizeof(weft_decisions_shares), traces.n, keep_.data(), weight_.data(), rule_.data()},
      by_trace_id_.data()};
  weft_error error{};
  if (sampler.table->decide(sampler.instance, &spans, &traces, &out.decisions, &error) == WEFT_OK)
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
