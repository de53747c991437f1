#include "plugins/correlator-delay/request_model.h"

#include <algorithm>
#include <cmath>

namespace weft::plugins::delay {
namespace {

// Bins: 0 is "less than one quantum", then four per octave, and 20 for negative gaps (clocks of one
// host do not run backwards, but rounded ones seem to).
constexpr int kFirstNegative = 108;
constexpr float kGapBackoff = 8.0f;  // requests before a pair's own histogram outweighs the shared
constexpr float kRestBackoff = 16.0f;  // the same for how near the end is
constexpr float kFirstBackoff = 0.3f;
constexpr float kDiscount = 1.0f;  // leave one out: a request has no vote for its own mistake
constexpr float kSurvivalFloor = 1e-6f;
constexpr double kBackgroundPrior = 1e-5;
constexpr double kLeastIdle = 1e5;  // microseconds

// A kernel of (1/4, 1/2, 1/4), one-sided at the ends.
float Smooth(const std::array<float, RequestModel::kBins>& h, int bin) {
  if (bin == 0) return 0.9f * h[0] + 0.1f * h[1];
  if (bin >= kFirstNegative) return h[static_cast<size_t>(bin)];
  const size_t b = static_cast<size_t>(bin);
  const float below = bin > 1 ? h[b - 1] : 0.4f * h[0];
  const float above = bin < kFirstNegative - 1 ? h[b + 1] : 0.0f;
  return 0.5f * h[b] + 0.25f * below + 0.25f * above;
}

}  // namespace

RequestState Begun(uint32_t operation) {
  RequestState state;
  state.operation = static_cast<uint16_t>(operation);
  state.last = LabelBegan(operation);
  return state;
}

void AdvanceCall(RequestState& state, uint32_t callee) {
  state.last = LabelCalled(callee);
  state.called += Mix(callee + 101);
  state.before_previous = state.previous;
  state.previous = static_cast<uint16_t>(callee + 1);
  ++state.open;
}

void AdvanceResponse(RequestState& state, uint32_t callee) {
  state.last = LabelAnswered(callee);
  if (state.open > 0) --state.open;
}

void RequestModel::Clear() {
  counts_.Clear();
  for (const uint32_t key : row_key_) row_of_[key] = kNoRow;
  row_key_.clear();
  rows_.clear();
  for (GapRow& row : any_) {
    if (row.n <= 0) continue;
    row.n = 0;
    row.count.fill(0);
    row.changed = true;
  }
  rests_.assign(1, {});
  rest_row_.clear();
  responses_.fill(0);
  calls_.fill(0);
  orphans_.fill(0);
  busy_ = idle_ = requests_ = 0;
}

void RequestModel::Contexts(const RequestState& s, uint64_t (&context)[kContexts]) {
  const uint64_t open = std::min<uint16_t>(s.open, 3);
  const uint64_t place = uint64_t{s.operation} << 16 | s.last;
  context[0] = Join(11, uint64_t{s.last} << 1 | (s.open > 0 ? 1 : 0));
  context[1] = Join(Join(12, place), open);
  context[2] = Join(Join(Join(13, place), uint64_t{s.previous} << 16 | s.before_previous), open);
  context[3] = Join(Join(Join(14, place), s.called), s.open);
}

void RequestModel::Observe(const RequestState& state, Outcome outcome, double gap) {
  uint64_t context[kContexts];
  Contexts(state, context);
  for (const uint64_t c : context) {
    float& n = counts_.At(Join(c, outcome));
    const bool first = n <= 0;
    n += 1;
    counts_.At(c) += 1;
    if (first) counts_.At(Join(c, 777)) += 1;  // distinct outcomes seen here
  }
  if (outcome == kResponds) {
    responses_[state.last] += 1;
    return;
  }
  const size_t bin = static_cast<size_t>(Bin(gap));
  for (GapRow* row : {RowFor(state.last, outcome), &any_[outcome]}) {
    if (row == nullptr) continue;
    row->count[bin] += 1;
    row->n += 1;
    row->changed = true;
  }
}

uint64_t RequestModel::RestKey(const RequestState& s, bool detailed) {
  return detailed ? Join(Join(21, uint64_t{s.operation} << 16 | s.last), s.called)
                  : Join(22, s.last);
}

uint32_t RequestModel::RestRowFor(uint64_t key, uint32_t coarser) {
  const auto found = rest_row_.find(key);
  if (found != rest_row_.end()) return found->second;
  if (rests_.size() >= kMaxRows) return coarser;
  const auto row = static_cast<uint32_t>(rests_.size());
  rests_.emplace_back().coarser = coarser;
  rest_row_[key] = row;
  return row;
}

void RequestModel::ObserveRest(const RequestState& state, double rest) {
  const auto bin = static_cast<size_t>(Bin(rest));
  uint32_t row = 0;
  const auto count = [&] {
    rests_[row].count[bin] += 1;
    rests_[row].n += 1;
  };
  count();
  for (const bool detailed : {false, true}) {
    const uint32_t finer = RestRowFor(RestKey(state, detailed), row);
    if (finer == row) return;  // no room for a row of its own
    row = finer;
    count();
  }
}

uint32_t RequestModel::RestRowOf(const RequestState& state) const {
  for (const bool detailed : {true, false}) {
    const auto found = rest_row_.find(RestKey(state, detailed));
    if (found != rest_row_.end()) return found->second;
  }
  return 0;
}

float RequestModel::LogRest(uint32_t row, double rest) const {
  if (detail_ < 3) row = rests_[row].coarser;
  const int bin = Bin(rest);
  // From the general to the particular, each leaning on the one before.
  float p = (Smooth(rests_[0].count, bin) + 0.01f) / (rests_[0].n + 1.28f);
  for (const uint32_t r : {rests_[row].coarser, row}) {
    if (r == 0) continue;
    p = (Smooth(rests_[r].count, bin) + kRestBackoff * p) / (rests_[r].n + kRestBackoff);
  }
  return std::log(p + 1e-9f) - log_width_[static_cast<size_t>(bin)];
}

void RequestModel::ObserveCall(uint32_t callee, bool orphan) {
  calls_[callee] += 1;
  if (orphan) orphans_[callee] += 1;
}

void RequestModel::Scale(float factor) {
  counts_.Scale(factor, 0.02f);
  for (auto* rows : {&rows_, &any_})
    for (GapRow& row : *rows) {
      row.n *= factor;
      for (float& c : row.count) c *= factor;
      row.changed = true;
    }
  for (RestRow& row : rests_) {
    row.n *= factor;
    for (float& c : row.count) c *= factor;
  }
  for (float& r : responses_) r *= factor;
  for (float& c : calls_) c *= factor;
  for (float& o : orphans_) o *= factor;
  busy_ *= factor;
  idle_ *= factor;
}

RequestModel::GapRow* RequestModel::RowFor(Label last, Outcome outcome) {
  const uint32_t key = static_cast<uint32_t>(last) * kOutcomes + outcome;
  uint16_t& row = row_of_[key];
  if (row == kNoRow) {
    if (rows_.size() >= kMaxRows) return nullptr;
    row = static_cast<uint16_t>(rows_.size());
    rows_.emplace_back();
    row_key_.push_back(key);
  }
  return &rows_[row];
}

int RequestModel::Bin(double gap) const {
  const float quanta = static_cast<float>(gap / quantum_);
  if (quanta < 0) return kFirstNegative + std::min(static_cast<int>(std::log2(1.0f - quanta)), 19);
  if (quanta < 1) return 0;
  return std::min(1 + static_cast<int>(4.0f * std::log2(quanta + 1.0f)), kFirstNegative - 1);
}

double RequestModel::Width(int bin) const {
  if (bin == 0) return quantum_;
  if (bin >= kFirstNegative) return quantum_ * std::exp2(bin - kFirstNegative);
  return quantum_ * std::exp2(bin / 4.0) * 0.1892;
}

void RequestModel::set_quantum(double microseconds) {
  quantum_ = microseconds;
  for (int b = 0; b < kBins; ++b)
    log_width_[static_cast<size_t>(b)] = static_cast<float>(std::log(Width(b)));
}

void RequestModel::Rebuild(uint32_t callees) {
  callees_ = callees;
  RebuildDensities();
  RebuildSurvival();
}

void RequestModel::RebuildDensities() {
  std::vector<Histogram> shared(kOutcomes);
  std::array<bool, kOutcomes> changed{};
  for (size_t o = 0; o < kOutcomes; ++o) {
    if (o >= callees_ && o != kEnds) continue;
    changed[o] = any_[o].changed;
    any_[o].changed = false;
    for (int b = 0; b < kBins; ++b) {
      const size_t i = static_cast<size_t>(b);
      shared[o][i] = (Smooth(any_[o].count, b) + 0.01f) / (any_[o].n + 1.28f);
      if (changed[o]) any_[o].log_density[i] = std::log(shared[o][i] + 1e-9f) - log_width_[i];
    }
  }
  for (size_t r = 0; r < rows_.size(); ++r) {
    GapRow& row = rows_[r];
    const size_t o = row_key_[r] % kOutcomes;
    if (!row.changed && !changed[o]) continue;
    row.changed = false;
    for (int b = 0; b < kBins; ++b) {
      const size_t i = static_cast<size_t>(b);
      const float p = (Smooth(row.count, b) + kGapBackoff * shared[o][i]) / (row.n + kGapBackoff);
      row.log_density[i] = std::log(p + 1e-9f) - log_width_[i];
    }
  }
}

void RequestModel::RebuildSurvival() {
  std::vector<Histogram> own;
  log_survival_.clear();
  std::ranges::fill(survival_of_, kNoRow);
  for (size_t r = 0; r < rows_.size(); ++r) {
    uint16_t& index = survival_of_[row_key_[r] / kOutcomes];
    if (index == kNoRow) {
      index = static_cast<uint16_t>(own.size());
      own.emplace_back();
    }
    for (size_t b = 0; b < kFirstNegative; ++b) own[index][b] += rows_[r].count[b];
  }
  log_survival_.resize(own.size());
  for (size_t label = 0; label < kLabels; ++label) {
    if (survival_of_[label] == kNoRow) continue;
    const Histogram& h = own[survival_of_[label]];
    float total = responses_[label];  // a response first counts as "later"
    for (const float c : h) total += c;
    float passed = 0;
    Histogram& out = log_survival_[survival_of_[label]];
    for (size_t b = 0; b < kBins; ++b) {
      out[b] = std::log(std::max((total - passed + 0.5f) / (total + 0.5f), kSurvivalFloor));
      passed += h[b];
    }
  }
}

float RequestModel::LogProbability(const RequestState& state, Outcome outcome) const {
  uint64_t context[kContexts];
  Contexts(state, context);
  float p = 1.0f / static_cast<float>(callees_ + 2);
  for (int k = 0; k <= detail_; ++k) {
    const float n = counts_.Get(context[k]);
    if (n <= 0) break;
    const float seen = counts_.Get(Join(context[k], outcome));
    if (k == 0) {
      p = (seen + kFirstBackoff * p) / (n + kFirstBackoff);
      continue;
    }
    const float distinct = counts_.Get(Join(context[k], 777));
    const float freed = std::min(n, kDiscount * distinct);
    p = (std::max(seen - kDiscount, 0.0f) + (freed + 1.0f) * p) / (n + 1.0f);
  }
  return std::log(p + 1e-12f);
}

float RequestModel::LogGap(Label last, Outcome outcome, double gap) const {
  const uint16_t row = row_of_[static_cast<uint32_t>(last) * kOutcomes + outcome];
  const GapRow& from = row == kNoRow ? any_[outcome] : rows_[row];
  return from.log_density[static_cast<size_t>(Bin(gap))];
}

float RequestModel::LogSurvival(Label last, double gap) const {
  const uint16_t row = survival_of_[last];
  if (row == kNoRow || gap <= 0) return 0;
  return log_survival_[row][static_cast<size_t>(Bin(gap))];
}

float RequestModel::LogBackground(uint32_t callee) const {
  const double calls = static_cast<double>(calls_[callee]);
  if (calls < 20 || busy_ <= 0) return -40.0f;  // a new callee must get the chance to be learned
  // Calls made while no request was open belong to none: their rate is known without trusting our
  // own decisions, which would feed on themselves.
  const double rate = static_cast<double>(orphans_[callee]) / std::max(idle_, kLeastIdle) +
                      (kBackgroundPrior * calls + 0.01) / busy_;
  return static_cast<float>(std::log(rate));
}

}  // namespace weft::plugins::delay
