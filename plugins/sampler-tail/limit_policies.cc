// Policies with a budget per second: rate_limiting, bytes_limiting, composite.
//
// With one partition they are the Collector's. With n each has an n-th of the budget, and since a
// share may be smaller than a single trace, a trace that the whole budget would admit may run it
// into debt, which later traces pay.
#include <algorithm>
#include <cmath>

#include "plugins/sampler-tail/policies.h"

namespace weft::tail {
namespace {

constexpr int64_t kClockStepNs = 60'000'000'000;  // set back by more: the clock was set

// What a saved state may hold: times in ns are the largest.
bool Bounded(const double* at, const double* end) {
  return std::all_of(at, end, [](double d) { return std::abs(d) < 9e18; });
}

class RateLimitPolicy final : public Policy {
 public:
  RateLimitPolicy(uint32_t limiter, Measure measure, double per_second, double burst)
      : limiter_(limiter), measure_(measure), per_second_(per_second), burst_(burst) {}

  Answer Evaluate(Evaluation& e) override {
    const bool pass = e.limits == Limits::kAsk ? Ask(e) : e.Recall(limiter_);
    return pass ? Answer::kSampled : Answer::kNotSampled;
  }
  bool Limited() const override { return true; }
  void Save(std::vector<double>& out) const override {
    out.push_back(tokens_);
    out.push_back(static_cast<double>(at_ns_));
  }
  const double* Load(const double* at, const double* end) override {
    if (end - at < 2 || !Bounded(at, at + 2)) return end;
    tokens_ = std::clamp(at[0], -burst_, burst_);
    at_ns_ = static_cast<int64_t>(at[1]);
    return at + 2;
  }

 private:
  bool Ask(Evaluation& e) {
    const double capacity = burst_ * e.share;
    if (at_ns_ == 0) tokens_ = capacity;
    if (e.now_ns < at_ns_ - kClockStepNs) at_ns_ = e.now_ns;
    if (at_ns_ != 0 && e.now_ns > at_ns_)
      tokens_ = std::min(capacity, tokens_ + static_cast<double>(e.now_ns - at_ns_) * 1e-9 *
                                                 per_second_ * e.share);
    at_ns_ = std::max(at_ns_, e.now_ns);
    const auto cost =
        static_cast<double>(measure_ == Measure::kSpans ? e.facts.spans : e.facts.bytes);
    const bool pass = cost <= burst_ && tokens_ >= std::min(cost, capacity);
    if (pass) tokens_ -= cost;
    e.passed[limiter_] = pass;
    return pass;
  }

  uint32_t limiter_;
  Measure measure_;
  double per_second_, burst_;
  double tokens_ = 0;
  int64_t at_ns_ = 0;
};

class CompositePolicy final : public Policy {
 public:
  CompositePolicy(uint32_t first_limiter, double max_spans, std::vector<CompositePart> parts)
      : first_limiter_(first_limiter), max_spans_(max_spans), parts_(std::move(parts)) {
    used_.resize(parts_.size());
  }

  Answer Evaluate(Evaluation& e) override {
    if (e.limits == Limits::kAsk) BeginSecond(e);
    for (size_t i = 0; i < parts_.size(); ++i) {
      const Answer answer = parts_[i].policy->Evaluate(e);
      if (answer == Answer::kError) return answer;
      if (!IsSampled(answer)) continue;
      const auto limiter = static_cast<uint32_t>(first_limiter_ + i);
      e.sub = &parts_[i].name;
      const bool pass = e.limits == Limits::kAsk ? Ask(e, i, limiter) : e.Recall(limiter);
      return pass ? Answer::kSampled : Answer::kNotSampled;
    }
    return Answer::kNotSampled;
  }
  bool Random() const override {
    return std::ranges::any_of(parts_, [](const auto& p) { return p.policy->Random(); });
  }
  bool Limited() const override { return true; }
  void Save(std::vector<double>& out) const override {
    out.push_back(static_cast<double>(second_));
    out.insert(out.end(), used_.begin(), used_.end());
    for (const CompositePart& part : parts_) part.policy->Save(out);
  }
  const double* Load(const double* at, const double* end) override {
    if (end - at < static_cast<ptrdiff_t>(used_.size()) + 1) return end;
    if (!Bounded(at, at + used_.size() + 1)) return end;
    second_ = static_cast<int64_t>(*at++);
    for (double& used : used_) used = std::clamp(*at++, 0.0, max_spans_);
    for (const CompositePart& part : parts_) at = part.policy->Load(at, end);
    return at;
  }

 private:
  void BeginSecond(const Evaluation& e) {
    const int64_t second = e.now_ns / 1'000'000'000;
    if (second < second_ - kClockStepNs / 1'000'000'000) second_ = second;
    if (second <= second_) return;
    for (size_t i = 0; i < parts_.size(); ++i) {
      const double share = std::floor(parts_[i].spans_per_second) * e.share;
      used_[i] = std::max(0.0, used_[i] - share * static_cast<double>(second - second_));
    }
    second_ = second;
  }
  bool Ask(Evaluation& e, size_t part, uint32_t limiter) {
    const double budget = std::min(std::floor(parts_[part].spans_per_second), max_spans_);
    const double after = used_[part] + e.facts.spans;
    const bool pass = after <= budget * e.share || (used_[part] == 0 && e.facts.spans <= budget);
    if (pass) used_[part] = after;
    e.passed[limiter] = pass;
    return pass;
  }

  uint32_t first_limiter_;
  double max_spans_;
  std::vector<CompositePart> parts_;
  std::vector<double> used_;  // spans in this second, debts of earlier ones included
  int64_t second_ = 0;
};

}  // namespace

PolicyPtr RateLimit(uint32_t limiter, Measure measure, double per_second, double burst) {
  return std::make_unique<RateLimitPolicy>(limiter, measure, per_second, burst);
}

PolicyPtr Composite(uint32_t first_limiter, double max_spans_per_second,
                    std::vector<CompositePart> parts) {
  return std::make_unique<CompositePolicy>(first_limiter, max_spans_per_second, std::move(parts));
}

}  // namespace weft::tail
