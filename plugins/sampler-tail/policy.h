// Policy: one question about a whole trace, with the answers of the Collector's tail_sampling.
//
// Policies form a tree (and, not, drop, composite) under a PolicySet. A policy is asked the same
// trace several times: once for real, and again to find out how likely it was that the trace is
// kept, with other randomness and with the limiters' answers given (Evaluation). One thread.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "plugins/sampler-tail/span_tests.h"

namespace weft::tail {

// The Collector's decisions. Inverted ones come from invert_match. An error is no vote.
enum class Answer : uint8_t {
  kNotSampled,
  kSampled,
  kInvertNotSampled,
  kInvertSampled,
  kDropped,
  kError
};

inline bool IsSampled(Answer a) { return a == Answer::kSampled || a == Answer::kInvertSampled; }

// One trace as policies see it.
struct TraceFacts {
  const TestBits& bits;
  uint64_t trace_hi = 0, trace_lo = 0;
  int64_t duration_ns = 0;
  uint32_t spans = 0;
  uint32_t flags = 0;
  const weft_spans* rows = nullptr;  // of the batch: first_row and the next `spans`
  uint32_t first_row = 0;
  uint64_t number = 0, batch = 0;  // of the trace, and of the batch, among all
  uint64_t bytes = 0;              // as OTLP protobuf; 0 where no policy asks
};

// How limiters answer.
enum class Limits : uint8_t {
  kAsk,     // for real: what passes is taken from the budget
  kRecall,  // as they did when asked
  kPass,
  kRefuse
};

struct Evaluation {
  const TraceFacts& facts;
  Limits limits = Limits::kAsk;
  std::vector<uint64_t>& randomness;  // per hash salt: the trace's hash, or what is tried instead
  std::vector<uint8_t>& passed;       // per limiter: its answer when asked; 2: was not
  int64_t now_ns = 0;
  double share = 1;                  // of all traces: a limiter's part of its budget
  const std::string* sub = nullptr;  // out: the sub-policy of a composite that decided

  // What a limiter answers where it is not to be asked.
  bool Recall(uint32_t limiter) const {
    return limits == Limits::kPass || (limits == Limits::kRecall && passed[limiter] != 0);
  }
};

class Policy {
 public:
  virtual ~Policy() = default;
  virtual Answer Evaluate(Evaluation& e) = 0;
  virtual bool Random() const { return false; }
  virtual bool Limited() const { return false; }
  // What a limiter remembers, for a successor; in the order of the configuration.
  virtual void Save(std::vector<double>&) const {}
  // Takes its numbers from the front of [at, end); returns where the next policy's begin.
  virtual const double* Load(const double* at, const double*) { return at; }
};
using PolicyPtr = std::unique_ptr<Policy>;

}  // namespace weft::tail
