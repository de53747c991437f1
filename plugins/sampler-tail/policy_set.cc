#include "plugins/sampler-tail/policy_set.h"

#include <algorithm>
#include <cmath>

namespace weft::tail {

uint64_t TraceHash(std::string_view salt, uint64_t trace_hi, uint64_t trace_lo) {
  uint64_t hash = 14695981039346656037u;
  const auto add = [&hash](uint64_t byte) { hash = (hash ^ byte) * 1099511628211u; };
  for (const char c : salt) add(static_cast<unsigned char>(c));
  for (const uint64_t half : {trace_hi, trace_lo})
    for (int shift = 56; shift >= 0; shift -= 8) add(half >> shift & 0xff);
  return hash;
}

size_t PolicySet::Cells(const std::vector<Salt>& salts) {
  size_t cells = 1;
  for (const Salt& salt : salts)
    cells = std::min(cells * (salt.thresholds.size() + 1), kMaxCells * 2);
  return cells;
}

PolicySet::PolicySet(std::vector<NamedPolicy> policies, std::vector<Salt> salts, uint32_t limiters,
                     bool first_match)
    : policies_(std::move(policies)),
      salts_(std::move(salts)),
      first_match_(first_match),
      randomness_(salts_.size()),
      tried_(salts_.size()),
      passed_(limiters),
      owed_(policies_.size()) {
  std::ranges::stable_partition(policies_, [](const NamedPolicy& p) { return p.drop; });
  for (const NamedPolicy& p : policies_) {
    random_ |= p.policy->Random();
    random_votes_against_ |= p.drop && p.policy->Random();
    limited_ |= p.policy->Limited();
  }
  MakeCells();
}

void PolicySet::MakeCells() {
  cells_ = {{{}, 1.0}};
  for (Salt& salt : salts_) {
    std::ranges::sort(salt.thresholds);
    const auto [first, last] = std::ranges::unique(salt.thresholds);
    salt.thresholds.erase(first, last);
    std::vector<Cell> split;
    for (const Cell& cell : cells_) {
      double below = 0;
      const auto add = [&](uint64_t upper, double up_to) {
        if (up_to <= below) return;
        split.push_back({cell.randomness, cell.width * (up_to - below)});
        split.back().randomness.push_back(upper);
        below = up_to;
      };
      for (const uint64_t threshold : salt.thresholds)
        add(threshold, (static_cast<double>(threshold) + 1) * 0x1p-64);
      add(UINT64_MAX, 1.0);
    }
    cells_ = std::move(split);
  }
}

PolicySet::Vote PolicySet::Count(Evaluation& e) {
  Vote sampled, inverted_against, inverted_for;
  bool not_sampled = false;
  for (uint32_t i = 0; i < policies_.size(); ++i) {
    e.sub = nullptr;
    const Answer answer = policies_[i].policy->Evaluate(e);
    const auto first = [&](Vote& vote, bool keep) {
      if (vote.policy == kNone) vote = {keep, i, e.sub};
    };
    if (answer == Answer::kDropped) return {false, i, nullptr};
    if (answer == Answer::kSampled) first(sampled, true);
    if (answer == Answer::kInvertNotSampled) first(inverted_against, false);
    if (answer == Answer::kInvertSampled) first(inverted_for, true);
    not_sampled |= answer == Answer::kNotSampled && !policies_[i].drop;
    if (first_match_ && answer == Answer::kSampled) break;
  }
  if (inverted_against.policy != kNone) return inverted_against;
  if (sampled.policy != kNone) return sampled;
  if (inverted_for.policy != kNone && !not_sampled) return inverted_for;
  return {};
}

// How likely the trace is to be kept, whatever it has drawn.
double PolicySet::Probability(const Evaluation& e) {
  double sum = 0;
  for (const Cell& cell : cells_) {
    tried_ = cell.randomness;
    Evaluation trial{e.facts, e.limits, tried_, passed_, e.now_ns, e.share};
    if (Count(trial).keep) sum += cell.width;
  }
  return sum;
}

Outcome PolicySet::Decide(const TraceFacts& facts, int64_t now_ns, double share) {
  for (size_t i = 0; i < salts_.size(); ++i)
    randomness_[i] = TraceHash(salts_[i].text, facts.trace_hi, facts.trace_lo);
  std::ranges::fill(passed_, uint8_t{2});
  Evaluation e{facts, Limits::kAsk, randomness_, passed_, now_ns, share};
  const Vote vote = Count(e);
  Outcome out{vote.keep, 1, Rule(vote, false)};
  // The usual case: a policy without chance has decided.
  const bool certain = vote.policy != kNone && !policies_[vote.policy].policy->Random() &&
                       !policies_[vote.policy].policy->Limited() && !random_votes_against_;
  if (certain || (!random_ && !limited_)) return out;

  e.limits = Limits::kRecall;
  if (vote.keep && random_) {
    const double probability = Probability(e);
    if (probability > 0) out.weight = std::max(1.0, 1 / probability);
  }
  if (!limited_) return out;
  if (vote.keep) {
    Evaluation without{facts, Limits::kRefuse, randomness_, passed_, now_ns, share};
    if (!Count(without).keep) {
      out.weight += owed_[vote.policy];
      owed_[vote.policy] = 0;
    }
    return out;
  }
  Evaluation with{facts, Limits::kPass, randomness_, passed_, now_ns, share};
  if (const Vote refused = Count(with); refused.keep) {
    const double probability = random_ ? Probability(with) : 1;
    owed_[refused.policy] += probability > 0 ? 1 / probability : 1;
    out.rule = Rule(refused, true);
  }
  return out;
}

const std::string* PolicySet::Rule(const Vote& vote, bool over_limit) {
  std::string& rule = rules_[{vote.policy, vote.sub, over_limit}];
  if (rule.empty()) {
    rule = "tail/" + (vote.policy == kNone ? "no-match" : policies_[vote.policy].name);
    if (vote.sub != nullptr) rule += "/" + *vote.sub;
    if (over_limit) rule += "/over-limit";
  }
  return &rule;
}

void PolicySet::Save(std::vector<double>& out) const {
  out.push_back(static_cast<double>(policies_.size()));
  out.insert(out.end(), owed_.begin(), owed_.end());
  for (const NamedPolicy& p : policies_) p.policy->Save(out);
}

bool PolicySet::Load(const std::vector<double>& in) {
  if (in.size() < owed_.size() + 1 || in[0] != static_cast<double>(policies_.size())) return false;
  const double *at = in.data() + 1, *end = in.data() + in.size();
  constexpr double kMostOwed = 1e12;
  for (double& owed : owed_) {
    owed = *at >= 0 && *at <= kMostOwed ? *at : 0;
    ++at;
  }
  for (const NamedPolicy& p : policies_) at = p.policy->Load(at, end);
  return true;
}

}  // namespace weft::tail
