// tail: decides on whole traces. Either with the policies of the Collector's tail_sampling
// processor, in the words of its configuration, or with rules in order; both give what they keep
// an honest weight.
#include <cstring>
#include <functional>
#include <optional>
#include <string>

#include "engine/api/plugin.h"
#include "engine/api/plugin_shares.h"
#include "plugins/sampling/trace_batch_keys.h"
#include "plugins/sampling/trace_bytes.h"
#include "plugins/sampler-tail/policy_config.h"
#include "plugins/sampler-tail/rule_set.h"

namespace weft::tail {
namespace {

class TailSampler {
 public:
  static constexpr const char* kName = "tail";
  static constexpr const char* kVersion = "0.1.0";
  static constexpr const char* kConfigSchema = R"({
    "type": "object",
    "properties": {
      "policies": {"type": "array", "items": {"type": "object"},
        "description": "votes, as under tail_sampling in a Collector's configuration"},
      "sample_on_first_match": {"type": "boolean", "default": false},
      "rules": {"type": "array", "items": {"type": "object"},
        "description": "in order, the first decides: name, if (a policy), keep or adaptive"}
    }
  })";

  TailSampler(const sdk::Host&, const sdk::PluginConfig& config) {
    const std::string_view policies = config.Raw("policies"), rules = config.Raw("rules");
    if (policies.empty() == rules.empty())
      throw sdk::ConfigError("one of policies and rules is wanted");
    config_hash_ = std::hash<std::string_view>{}(rules.empty() ? policies : rules);
    PolicyReader reader(tests_);
    if (rules.empty()) {
      const sampling::SettingsDocument document("policies", policies);
      set_.emplace(
          reader.ReadSet(sampling::ListOf(document), config.Flag("sample_on_first_match", false)));
    } else {
      const sampling::SettingsDocument document("rules", rules);
      rules_.emplace(sampling::ListOf(document), reader);
    }
    bits_ = TestBits(tests_.words());
    wants_bytes_ = reader.wants_bytes();
  }

  void Decide(const weft_spans& spans, const weft_traces& traces, weft_decisions& out) {
    const double share = traces.n_partitions == 0 ? 1.0 : 1.0 / traces.n_partitions;
    tests_.Begin(spans);
    if (wants_bytes_) bytes_.Begin(spans);
    if (rules_) rules_->Begin(spans, traces.decided_ns, share);
    ++batch_;
    for (uint32_t i = 0; i < traces.n; ++i) {
      tests_.Collect(traces.first_row[i], traces.n_rows[i], bits_);
      const TraceFacts facts = Facts(spans, traces, i);
      const Outcome outcome = rules_ ? rules_->Decide(facts, sampling::RowOfTrace(traces, i))
                                     : set_->Decide(facts, traces.decided_ns, share);
      out.keep[i] = outcome.keep ? 1 : 0;
      out.weight[i] = outcome.weight;
      out.rule[i] = sdk::Str(*outcome.rule);
      if (outcome.by_trace_id) weft_by_trace_id(&out, i);
    }
  }

  // A state belongs to its rules: counts of others under the same positions would be wrong.
  void Save(std::string& state) {
    state.append(reinterpret_cast<const char*>(&config_hash_), sizeof config_hash_);
    if (rules_) return rules_->Save(state);
    std::vector<double> numbers;
    set_->Save(numbers);
    state.append(reinterpret_cast<const char*>(numbers.data()), numbers.size() * sizeof(double));
  }
  bool Load(std::string_view state) {
    uint64_t of = 0;
    if (state.size() < sizeof of) return false;
    std::memcpy(&of, state.data(), sizeof of);
    // Not an error: the rules were changed, and begin anew.
    if (of != config_hash_) return true;
    state.remove_prefix(sizeof of);
    if (rules_) return rules_->Load(state);
    std::vector<double> numbers(state.size() / sizeof(double));
    if (state.size() % sizeof(double) != 0) return false;
    if (!numbers.empty()) std::memcpy(numbers.data(), state.data(), state.size());
    return set_->Load(numbers);
  }

 private:
  TraceFacts Facts(const weft_spans& spans, const weft_traces& traces, uint32_t i) {
    return {.bits = bits_,
            .trace_hi = traces.trace_hi[i],
            .trace_lo = traces.trace_lo[i],
            .duration_ns = traces.end_ns[i] - traces.start_ns[i],
            .spans = traces.n_rows[i],
            .flags = traces.flags[i],
            .rows = &spans,
            .first_row = traces.first_row[i],
            .number = ++trace_,
            .batch = batch_,
            .bytes = wants_bytes_ ? bytes_.Of(traces.first_row[i], traces.n_rows[i]) : 0};
  }

  SpanTests tests_;
  std::optional<PolicySet> set_;
  std::optional<RuleSet> rules_;
  TestBits bits_;
  sampling::TraceBytes bytes_;
  bool wants_bytes_ = false;
  uint64_t config_hash_ = 0;
  uint64_t trace_ = 0, batch_ = 0;
};

}  // namespace
}  // namespace weft::tail

WEFT_SAMPLER(weft::tail::TailSampler)
