#include "tests/accuracy/decider.h"

#include <algorithm>
#include <chrono>
#include <cmath>

#include "engine/api/plugin_window.h"

namespace weft::accuracy {
namespace {

constexpr float kNoneLogOdds = -3.0f;  // the engine's default
constexpr float kFixed = 1000.0f;

}  // namespace

Decider::Decider(std::vector<const plugin::PluginInstance*> chain) : chain_(std::move(chain)) {
  io_.struct_size = sizeof io_;
  io_.ctx = this;
  io_.grow = [](weft_candidates* self, uint32_t capacity) noexcept {
    static_cast<Decider*>(self->ctx)->Grow(capacity);
    return int32_t{WEFT_OK};
  };
  Grow(256);
}

void Decider::Grow(uint32_t capacity) {
  child_.resize(capacity);
  candidate_.resize(capacity);
  log_odds_.resize(capacity);
  evidence_.resize(capacity);
  io_.capacity = capacity;
  io_.child = child_.data();
  io_.candidate = candidate_.data();
  io_.log_odds = log_odds_.data();
  io_.evidence = evidence_.data();
}

Result<void> Decider::Ask(const weft_spans& view) {
  weft_error error{};
  for (const auto* instance : chain_)
    if (instance->correlator().correlate(instance->handle(), &view, &io_, &error) != WEFT_OK)
      return Fail(Code::kInternal, instance->name() + ": " + error.message);
  return {};
}

Result<void> Decider::Teach(const weft_spans& view, const weft_links& links) {
  weft_error error{};
  for (const auto* instance : chain_)
    if (const auto learn = instance->correlator().learn; learn != nullptr)
      if (learn(instance->handle(), &view, &links, &error) != WEFT_OK)
        return Fail(Code::kInternal, instance->name() + ": " + error.message);
  return {};
}

Result<Links> Decider::Run(const weft_spans& view) {
  using Clock = std::chrono::steady_clock;
  io_.n = 0;
  const auto asked = Clock::now();
  WEFT_TRY(Ask(view));
  const auto answered = Clock::now();
  Links links = Decide(view);
  const weft_links decided{sizeof(weft_links), static_cast<uint32_t>(links.child.size()),
                           links.child.data(), links.parent.data(), links.confidence.data(),
                           links.evidence.data()};
  const auto taught = Clock::now();
  WEFT_TRY(Teach(view, decided));
  seconds_ += std::chrono::duration<double>((Clock::now() - taught) + (answered - asked)).count();
  return links;
}

Links Decider::Decide(const weft_spans& view) {
  std::vector<std::vector<uint32_t>> said(view.n);
  for (uint32_t i = 0; i < io_.n; ++i) {
    if (io_.child[i] < view.n)
      said[io_.child[i]].push_back(i);
    else
      ++ignored_;
  }
  Links links;
  std::vector<Total> totals;
  sdk::OpenRequests requests;
  requests.ForEachCall(view, [&](uint32_t call, const std::vector<uint32_t>& open) {
    if (!sdk::WantsParent(view, call)) return;
    totals.assign(1, {WEFT_NONE, 0, kNoneLogOdds});
    for (const uint32_t request : open) totals.push_back({request, 0, 0});
    for (const uint32_t i : said[call]) {
      const auto total = std::ranges::find(totals, io_.candidate[i], &Total::candidate);
      if (total == totals.end() || !std::isfinite(io_.log_odds[i])) {
        ++ignored_;
        continue;
      }
      const bool fixed = (io_.evidence[i] & WEFT_EVIDENCE_CONTEXT) != 0;
      total->sum += fixed ? kFixed : io_.log_odds[i];
      total->evidence |= io_.evidence[i];
    }
    Total best = totals.front();
    for (const Total& t : totals)
      if (t.sum > best.sum || (t.sum == best.sum && t.candidate != WEFT_NONE)) best = t;
    double norm = 0;
    for (const Total& t : totals) norm += std::exp(static_cast<double>(t.sum - best.sum));
    links.child.push_back(call);
    links.parent.push_back(best.candidate);
    links.evidence.push_back(best.evidence);
    links.confidence.push_back(static_cast<float>(1.0 / norm));
  });
  return links;
}

}  // namespace weft::accuracy
