#include "engine/base/metrics.h"

namespace weft {
namespace {

template <typename T>
T& Made(std::map<std::string, std::unique_ptr<T>, std::less<>>& all, std::string_view name) {
  auto it = all.find(name);
  if (it == all.end()) it = all.emplace(std::string(name), std::make_unique<T>()).first;
  return *it->second;
}

}  // namespace

Counter& Metrics::Get(std::string_view name) {
  std::lock_guard lock(mutex_);
  return Made(counters_, name);
}

Histogram& Metrics::GetHistogram(std::string_view name) {
  std::lock_guard lock(mutex_);
  return Made(histograms_, name);
}

Metrics::Values Metrics::Snapshot() const {
  std::lock_guard lock(mutex_);
  Values out;
  out.reserve(counters_.size());
  for (const auto& [name, counter] : counters_) out.emplace_back(name, counter->Get());
  return out;
}

Metrics::Values Metrics::Gauges() const {
  std::lock_guard lock(mutex_);
  Values out;
  out.reserve(gauges_.size());
  // Equal names are in the order in which they were made.
  for (const auto& [name, gauge] : gauges_) {
    if (!out.empty() && out.back().first == name)
      out.back().second = gauge->Get();
    else
      out.emplace_back(name, gauge->Get());
  }
  return out;
}

std::vector<std::pair<std::string, Histogram::Values>> Metrics::Histograms() const {
  std::lock_guard lock(mutex_);
  std::vector<std::pair<std::string, Histogram::Values>> out;
  out.reserve(histograms_.size());
  for (const auto& [name, histogram] : histograms_) out.emplace_back(name, histogram->Get());
  return out;
}

PassingGauge::PassingGauge(Metrics& metrics, std::string name) : metrics_(metrics) {
  std::lock_guard lock(metrics_.mutex_);
  at_ = metrics_.gauges_.emplace(std::move(name), &value_);
}

PassingGauge::~PassingGauge() {
  std::lock_guard lock(metrics_.mutex_);
  metrics_.gauges_.erase(at_);
}

}  // namespace weft
