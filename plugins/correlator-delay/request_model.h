// RequestModel: what a process's requests usually do next, and after how long.
//
// It counts which outcome follows which state (contexts of rising detail, backed off to the coarser
// ones) and has the gaps between a request's own events (GapTable) and from its answers to its end
// (RestTable). Learned from finished requests whose calls have been attributed; no labels, no call
// graph. Counts fade with time.
//
// (Observe* Scale?)* Rebuild, then the read functions. What is read depends on the counts as of
// the last Rebuild only if nothing was observed since. Plain value; one thread.
#pragma once

#include <array>
#include <cstdint>

#include "plugins/correlator-delay/call_rates.h"
#include "plugins/correlator-delay/context_counts.h"
#include "plugins/correlator-delay/gap_table.h"
#include "plugins/correlator-delay/rest_table.h"

namespace weft::plugins::delay {

class RequestModel {
 public:
  static constexpr size_t kContexts = 4;  // of rising detail

  RequestModel() = default;
  void Clear();  // what was observed of requests
  void set_quantum(int64_t ns) { gaps_.set_quantum(ns); }
  // By how much times may be late (Timeline).
  void set_slack(int64_t ns) { slack_ns_ = ns; }
  int64_t slack() const { return slack_ns_; }
  // No step is less likely: calls get lost, so anything may follow anything.
  void set_least(float probability) { least_ = probability; }
  int64_t quantum() const { return gaps_.bins().quantum(); }
  const GapBins& bins() const { return gaps_.bins(); }

  // What the counts of a state's contexts are found by; whoever holds the state keeps it.
  struct ContextRows {
    std::array<uint32_t, kContexts> rows{};  // kNone: none yet
    uint32_t generation = 0, version = 0;
    RestTable::Memo rest;
  };
  // `gap_ns` is the time since the state's last event; a response's gap is the callee's affair.
  void Observe(const RequestState& state, ContextRows& memo, Outcome outcome, int64_t gap_ns,
               bool recent);
  // `rest_ns` is the time from the answers to all calls so far (or the begin) to the end, `state`
  // that after the latest call.
  void ObserveRest(const RequestState& state, ContextRows& memo, int64_t rest_ns) {
    rests_.Observe(state, memo.rest, bins().Of(rest_ns));
  }
  void ObserveRequest() { requests_ += 1; }
  void Scale(float factor);
  void Rebuild(uint32_t callees);

  float LogProbability(const RequestState& state, ContextRows& memo, Outcome outcome) const;
  float LogGap(Label last, Outcome outcome, size_t bin) const {
    return gaps_.LogDensity(last, outcome, bin);
  }
  float LogSurvival(Label last, size_t bin) const { return gaps_.LogSurvival(last, bin); }
  uint32_t RestRowOf(const RequestState& state) const { return rests_.RowOf(state); }
  float LogRest(uint32_t row, size_t bin) const { return rests_.LogDensity(row, bin, bins()); }
  double requests() const { return requests_; }
  // Of calls without a request; not touched by Clear.
  CallRates& rates() { return rates_; }
  const CallRates& rates() const { return rates_; }

  // Bounds on what is kept, by which saved state fits where it must.
  static constexpr size_t kMaxCounts = 10'000, kMaxGaps = 6'000, kMaxRests = 3'000;

 private:
  friend class StateCodec;
  static void Contexts(const RequestState& state, uint64_t (&context)[kContexts]);

  ContextCounts counts_;
  GapTable gaps_;
  RestTable rests_;
  CallRates rates_;
  double requests_ = 0;
  int64_t slack_ns_ = 0;
  float least_ = 1e-5f;
  uint32_t callees_ = 0;
};

}  // namespace weft::plugins::delay
