#include "engine/base/span_series.h"

#include <numeric>

namespace weft {

void SpanSeries::Durations::Observe(int64_t ns, const Exemplar* seen) {
  values.Observe(ns);
  if (seen == nullptr) return;
  const auto bound = std::ranges::lower_bound(Histogram::kBoundsNs, ns);
  exemplar[static_cast<size_t>(bound - Histogram::kBoundsNs.begin())] = *seen;
}

void SpanSeries::Durations::Add(const Durations& other) {
  for (size_t i = 0; i < Histogram::kBuckets; ++i) {
    values.count[i] += other.values.count[i];
    if (other.exemplar[i].at_unix_ns != 0) exemplar[i] = other.exemplar[i];
  }
  values.sum_ns += other.values.sum_ns;
}

uint64_t SpanSeries::Durations::count() const {
  return std::accumulate(values.count.begin(), values.count.end(), uint64_t{0});
}

template <typename Key, typename Change>
Change& SpanSeries::Find(Map<Key, Change>& map, const Key& key, int64_t now_ns) {
  auto it = map.find(key);
  if (it == map.end()) {
    // The overflow series of both maps are beyond the limit.
    if (operations_.size() + edges_.size() >= limit_) DropIdle(now_ns);
    const bool full = operations_.size() + edges_.size() >= limit_;
    it = map.try_emplace(full ? Key{} : key).first;
  }
  it->second.last_ns = now_ns;
  return it->second.change;
}

// Not for each new name: a flood of them would pay for a walk over all.
void SpanSeries::DropIdle(int64_t now_ns) {
  if (dropped_idle_ns_ != 0 && now_ns - dropped_idle_ns_ < kIdleNs / 15) return;
  dropped_idle_ns_ = now_ns;
  const auto idle = [now_ns](const auto& item) { return now_ns - item.second.last_ns > kIdleNs; };
  std::erase_if(operations_, idle);
  std::erase_if(edges_, idle);
}

void SpanSeries::Add(const std::vector<std::pair<Operation, OperationChange>>& operations,
                     const std::vector<std::pair<Edge, EdgeChange>>& edges, int64_t now_ns) {
  const std::lock_guard lock(mutex_);
  for (const auto& [key, change] : operations)
    Find(operations_, key, now_ns).durations.Add(change.durations);
  for (const auto& [key, change] : edges) {
    EdgeChange& edge = Find(edges_, key, now_ns);
    edge.client.Add(change.client);
    edge.server.Add(change.server);
    edge.requests += change.requests;
    edge.failed += change.failed;
  }
}

SpanSeries::Snapshot SpanSeries::Read() const {
  const std::lock_guard lock(mutex_);
  Snapshot out;
  const auto copy = [](const auto& map, auto* to) {
    const auto overflow = map.find({});
    for (auto it = map.begin(); it != map.end(); ++it)
      if (it != overflow) to->emplace_back(it->first, it->second.change);
    if (overflow != map.end()) to->emplace_back(overflow->first, overflow->second.change);
  };
  copy(operations_, &out.operations);
  copy(edges_, &out.edges);
  return out;
}

}  // namespace weft
