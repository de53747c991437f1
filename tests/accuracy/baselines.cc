#include "tests/accuracy/baselines.h"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

namespace weft::accuracy {
namespace {

using Rows = std::vector<uint32_t>;

struct Service {
  Rows requests;                                           // by start
  std::map<std::pair<uint32_t, uint32_t>, Rows> calls_of;  // (peer, operation) -> by start
};

std::map<uint32_t, Service> ByService(const Recording& recording) {
  std::map<uint32_t, Service> out;
  const auto& spans = recording.spans;
  for (uint32_t i = 0; i < spans.size(); ++i) {
    Service& service = out[spans[i].service];
    if (spans[i].client)
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
Parents PerEdge(const Recording& recording, Choose&& choose) {
  Parents parents(recording.spans.size(), -1);
  const auto& spans = recording.spans;
  for (const auto& [id, service] : ByService(recording))
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

Parents LatestOpen(const Recording& recording) {
  return PerEdge(recording, [](uint32_t, const Rows& open, std::set<uint32_t>&) {
    return open.empty() ? -1 : static_cast<int32_t>(open.back());
  });
}

Parents FirstComeFirstServed(const Recording& recording) {
  Parents parents(recording.spans.size(), -1);
  for (const auto& [id, service] : ByService(recording))
    for (const auto& [edge, calls] : service.calls_of)
      for (size_t i = 0; i < std::min(calls.size(), service.requests.size()); ++i)
        parents[calls[i]] = static_cast<int32_t>(service.requests[i]);
  return parents;
}

Parents NestedFifo(const Recording& recording) {
  const auto& spans = recording.spans;
  return PerEdge(recording, [&](uint32_t call, const Rows& open, std::set<uint32_t>& used) {
    for (const uint32_t r : open)
      if (spans[r].end_ns >= spans[call].end_ns && used.insert(r).second)
        return static_cast<int32_t>(r);
    return -1;
  });
}

}  // namespace weft::accuracy
