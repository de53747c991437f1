#include "tests/accuracy/decider.h"

#include <ctime>

namespace weft::accuracy {
namespace {

// Of this thread: machines that run benchmarks also run other things.
double CpuSeconds() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

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

Result<Links> Decider::Run(const weft_spans& view, const std::function<void(Links&)>& correct) {
  io_.n = 0;
  const double asked = CpuSeconds();
  WEFT_TRY(Ask(view));
  const double answered = CpuSeconds();
  Links links = Decide(view);
  Links taught_links = links;
  if (correct) correct(taught_links);
  const weft_links decided{sizeof(weft_links),
                           static_cast<uint32_t>(links.child.size()),
                           taught_links.child.data(),
                           taught_links.parent.data(),
                           taught_links.confidence.data(),
                           taught_links.evidence.data()};
  const double taught = CpuSeconds();
  WEFT_TRY(Teach(view, decided));
  seconds_ += (CpuSeconds() - taught) + (answered - asked);
  return links;
}

Links Decider::Decide(const weft_spans& view) {
  decider_.Decide(view, io_);
  Links links;
  for (const stitch::LinkDecision& decision : decider_.decisions()) {
    links.child.push_back(decision.child);
    links.parent.push_back(decision.parent);
    links.evidence.push_back(decision.evidence);
    links.confidence.push_back(decision.confidence);
  }
  return links;
}

}  // namespace weft::accuracy
