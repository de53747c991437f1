// RequestModel: what a process's requests usually do next, and after how long.
//
// A request is an automaton: it begins, starts calls, gets their responses, ends. The model counts
// which outcome follows which state (contexts of rising detail, backed off to the coarser ones) and
// the gaps between a request's own events and from its answers to its end (histograms, four bins
// per octave). Learned from finished requests whose calls have been attributed; no labels, no call
// graph. Counts fade with time.
//
// (Observe* Scale?)* Rebuild, then the read functions. Plain value: copying it makes the scratch
// model of a cold start. One thread. Times are microseconds.
#pragma once

#include <array>
#include <cstdint>
#include <unordered_map>
#include <vector>

#include "plugins/correlator-delay/count_map.h"

namespace weft::plugins::delay {

// Operations and callees are numbered per process; what is beyond shares the last number.
inline constexpr uint32_t kMaxNames = 62;

using Outcome = uint16_t;  // 0..61: a call to that callee begins
inline constexpr Outcome kEnds = 62;
inline constexpr Outcome kResponds = 63;
inline constexpr uint32_t kOutcomes = 64;

using Label = uint16_t;  // the last thing a request did
constexpr Label LabelBegan(uint32_t operation) { return static_cast<Label>(operation); }
constexpr Label LabelCalled(uint32_t callee) { return static_cast<Label>(64 + 2 * callee); }
constexpr Label LabelAnswered(uint32_t callee) { return static_cast<Label>(65 + 2 * callee); }
inline constexpr uint32_t kLabels = 64 + 2 * kMaxNames;

struct RequestState {
  uint16_t operation = 0;
  Label last = 0;
  uint16_t previous = 0, before_previous = 0;  // the last two callees + 1
  uint16_t open = 0;                           // calls without a response yet
  uint64_t called = 0;                         // the multiset of callees so far, as a sum of hashes

  friend bool operator==(const RequestState&, const RequestState&) = default;
};

RequestState Begun(uint32_t operation);
void AdvanceCall(RequestState& state, uint32_t callee);
void AdvanceResponse(RequestState& state, uint32_t callee);

class RequestModel {
 public:
  RequestModel() { set_quantum(1); }
  void Clear();

  // `gap` is the time since the state's last event; a response's gap is the callee's affair.
  void Observe(const RequestState& state, Outcome outcome, double gap);
  // For the rate of calls that belong to no request: a call (an orphan began while none was open),
  // and time with and without open requests.
  void ObserveCall(uint32_t callee, bool orphan);
  void ObserveTime(double busy, double idle) {
    busy_ += busy;
    idle_ += idle;
  }
  // `rest` is the time from the answers to all calls so far (or the begin) to the end, `state` that
  // after the latest call.
  void ObserveRest(const RequestState& state, double rest);
  void ObserveRequest() { requests_ += 1; }
  void Scale(float factor);
  // Turns counts into tables. Only what changed is computed again.
  void Rebuild(uint32_t callees);

  // Detail 0..3: how many of the context orders are used; the first rounds of a cold start see
  // only the coarse ones.
  void set_detail(int detail) { detail_ = detail; }

  float LogProbability(const RequestState& state, Outcome outcome) const;
  float LogGap(Label last, Outcome outcome, double gap) const;  // log density per microsecond
  float LogSurvival(Label last, double gap) const;  // log share still without a next own event
  float LogBackground(uint32_t callee) const;       // log rate of calls without a request
  // How near the end is when all calls so far are answered: log density per microsecond. Ends are
  // known when a window is decided, so this tells at once what would else be seen much later: whose
  // answer led to whose end. Rows are numbers, valid until Clear.
  uint32_t RestRowOf(const RequestState& state) const;
  float LogRest(uint32_t row, double rest) const;
  double requests() const { return requests_; }
  void set_quantum(double microseconds);
  double quantum() const { return quantum_; }

  static constexpr int kBins = 128;

 private:
  friend class StateCodec;
  using Histogram = std::array<float, kBins>;
  struct GapRow {
    float n = 0;
    Histogram count{};
    Histogram log_density{};
    bool changed = true;
  };

  struct RestRow {
    float n = 0;
    uint32_t coarser = 0;
    Histogram count{};
  };

  static constexpr int kContexts = 4;
  static void Contexts(const RequestState& state, uint64_t (&context)[kContexts]);
  int Bin(double gap) const;
  double Width(int bin) const;
  static uint64_t RestKey(const RequestState& state, bool detailed);
  uint32_t RestRowFor(uint64_t key, uint32_t coarser);
  GapRow* RowFor(Label last, Outcome outcome);
  void RebuildDensities();
  void RebuildSurvival();

  CountMap counts_;
  std::vector<uint16_t> row_of_ = std::vector<uint16_t>(kLabels * kOutcomes, kNoRow);
  std::vector<uint32_t> row_key_;  // last * kOutcomes + outcome
  std::vector<GapRow> rows_;
  std::vector<GapRow> any_ = std::vector<GapRow>(kOutcomes);  // whatever came before
  std::vector<RestRow> rests_ = std::vector<RestRow>(1);      // the first is of any state
  std::unordered_map<uint64_t, uint32_t> rest_row_;
  std::vector<Histogram> log_survival_;  // by survival_of_
  std::vector<uint16_t> survival_of_ = std::vector<uint16_t>(kLabels, kNoRow);
  Histogram log_width_{};
  std::array<float, kLabels> responses_{};
  std::array<float, kOutcomes> calls_{}, orphans_{};
  double busy_ = 0, idle_ = 0, requests_ = 0, quantum_ = 1;
  uint32_t callees_ = 0;
  int detail_ = 3;

  static constexpr uint16_t kNoRow = 0xffff;
  static constexpr size_t kMaxRows = 512;  // 0.5 MB
};

}  // namespace weft::plugins::delay
