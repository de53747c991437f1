#include "engine/eval/slow_service.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <iterator>
#include <map>
#include <set>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "engine/base/units.h"
#include "engine/eval/random.h"

namespace weft::eval {
namespace {

bool Number(std::string_view text, double* value) {
  const auto [rest, error] = std::from_chars(text.data(), text.data() + text.size(), *value);
  return error == std::errc() && rest == text.data() + text.size();
}

bool Moment(std::string_view text, int64_t* ns, double* share) {
  if (text.ends_with('%')) {
    text.remove_suffix(1);
    if (!Number(text, share) || *share < 0 || *share > 100) return false;
    *share /= 100;
    return true;
  }
  const auto parsed = ParseDuration(text);
  if (!parsed) return false;
  *ns = *parsed;
  return *ns >= 0;
}

constexpr int kMaxDepth = 1000;  // of a trace; what lies deeper stays where it was

// The rows below each row, by start.
std::vector<std::vector<uint32_t>> ChildrenOf(const KnownTraces& known) {
  std::vector<std::vector<uint32_t>> children(known.spans.size());
  for (uint32_t i = 0; i < known.spans.size(); ++i)
    if (known.spans[i].parent >= 0)
      children[static_cast<size_t>(known.spans[i].parent)].push_back(i);
  for (auto& rows : children)
    std::ranges::sort(rows, [&](uint32_t a, uint32_t b) {
      return std::pair(known.spans[a].start_ns, a) < std::pair(known.spans[b].start_ns, b);
    });
  return children;
}

class Slower {
 public:
  Slower(KnownTraces& known, uint32_t service, double factor, const SlowPhases& when)
      : spans_(known.spans),
        service_(service),
        factor_(factor),
        when_(when),
        children_(ChildrenOf(known)) {}

  void Run() {
    for (uint32_t i = 0; i < spans_.size(); ++i)
      if (spans_[i].parent < 0) Move(i, spans_[i].start_ns, 0);
  }

 private:
  // Puts the row and all below it to a new start.
  void Move(uint32_t row, int64_t start, int depth) {
    if (depth > kMaxDepth) return;
    spans_[row].call ? MoveCall(row, start, depth) : MoveRequest(row, start, depth);
  }

  void MoveCall(uint32_t row, int64_t start, int depth) {
    KnownSpan& call = spans_[row];
    const KnownSpan old = call;
    call.start_ns = start;
    call.end_ns = start + (old.end_ns - old.start_ns);
    for (const uint32_t request : children_[row]) {
      const KnownSpan old_request = spans_[request];
      Move(request, start + (old_request.start_ns - old.start_ns), depth + 1);
      // The way back takes as long as it did.
      const int64_t back = old.end_ns - old_request.end_ns;
      call.end_ns = std::max(call.end_ns, spans_[request].end_ns + back);
    }
  }

  // Each event keeps its distance to the last one before it, or the slow service's multiple of it.
  void MoveRequest(uint32_t row, int64_t start, int depth) {
    KnownSpan& request = spans_[row];
    const KnownSpan old = request;
    request.start_ns = start;
    struct Event {
      int64_t old_ns, new_ns;
    };
    std::vector<Event> events = {{old.start_ns, start}};
    const auto moved = [&](int64_t old_ns) {
      Event last = events[0];
      for (const Event& e : events)
        if (e.old_ns <= old_ns)
          last = {std::max(last.old_ns, e.old_ns), std::max(last.new_ns, e.new_ns)};
      const int64_t gap = old_ns - last.old_ns;
      const bool slow = old.service == service_ && gap > 0 && last.new_ns >= when_.begin_ns &&
                        last.new_ns < when_.end_ns;
      return last.new_ns + (slow ? static_cast<int64_t>(static_cast<double>(gap) * factor_) : gap);
    };
    for (const uint32_t call : children_[row]) {
      const KnownSpan old_call = spans_[call];
      Move(call, moved(old_call.start_ns), depth + 1);
      events.push_back({old_call.start_ns, spans_[call].start_ns});
      // What outlives the request is nothing that it waits for.
      if (old_call.end_ns <= old.end_ns) events.push_back({old_call.end_ns, spans_[call].end_ns});
    }
    request.end_ns = moved(old.end_ns);
  }

  std::vector<KnownSpan>& spans_;
  const uint32_t service_;
  const double factor_;
  const SlowPhases when_;
  const std::vector<std::vector<uint32_t>> children_;
};

}  // namespace

SlowService SlowService::Draw(const KnownTraces& known, uint64_t seed) {
  std::map<std::string, uint64_t> calls;  // by name, so that the order of the file says nothing
  for (const KnownSpan& s : known.spans)
    if (s.call) ++calls[known.names[s.service]];
  std::erase_if(calls, [&](const auto& one) { return one.second < known.calls() / 50; });
  Random random(seed);
  SlowService out;
  auto at = calls.begin();
  std::advance(at, static_cast<ptrdiff_t>(random.Uniform() * static_cast<double>(calls.size())));
  if (at != calls.end()) out.service = at->first;
  out.factor = std::pow(10, 1 + 2 * random.Uniform());
  out.begin_share = 0.2 + 0.4 * random.Uniform();
  return out;
}

Result<SlowService> SlowService::Parse(std::string_view text) {
  const size_t at = text.rfind('@');
  const size_t colon = text.substr(0, std::min(at, text.size())).rfind(':');
  SlowService out;
  out.random = text == "random";
  if (out.random) return out;
  bool ok = at != text.npos && colon != text.npos && colon > 0;
  if (ok) {
    out.service = text.substr(0, colon);
    std::string_view when = text.substr(at + 1);
    const size_t plus = std::min(when.find('+'), when.size());
    ok = Number(text.substr(colon + 1, at - colon - 1), &out.factor) && out.factor > 0 &&
         out.factor <= 1e9 && Moment(when.substr(0, plus), &out.begin_ns, &out.begin_share) &&
         (plus == when.size() || Moment(when.substr(plus + 1), &out.length_ns, &out.length_share));
  }
  if (ok) return out;
  return Fail(Code::kInvalid,
              fmt::format("{}: expected SERVICE:FACTOR@TIME, such as cart:1000@40% or "
                          "cart:1000@20s+30s",
                          text));
}

Result<SlowPhases> SlowDown(KnownTraces& known, const SlowService& slow) {
  const auto name = std::ranges::find(known.names, slow.service);
  const auto number = static_cast<uint32_t>(name - known.names.begin());
  std::set<std::string> services;
  for (const KnownSpan& s : known.spans) services.insert(known.names[s.service]);
  if (!services.contains(slow.service))
    return Fail(Code::kNotFound, fmt::format("{}: no service {}; there are {}", known.name,
                                             slow.service, fmt::join(services, ", ")));
  int64_t first = INT64_MAX, last = INT64_MIN;
  for (const KnownSpan& s : known.spans) {
    first = std::min(first, s.start_ns);
    last = std::max(last, s.start_ns);
  }
  const auto length = static_cast<double>(last - first);
  const auto part = [&](double share) { return static_cast<int64_t>(length * share); };
  SlowPhases phases;
  phases.begin_ns = first + slow.begin_ns + part(slow.begin_share);
  const int64_t lasts = slow.length_ns + part(slow.length_share);
  phases.end_ns = lasts > 0 ? phases.begin_ns + lasts : INT64_MAX;
  Slower(known, number, slow.factor, phases).Run();
  if (lasts == 0)
    phases.end_ns = phases.begin_ns + std::max<int64_t>(last - phases.begin_ns, 0) / 4;
  return phases;
}

PhaseScores ScorePhases(const KnownTraces& known, const SlowPhases& phases,
                        std::string_view service, const Parents& parents) {
  struct Count {
    uint64_t of = 0, right = 0;
    double Share() const {
      return of == 0 ? 1 : static_cast<double>(right) / static_cast<double>(of);
    }
  };
  Count all[3], own[3];
  for (size_t i = 0; i < known.spans.size(); ++i) {
    const KnownSpan& span = known.spans[i];
    if (!span.call || (span.parent < 0 && !span.orphan)) continue;
    const size_t phase = span.start_ns < phases.begin_ns ? 0
                         : span.start_ns < phases.end_ns ? 1
                                                         : 2;
    const bool right = parents[i] == span.parent;
    ++all[phase].of;
    all[phase].right += right;
    if (known.names[span.service] != service) continue;
    ++own[phase].of;
    own[phase].right += right;
  }
  PhaseScore out[3];
  for (size_t p = 0; p < 3; ++p) out[p] = {all[p].of, own[p].of, all[p].Share(), own[p].Share()};
  return {out[0], out[1], out[2]};
}

}  // namespace weft::eval
