#include "plugins/correlator-delay/timeline.h"

#include <algorithm>

namespace weft::plugins::delay {
namespace {

constexpr int64_t kPackable = int64_t{1} << 42;  // ns: more than an hour
constexpr uint32_t kNumberBits = 19, kWhatBits = 3;

bool Before(const Timeline::Event& a, const Timeline::Event& b) {
  if (a.at != b.at) return a.at < b.at;
  return a.what != b.what ? a.what < b.what : a.number < b.number;
}

}  // namespace

void Timeline::Add(int64_t at, What what, uint32_t number) {
  (at > until_ ? later_ : events_).push_back({at, what, number});
}

void Timeline::Take(const ProcessHistory& history, int64_t from, int64_t until, int64_t slack_ns) {
  const bool whole = from == INT64_MIN;
  if (whole && whole_ && until_ == until && slack_ns_ == slack_ns) return;
  whole_ = whole;
  slack_ns_ = slack_ns;
  const auto over = [from](const Request& r) { return r.end_ns != 0 && r.end_ns < from; };
  until_ = until;
  events_.clear();
  later_.clear();
  for (uint32_t i = 0; i < history.requests.size(); ++i) {
    const Request& r = history.requests[i];
    if (over(r)) continue;
    Add(r.start_ns - slack_ns, kBegin, i);
    if (r.end_ns != 0) Add(r.end_ns + slack_ns, kEnd, i);
  }
  for (uint32_t i = 0; i < history.calls.size(); ++i) {
    const Call& c = history.calls[i];
    if (c.start_ns < from && !c.wanted && (c.owner == kNone || over(history.requests[c.owner])))
      continue;
    Add(c.start_ns, kCall, i);
    if (c.end_ns == 0) continue;
    const int64_t read = std::max(c.end_ns - slack_ns, c.start_ns);
    Add(read, read > c.start_ns ? kResponse : kInstantResponse, i);
  }
  Sort(events_);
}

void Timeline::More() {
  Sort(later_);
  events_.insert(events_.end(), later_.begin(), later_.end());
  later_.clear();
}

// One comparison of two integers instead of three of pairs, where they fit.
void Timeline::Sort(std::vector<Event>& events) {
  if (events.empty()) return;
  const auto [first, last] = std::ranges::minmax_element(events, {}, &Event::at);
  const int64_t base = first->at;
  if (last->at - base >= kPackable || events.size() >> kNumberBits != 0) {
    std::ranges::sort(events, Before);
    return;
  }
  packed_.clear();
  for (const Event& e : events)
    packed_.push_back({static_cast<uint64_t>(e.at - base) << (kNumberBits + kWhatBits) |
                           uint64_t{e.what} << kNumberBits |
                           std::min(e.number, (1u << kNumberBits) - 1),
                       e.number});
  std::ranges::sort(packed_, {}, &Packed::key);
  for (size_t i = 0; i < events.size(); ++i) {
    const uint64_t key = packed_[i].key;
    events[i] = {base + static_cast<int64_t>(key >> (kNumberBits + kWhatBits)),
                 static_cast<uint32_t>(key >> kNumberBits) & ((1u << kWhatBits) - 1),
                 packed_[i].number};
  }
}

}  // namespace weft::plugins::delay
