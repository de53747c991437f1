// The policies of tail_sampling, one maker each. Names and limits are checked by whoever reads the
// configuration (policy_config.h). Each answers what the Collector's of the same name does; where
// partitions share the traffic, a limiter has its share of the budget.
#pragma once

#include "plugins/sampler-tail/ottl.h"
#include "plugins/sampler-tail/policy.h"

namespace weft::tail {

PolicyPtr AlwaysSample();
// A span, or process, passed the test; `invert`: none did, answered as an inverted decision.
PolicyPtr SpanTest(uint32_t test, bool invert);
// From lower on; with an upper bound the lower one is exclusive, the upper one inclusive.
PolicyPtr Latency(int64_t lower_ms, int64_t upper_ms);
PolicyPtr SpanCount(int64_t min_spans, int64_t max_spans);
PolicyPtr TraceFlags();

// Any of these; `propagate`: a function that fails makes an error, else the condition is not met.
struct OttlConditions {
  std::vector<OttlGetter> span, event;
  bool propagate = false;
};
PolicyPtr Ottl(OttlConditions conditions);

// By the trace's hash with that salt.
PolicyPtr Probabilistic(uint32_t salt, uint64_t threshold);
PolicyPtr And(std::vector<PolicyPtr> parts);
PolicyPtr Drop(std::vector<PolicyPtr> parts);
PolicyPtr Not(PolicyPtr part);

// A token bucket of spans, or of bytes as OTLP protobuf; what is larger than the burst never
// passes.
enum class Measure : uint8_t { kSpans, kBytes };
PolicyPtr RateLimit(uint32_t limiter, Measure measure, double per_second, double burst);

// The first part that samples decides, and has so many spans in each second.
struct CompositePart {
  std::string name;
  PolicyPtr policy;
  double spans_per_second = 0;
};
// Limiters first_limiter .. first_limiter + parts.size() - 1 are its own.
PolicyPtr Composite(uint32_t first_limiter, double max_spans_per_second,
                    std::vector<CompositePart> parts);

}  // namespace weft::tail
