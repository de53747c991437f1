#include "plugins/sampler-tail/rule_set.h"

#include <algorithm>
#include <cstring>

#include "plugins/sampling/randomness.h"
#include "plugins/sampling/trace_batch_keys.h"

namespace weft::tail {
namespace {

const std::string kNoMatch = "tail/no-match";

sampling::ThroughputTargets ReadTargets(sampling::Settings s) {
  sampling::ThroughputTargets targets;
  targets.per_key = s.Number("per_operation", 0);
  targets.total = s.Number("total", 0);
  targets.max_keys =
      static_cast<uint32_t>(std::clamp<int64_t>(s.Int("max_operations", 1000), 1, 100'000));
  if (!(targets.per_key >= 0 && targets.total >= 0) || targets.per_key + targets.total <= 0)
    s.Refuse("a target is missing: per_operation, total or both");
  s.Finish();
  return targets;
}

}  // namespace

RuleSet::RuleSet(std::vector<sampling::Settings> rules, PolicyReader& reader) {
  for (sampling::Settings& s : rules) {
    Rule rule;
    const std::string name = s.Text("name");
    s.Name(name);
    rule.name = "tail/" + name;
    if (std::ranges::any_of(rules_, [&](const Rule& r) { return r.name == rule.name; }))
      s.Refuse("name", "there is another rule of that name");
    if (!rules_.empty() && rules_.back().condition == nullptr)
      s.Refuse("the rule before it is for every trace, so this one is for none");
    if (s.Has("if")) rule.condition = reader.ReadCondition(s.Object("if"));
    const double keep = s.Number("keep", 1);
    if (!(keep >= 0 && keep <= 1)) s.Refuse("keep", "a share from 0 to 1 is wanted");
    rule.threshold = sampling::Threshold(keep);
    if (s.Has("adaptive")) {
      if (s.Has("keep")) s.Refuse("keep and adaptive exclude each other");
      rule.adaptive = std::make_unique<sampling::Throughput>(ReadTargets(s.Object("adaptive")));
    }
    s.Finish();
    rules_.push_back(std::move(rule));
  }
}

void RuleSet::Begin(const weft_spans&, int64_t now_ns, double share) {
  for (Rule& rule : rules_) {
    rule.keys.clear();
    if (rule.adaptive) rule.adaptive->Advance(now_ns, share);
  }
}

Outcome RuleSet::Decide(const TraceFacts& facts, uint32_t row) {
  Evaluation e{facts, Limits::kAsk, randomness_, passed_};
  for (Rule& rule : rules_) {
    if (rule.condition && !IsSampled(rule.condition->Evaluate(e))) continue;
    double weight = 0;
    if (rule.adaptive)
      weight = Adapt(rule, facts, row);
    else if (sampling::Randomness(facts.trace_lo) >= rule.threshold)
      weight = sampling::WeightOf(rule.threshold);
    return {weight > 0, weight > 0 ? weight : 1, &rule.name, true};
  }
  return {true, 1, &kNoMatch};
}

double RuleSet::Adapt(Rule& rule, const TraceFacts& facts, uint32_t row) {
  constexpr auto kOf = sampling::KeyOf::kOperation;
  sampling::Throughput::Key*& key = rule.keys[sampling::BatchKey(kOf, *facts.rows, row)];
  if (key == nullptr) key = &rule.adaptive->Find(sampling::KeyText(kOf, *facts.rows, row));
  return rule.adaptive->Offer(*key, facts.trace_lo);
}

// Per adaptive rule: length, state.
void RuleSet::Save(std::string& state) const {
  for (const Rule& rule : rules_) {
    if (!rule.adaptive) continue;
    std::string one;
    rule.adaptive->Save(one);
    const auto size = static_cast<uint32_t>(one.size());
    if (state.size() + size > (200u << 10)) return;
    state.append(reinterpret_cast<const char*>(&size), sizeof size).append(one);
  }
}

bool RuleSet::Load(std::string_view state) {
  for (Rule& rule : rules_) {
    if (!rule.adaptive || state.empty()) continue;
    uint32_t size = 0;
    if (state.size() < sizeof size) return false;
    std::memcpy(&size, state.data(), sizeof size);
    state.remove_prefix(sizeof size);
    if (state.size() < size || !rule.adaptive->Load(state.substr(0, size))) return false;
    state.remove_prefix(size);
  }
  return state.empty();
}

}  // namespace weft::tail
