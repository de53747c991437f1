// WhatIfTally: two chains of samplers asked about the same closed traces, and what each keeps.
//
// It is fed like an exporter of a pipeline that keeps everything. Time is that of the traces: a
// batch is decided at the latest end seen so far, so budgets per second mean the seconds that were
// recorded, however fast they are read. Late spans follow their trace. Chains are lent; one thread.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <unordered_map>
#include <vector>

#include "engine/api/ids.h"
#include "engine/trace/sampler_chain.h"
#include "sinks/otlp/otlp_proto.h"

namespace weft::cli {

// An empty trace id: "".
struct WhatIfExample {
  std::string trace_id, service, operation, rule;
  double duration_ms = 0;
  uint32_t spans = 0, errors = 0;
};

struct WhatIfCount {
  uint64_t traces = 0, spans = 0, bytes = 0;  // bytes as OTLP protobuf
  double weight = 0;                          // what the kept ones stand for
};

struct WhatIfRule {
  WhatIfCount kept, dropped;
  std::vector<WhatIfExample> examples;
};

struct WhatIfSide {
  WhatIfCount kept;
  std::map<std::string, WhatIfRule> rules;
};

class WhatIfTally {
 public:
  WhatIfTally(trace::SamplerChain& before, trace::SamplerChain& after, size_t examples)
      : chains_{&before, &after}, max_examples_(examples) {}

  void Take(const weft_spans& spans, const weft_traces& traces);

  const WhatIfCount& all() const { return all_; }
  const WhatIfSide& before() const { return sides_[0]; }
  const WhatIfSide& after() const { return sides_[1]; }
  // Kept before and not after, and the other way round.
  uint64_t lost() const { return lost_; }
  uint64_t gained() const { return gained_; }
  const std::vector<WhatIfExample>& lost_examples() const { return lost_examples_; }
  const std::vector<WhatIfExample>& gained_examples() const { return gained_examples_; }

 private:
  struct Verdict {
    bool keep = true;
    double weight = 1;
    std::string rule;
  };
  struct HashId {
    size_t operator()(api::TraceId id) const { return HashCombine(id.hi, id.lo); }
  };
  using Verdicts = std::pair<Verdict, Verdict>;
  WhatIfExample Example(const weft_spans& spans, const weft_traces& traces, uint32_t trace,
                        std::string rule) const;
  void Count(size_t side, const Verdict& verdict, const WhatIfCount& size, bool late,
             const WhatIfExample& example);
  uint64_t Bytes(const weft_traces& traces, uint32_t trace);

  trace::SamplerChain* chains_[2];
  size_t max_examples_;
  int64_t now_ns_ = 0;
  WhatIfCount all_;
  WhatIfSide sides_[2];
  uint64_t lost_ = 0, gained_ = 0;
  std::vector<WhatIfExample> lost_examples_, gained_examples_;
  std::unordered_map<api::TraceId, Verdicts, HashId> seen_;
  sinks::OtlpProto encoder_;
  std::string encoded_;
};

// For people; `before` and `after` are what the two chains are called.
std::string WhatIfText(const WhatIfTally& tally, const std::string& before,
                       const std::string& after);
std::string WhatIfJson(const WhatIfTally& tally);

}  // namespace weft::cli
