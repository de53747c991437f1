#include "plugins/correlator-delay/first_guess.h"

#include <algorithm>
#include <cmath>

namespace weft::plugins::delay {
namespace {

constexpr int kRounds = 2;  // more change hardly an owner
constexpr size_t kMostOpen = 32, kMostRecent = 64, kMostOfKind = 8;
constexpr size_t kMostRows = 1024;
constexpr size_t kMostPairs = 500'000;  // 8 MB, as long as the search lasts
constexpr float kLeastShare = 1e-3f, kLeastWeight = 1e-4f;
// Where one loop serves all, a call follows another request's call as closely as can be: only if
// nobody else can have made it is a callee asked again by the same request.
constexpr float kOnceMore = 0.003f;
constexpr float kUnknown = -1;
constexpr uint16_t kNoRow = 0xffff;

bool MayOwn(const Request& r, const Call& c, int64_t slack_ns) {
  return r.start_ns - slack_ns <= c.start_ns &&
         (r.end_ns == 0 || (c.end_ns != 0 && r.end_ns + slack_ns >= c.end_ns));
}

}  // namespace

void FirstGuess::Run(ProcessHistory& history, const Timeline& timeline, const GapBins& bins,
                     int64_t slack_ns) {
  row_of_.assign(size_t{kLabels} * kOutcomes, kNoRow);
  FindPairs(history, timeline, bins);
  for (int round = 0; round < kRounds; ++round) FindShares(bins);
  Assign(history, slack_ns);
}

void FirstGuess::Note(const Event& event) {
  ++events_[event.label];
  if (recent_.size() < 2 * kMostRecent)
    recent_.push_back(event);
  else
    recent_[noted_ % recent_.size()] = event;
  ++noted_;
}

void FirstGuess::AddPair(const GapBins& bins, const Call& call, const Event& event) {
  uint16_t& row = row_of_[uint32_t{event.label} * kOutcomes + call.callee];
  if (row == kNoRow) {
    if (rows_.size() == kMostRows) return;
    row = static_cast<uint16_t>(rows_.size());
    rows_.emplace_back().label = event.label;
  }
  const size_t bin = bins.Of(call.start_ns - event.at);
  pairs_.push_back({event.request, event.call, row, static_cast<uint8_t>(bin), 0});
}

void FirstGuess::AddPairs(const ProcessHistory& history, const GapBins& bins, uint32_t number) {
  const Call& call = history.calls[number];
  const size_t first = pairs_.size();
  calls_.push_back(number);
  first_pair_.push_back(static_cast<uint32_t>(first));
  if (first >= kMostPairs) return;
  for (size_t i = open_.size() - std::min(open_.size(), kMostOpen); i < open_.size(); ++i) {
    const Request& r = history.requests[open_[i].request];
    const bool nested = r.end_ns == 0 || call.end_ns == 0 || r.end_ns >= call.end_ns;
    if (nested && (!call.settled || call.owner == open_[i].request)) AddPair(bins, call, open_[i]);
  }
  std::array<uint8_t, kLabels> taken{};
  for (size_t i = 1; i <= recent_.size() && i <= noted_; ++i) {
    const Event& e = recent_[(noted_ - i) % recent_.size()];
    const Call& other = history.calls[e.call];
    if (call.settled && other.settled && call.owner != other.owner) continue;
    if (++taken[e.label] > kMostOfKind) continue;
    AddPair(bins, call, e);
    if (pairs_.size() - first >= kMostOpen + kMostRecent) break;
  }
  const float even = 1.0f / static_cast<float>(std::max<size_t>(pairs_.size() - first, 1));
  for (size_t i = first; i < pairs_.size(); ++i) pairs_[i].share = even;
}

void FirstGuess::FindPairs(const ProcessHistory& history, const Timeline& timeline,
                           const GapBins& bins) {
  for (const Timeline::Event& e : timeline.events()) {
    if (e.what == Timeline::kBegin) {
      const Request& r = history.requests[e.number];
      open_.push_back({r.start_ns, LabelBegan(r.operation), e.number, kNone});
      ++events_[open_.back().label];
    } else if (e.what == Timeline::kEnd) {
      const auto ended = std::ranges::find(open_, e.number, &Event::request);
      if (ended != open_.end()) open_.erase(ended);
    } else if (e.what == Timeline::kCall) {
      const Call& c = history.calls[e.number];
      AddPairs(history, bins, e.number);
      Note({c.start_ns, LabelCalled(c.callee), kNone, e.number});
    } else {
      const Call& c = history.calls[e.number];
      Note({c.end_ns, LabelAnswered(c.callee), kNone, e.number});
    }
  }
  first_pair_.push_back(static_cast<uint32_t>(pairs_.size()));
}

void FirstGuess::FindShares(const GapBins& bins) {
  for (Row& row : rows_) {
    row.weight.fill(0);
    row.density.fill(kUnknown);
  }
  for (const Pair& p : pairs_)
    if (p.share > kLeastShare) rows_[p.row].weight[p.bin] += p.share;
  for (size_t c = 0; c < calls_.size(); ++c) {
    float sum = 0;
    for (uint32_t i = first_pair_[c]; i < first_pair_[c + 1]; ++i) {
      Row& row = rows_[pairs_[i].row];
      const size_t bin = pairs_[i].bin;
      if (row.density[bin] < 0)
        row.density[bin] = (Smooth(row.weight, bin) + kLeastWeight) /
                           (static_cast<float>(events_[row.label]) * std::exp(bins.LogWidth(bin)));
      sum += pairs_[i].share = row.density[bin];
    }
    for (uint32_t i = first_pair_[c]; i < first_pair_[c + 1]; ++i) pairs_[i].share /= sum;
  }
}

// In time order, so that what triggered a call has an owner already.
void FirstGuess::Assign(ProcessHistory& history, int64_t slack_ns) const {
  std::vector<uint64_t> called(history.requests.size(), 0);
  for (size_t c = 0; c < calls_.size(); ++c) {
    Call& call = history.calls[calls_[c]];
    if (call.settled) continue;
    call.owner = kNone;
    float best = 0;
    for (uint32_t i = first_pair_[c]; i < first_pair_[c + 1]; ++i) {
      const Pair& p = pairs_[i];
      if (p.share <= best) continue;
      const uint32_t owner = p.call == kNone ? p.request : history.calls[p.call].owner;
      if (owner == kNone || !MayOwn(history.requests[owner], call, slack_ns)) continue;
      const float value = p.share * ((called[owner] >> call.callee & 1) != 0 ? kOnceMore : 1);
      if (value <= best) continue;
      best = value;
      call.owner = owner;
    }
    if (call.owner != kNone) called[call.owner] |= uint64_t{1} << call.callee;
  }
}

}  // namespace weft::plugins::delay
