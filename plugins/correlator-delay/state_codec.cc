// What a learner is made of; state_fields.cc has the parts.
#include "plugins/correlator-delay/state_codec.h"

#include <utility>

namespace weft::plugins::delay {
namespace {

constexpr uint32_t kVersion = 0x64650006;
constexpr uint64_t kMostBusySpans = 64'000;

// State that was cut or bent on the way must not become a wrong model.
uint64_t Checksum(std::string_view bytes) {
  uint64_t sum = bytes.size();
  for (; bytes.size() >= sizeof(uint64_t); bytes.remove_prefix(sizeof(uint64_t))) {
    uint64_t word = 0;
    std::memcpy(&word, bytes.data(), sizeof word);
    sum = Join(sum, word);
  }
  for (const char c : bytes) sum = Join(sum, static_cast<unsigned char>(c));
  return sum;
}

}  // namespace

std::string StateCodec::Seal(std::string bytes) {
  StateWriter out;
  out.bytes() = std::move(bytes);
  out.Raw(Checksum(out.bytes()));
  return std::move(out.bytes());
}

void StateCodec::PutWaiting(StateWriter& out, const ProcessLearner& l) {
  out.Number(l.waiting_.size());
  out.Number(l.waiting_calls_.size());
  const DoneCall* call = l.waiting_calls_.data();
  for (const DoneRequest& r : l.waiting_) {
    out.Signed(r.start_ns);
    out.Signed(r.end_ns - r.start_ns);
    out.Number(r.operation);
    out.Number(r.calls);
    for (const DoneCall* const end = call + r.calls; call < end; ++call) {
      out.Signed(call->start_ns - r.start_ns);
      out.Signed(call->end_ns == 0 ? -1 : call->end_ns - call->start_ns);
      out.Number(call->callee);
    }
  }
}

void StateCodec::GetWaiting(StateReader& in, ProcessLearner& l) {
  const uint64_t requests = in.Number(kMostBusySpans), calls = in.Number(kMostBusySpans);
  for (uint64_t i = 0; i < requests && in.ok(); ++i) {
    DoneRequest& r = l.waiting_.emplace_back();
    r.start_ns = in.Signed();
    r.end_ns = r.start_ns + in.Signed();
    r.operation = static_cast<uint16_t>(in.Number(kMaxNames - 1));
    r.calls = static_cast<uint32_t>(in.Number(calls - l.waiting_calls_.size()));
    for (uint32_t c = 0; c < r.calls && in.ok(); ++c) {
      DoneCall& call = l.waiting_calls_.emplace_back();
      call.start_ns = r.start_ns + in.Signed();
      const int64_t took = in.Signed();
      call.end_ns = took < 0 ? 0 : call.start_ns + took;
      call.callee = static_cast<uint16_t>(in.Number(kMaxNames - 1));
      if (call.callee >= l.history_.callees.size()) in.Refuse();
    }
  }
  if (l.waiting_calls_.size() != calls) in.Refuse();
}

// What counts decided requests only is counted again.
bool StateCodec::HasModel(const ProcessLearner& l) {
  return l.warm_ || (l.search_.searched_requests_ > 0 && l.search_.counted_until_ == INT64_MIN);
}

std::string StateCodec::Save(const ProcessLearner& l) {
  StateWriter out;
  out.Raw(kVersion);
  out.Number((l.warm_ ? 1 : 0) | (l.threads_ ? 2 : 0) | (l.quantum_known_ ? 4 : 0) |
             (HasModel(l) ? 8 : 0));
  out.Signed(l.model_.quantum());
  out.Raw(l.busy_until_);
  out.Raw(l.effort_until_);
  out.Number(l.refreshed_callees_);
  out.Number(l.since_fade_);
  out.Number(l.slower_);
  out.Number(l.search_.searched_requests_);
  out.Number(l.search_.searched_callees_);
  out.Number(l.search_.settled_requests_);
  out.Raw(l.search_.decided_until_);
  Put(out, l.history_);
  PutWaiting(out, l);
  Put(out, l.order_);
  Put(out, l.model_.rates());
  if (HasModel(l)) Put(out, l.model_);
  return Seal(std::move(out.bytes()));
}

bool StateCodec::Load(std::string_view bytes, ProcessLearner& learner) {
  ProcessLearner l;
  if (bytes.empty()) {  // a process of which nothing was known
    learner = std::move(l);
    return true;
  }
  if (bytes.size() < sizeof(uint64_t)) return false;
  StateReader tail(bytes.substr(bytes.size() - sizeof(uint64_t)));
  bytes.remove_suffix(sizeof(uint64_t));
  if (tail.Raw<uint64_t>() != Checksum(bytes)) return false;
  StateReader in(bytes);
  if (in.Raw<uint32_t>() != kVersion) return false;
  const uint64_t flags = in.Number(15);
  l.warm_ = flags & 1;
  l.threads_ = flags & 2;
  l.quantum_known_ = flags & 4;
  const int64_t quantum = in.Signed();
  if (quantum != 1'000 && quantum != 1'000'000) return false;
  l.model_.set_quantum(quantum);
  l.busy_until_ = in.Moment();
  l.effort_until_ = in.Moment();
  l.refreshed_callees_ = static_cast<uint32_t>(in.Number(kMaxNames));
  l.since_fade_ = static_cast<uint32_t>(in.Number(kMostBusySpans));
  l.slower_ = static_cast<uint32_t>(in.Number(3));
  l.search_.searched_requests_ = static_cast<uint32_t>(in.Number(UINT32_MAX));
  l.search_.searched_callees_ = static_cast<uint32_t>(in.Number(kMaxNames));
  l.search_.settled_requests_ = static_cast<uint32_t>(in.Number(UINT32_MAX));
  l.search_.decided_until_ = in.Moment();
  Get(in, l.history_);
  GetWaiting(in, l);
  Get(in, l.order_);
  Get(in, l.model_.rates());
  if (l.refreshed_callees_ > l.history_.callees.size()) return false;
  if (flags & 8) {
    Get(in, l.model_);
    if (!in.AtEnd()) return false;
    l.model_.Rebuild(l.refreshed_callees_);
    l.states_.Clear(l.model_, l.refreshed_callees_);
  }
  if (!in.AtEnd()) return false;
  learner = std::move(l);
  learner.states_.Clear(learner.model_, learner.refreshed_callees_);
  return true;
}

}  // namespace weft::plugins::delay
