#include "plugins/sampler-tail/policies.h"

namespace weft::tail {
namespace {

Answer YesNo(bool yes) { return yes ? Answer::kSampled : Answer::kNotSampled; }

class AlwaysSamplePolicy final : public Policy {
 public:
  Answer Evaluate(Evaluation&) override { return Answer::kSampled; }
};

class SpanTestPolicy final : public Policy {
 public:
  SpanTestPolicy(uint32_t test, bool invert) : test_(test), invert_(invert) {}
  Answer Evaluate(Evaluation& e) override {
    const bool passed = e.facts.bits[test_];
    if (!invert_) return YesNo(passed);
    return passed ? Answer::kInvertNotSampled : Answer::kInvertSampled;
  }

 private:
  uint32_t test_;
  bool invert_;
};

class LatencyPolicy final : public Policy {
 public:
  LatencyPolicy(int64_t lower_ms, int64_t upper_ms) : lower_(lower_ms), upper_(upper_ms) {}
  Answer Evaluate(Evaluation& e) override {
    const int64_t ms = e.facts.duration_ns / 1'000'000;  // whole ones, as there
    return YesNo(upper_ == 0 ? ms >= lower_ : ms > lower_ && ms <= upper_);
  }

 private:
  int64_t lower_, upper_;
};

class SpanCountPolicy final : public Policy {
 public:
  SpanCountPolicy(int64_t min, int64_t max) : min_(min), max_(max) {}
  Answer Evaluate(Evaluation& e) override {
    const auto spans = int64_t{e.facts.spans};
    return YesNo(spans >= min_ && (max_ == 0 || spans <= max_));
  }

 private:
  int64_t min_, max_;
};

class TraceFlagsPolicy final : public Policy {
 public:
  Answer Evaluate(Evaluation& e) override {
    return YesNo((e.facts.flags & WEFT_FLAG_SAMPLED) != 0);
  }
};

class ProbabilisticPolicy final : public Policy {
 public:
  ProbabilisticPolicy(uint32_t salt, uint64_t threshold) : salt_(salt), threshold_(threshold) {}
  Answer Evaluate(Evaluation& e) override { return YesNo(e.randomness[salt_] <= threshold_); }
  bool Random() const override { return true; }

 private:
  uint32_t salt_;
  uint64_t threshold_;
};

}  // namespace

PolicyPtr AlwaysSample() { return std::make_unique<AlwaysSamplePolicy>(); }
PolicyPtr SpanTest(uint32_t test, bool invert) {
  return std::make_unique<SpanTestPolicy>(test, invert);
}
PolicyPtr Latency(int64_t lower_ms, int64_t upper_ms) {
  return std::make_unique<LatencyPolicy>(lower_ms, upper_ms);
}
PolicyPtr SpanCount(int64_t min_spans, int64_t max_spans) {
  return std::make_unique<SpanCountPolicy>(min_spans, max_spans);
}
PolicyPtr TraceFlags() { return std::make_unique<TraceFlagsPolicy>(); }
PolicyPtr Probabilistic(uint32_t salt, uint64_t threshold) {
  return std::make_unique<ProbabilisticPolicy>(salt, threshold);
}

}  // namespace weft::tail
