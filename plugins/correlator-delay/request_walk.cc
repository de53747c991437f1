#include "plugins/correlator-delay/request_walk.h"

#include <algorithm>

namespace weft::plugins::delay {
namespace {

enum : uint32_t { kResponse, kCall, kInstantResponse, kEnd };

}  // namespace

// In the order that a Timeline has them in.
void RequestWalk::FindSteps(const DoneRequest& request, std::span<const DoneCall> calls,
                            int64_t slack_ns) {
  steps_.clear();
  const bool ended = request.end_ns != 0;
  for (const DoneCall& c : calls) {
    if (ended && c.start_ns > request.end_ns + slack_ns) continue;
    steps_.push_back({c.start_ns, kCall, c.callee, c.end_ns, c.start_ns});
    const int64_t read = std::max(c.end_ns - slack_ns, c.start_ns);
    if (c.end_ns != 0 && (!ended || read <= request.end_ns + slack_ns))
      steps_.push_back(
          {read, read > c.start_ns ? kResponse : kInstantResponse, c.callee, 0, c.end_ns});
  }
  if (ended) steps_.push_back({request.end_ns + slack_ns, kEnd, 0, 0, request.end_ns});
  std::ranges::sort(steps_, [](const Step& a, const Step& b) {
    if (a.at != b.at) return a.at < b.at;
    return a.what != b.what ? a.what < b.what : a.callee < b.callee;
  });
}

void RequestWalk::Count(const DoneRequest& request, std::span<const DoneCall> calls, bool recent,
                        RequestModel& model, RequestStates& states) {
  FindSteps(request, calls, model.slack());
  const bool ended = request.end_ns != 0;
  uint32_t state = states.Start(request.operation);
  const auto observe = [&](Outcome outcome, int64_t gap) {
    model.Observe(states[state], states.ContextRowsOf(state), outcome, gap, recent);
  };
  int64_t at = request.start_ns, until = request.start_ns;
  const auto observe_rest = [&](int64_t rest) {
    model.ObserveRest(states[state], states.ContextRowsOf(state), rest);
  };
  if (ended) observe_rest(request.end_ns - at);
  for (const Step& step : steps_) {
    const int64_t gap = step.seen - at;
    at = step.seen;
    if (step.what == kCall) {
      observe(step.callee, gap);
      state = states.Called(state, step.callee);
      if (!ended || step.until == 0) continue;
      until = std::max(until, step.until);
      observe_rest(request.end_ns - until);
    } else if (step.what == kEnd) {
      observe(kEnds, gap);
      model.ObserveRequest();
    } else {
      observe(kResponds, gap);
      state = states.Answered(state, step.callee);
    }
  }
}

double RequestWalk::Likelihood(const DoneRequest& request, std::span<const DoneCall> calls,
                               const RequestModel& model, RequestStates& states) {
  FindSteps(request, calls, model.slack());
  uint32_t state = states.Start(request.operation);
  int64_t at = request.start_ns, until = request.start_ns;
  double sum = 0;
  const auto judge = [&](Outcome outcome, int64_t gap) {
    sum += static_cast<double>(states.LogP(state, outcome));
    if (outcome != kResponds)
      sum += static_cast<double>(model.LogGap(states.last(state), outcome, model.bins().Of(gap)));
  };
  for (const Step& step : steps_) {
    const int64_t gap = step.seen - at;
    at = step.seen;
    if (step.what == kCall) {
      judge(step.callee, gap);
      state = states.Called(state, step.callee);
      if (step.until != 0) until = std::max(until, step.until);
    } else if (step.what == kEnd) {
      judge(kEnds, gap);
      const size_t rest = model.bins().Of(request.end_ns - until);
      sum += static_cast<double>(model.LogRest(states.RestRow(state), rest));
    } else {
      judge(kResponds, gap);
      state = states.Answered(state, step.callee);
    }
  }
  return sum;
}

}  // namespace weft::plugins::delay
