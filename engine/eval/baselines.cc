#include "engine/eval/baselines.h"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

namespace weft::eval {
namespace {

using Rows = std::vector<uint32_t>;

struct Service {
  Rows requests;                                           // by start
  std::map<std::pair<uint32_t, uint32_t>, Rows> calls_of;  // (peer, operation) -> by start
};

std::map<uint32_t, Service> ByService(const KnownTraces& known) {
  std::map<uint32_t, Service> out;
  const auto& spans = known.spans;
  for (uint32_t i = 0; i < spans.size(); ++i) {
    Service& service = out[spans[i].service];
    if (spans[i].call)
      service.calls_of[{spans[i].peer, spans[i].operation}].push_back(i);
    else
      service.requests.push_back(i);
  }
  const auto by_start = [&](uint32_t a, uint32_t b) {
    return std::pair(spans[a].start_ns, a) < std::pair(spans[b].start_ns, b);
  };
  for (auto& [id, service] : out) {
    std::ranges::sort(service.requests, by_start);
    for (auto& [edge, calls] : service.calls_of) std::ranges::sort(calls, by_start);
  }
  return out;
}

// Calls choose(call, open) for each call of an edge with the requests open at its begin.
template <class Choose>
Parents PerEdge(const KnownTraces& known, Choose&& choose) {
  Parents parents(known.spans.size(), -1);
  const auto& spans = known.spans;
  for (const auto& [id, service] : ByService(known))
    for (const auto& [edge, calls] : service.calls_of) {
      Rows open;
      size_t next = 0;
      std::set<uint32_t> used;
      for (const uint32_t call : calls) {
        while (next < service.requests.size() &&
               spans[service.requests[next]].start_ns <= spans[call].start_ns)
          open.push_back(service.requests[next++]);
        std::erase_if(open, [&](uint32_t r) { return spans[r].end_ns < spans[call].start_ns; });
        parents[call] = choose(call, open, used);
      }
    }
  return parents;
}

}  // namespace

Parents LatestOpen(const KnownTraces& known) {
  const auto& spans = known.spans;
  return PerEdge(known, [&](uint32_t call, const Rows& open, std::set<uint32_t>&) {
    const auto encloses = [&](uint32_t r) { return spans[r].end_ns >= spans[call].end_ns; };
    const auto latest = std::find_if(open.rbegin(), open.rend(), encloses);
    if (latest != open.rend()) return static_cast<int32_t>(*latest);
    return open.empty() ? -1 : static_cast<int32_t>(open.back());
  });
}

Parents FirstComeFirstServed(const KnownTraces& known) {
  Parents parents(known.spans.size(), -1);
  for (const auto& [id, service] : ByService(known))
    for (const auto& [edge, calls] : service.calls_of)
      for (size_t i = 0; i < std::min(calls.size(), service.requests.size()); ++i)
        parents[calls[i]] = static_cast<int32_t>(service.requests[i]);
  return parents;
}

Parents NestedFifo(const KnownTraces& known) {
  const auto& spans = known.spans;
  return PerEdge(known, [&](uint32_t call, const Rows& open, std::set<uint32_t>& used) {
    for (const uint32_t r : open)
      if (spans[r].end_ns >= spans[call].end_ns && used.insert(r).second)
        return static_cast<int32_t>(r);
    return -1;
  });
}

}  // namespace weft::eval
