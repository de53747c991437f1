// Talk, where bytes are missing: what is still known, and when everything is known again. See "When
// bytes are missing" in README.md.
#include <algorithm>
#include <string>
#include <utility>

#include "sources/ebpf/protocols/talk.h"

namespace weft::ebpf {
namespace {

constexpr int64_t kQuietNs = 100'000'000;

}  // namespace

// In a message of unknown length: does the segment begin with the next one?
bool Talk::NextBegins(const Lane& lane, std::string_view bytes) const {
  // The body of a request may hold anything, a request too: only a turn of the talk is a sign.
  const bool turn = fed_ && last_direction_ != lane.direction;
  const bool possible =
      lane.kind == MessageKind::kRequest ? turn || lane.head_cut : answerable_ > 1;
  return possible && protocol_.MayBegin(lane.kind, bytes);
}

void Talk::Missing(Lane& lane, uint64_t n, bool lost) {
  if (!lane.held.empty()) {
    const std::string bytes = std::exchange(lane.held, {});
    Interpret(lane, bytes, false, true);
    lane.DropHeld();
    if (over_) return;
  }
  if (lost && lane.current) lane.current->incomplete = true;
  if (lane.skip > 0 && (lane.mode == Lane::Mode::kTail || lane.mode == Lane::Mode::kBody)) {
    const uint64_t passed = std::min(lane.skip, n);
    lane.Advance(passed);
    lane.skip -= passed;
    n -= passed;
    if (lane.skip == 0 && lane.mode == Lane::Mode::kTail) FinishMessage(lane);
  }
  if (n == 0) return;
  if (lane.mode == Lane::Mode::kBody) {
    if (!lost && dialogue_->EndsIn(lane.kind, n)) {
      lane.Advance(n);
      FinishMessage(lane);
      return;
    }
    LoseEnd(lane);
    if (lost || protocol_.pipelines() || answerable_ > 1) Unsure(lane);
  } else if (lane.mode == Lane::Mode::kHead) {
    LosePlace(lane);
  } else if (lost) {
    Unsure(lane);
  }
  lane.Advance(n);
}

// Its last record was lost, or the server answers without having read it all.
void Talk::EndAwaitedRequest() {
  Lane& requests = lane(MessageKind::kRequest);
  const bool awaited = requests.mode == Lane::Mode::kHead && !requests.held.empty();
  if (awaited && sure_ && open_.empty() && !protocol_.pipelines()) Missing(requests, 0, false);
}

void Talk::LosePlace(Lane& lane) {
  set_.counters().resyncs.Add();
  lane.begun = false;
  lane.current = nullptr;
  lane.mode = Lane::Mode::kBlind;
  Unsure(lane);
}

void Talk::LoseEnd(Lane& lane) {
  set_.counters().resyncs.Add();
  lane.mode = Lane::Mode::kOpen;
  lane.head_cut = false;
  lane.skip = 0;
}

// Messages of that direction may have gone by unseen. Requests before them are still answered in
// order; requests before unseen responses are not.
void Talk::Unsure(const Lane& lane) {
  sure_ = false;
  if (lane.kind == MessageKind::kRequest) return;
  const bool front_answered = lane.current && !open_.empty() && lane.current == &open_.front();
  answerable_ = std::min<size_t>(answerable_, front_answered ? 1 : 0);
}

void Talk::RequestBegins(Lane& lane) {
  Lane& responses = this->lane(MessageKind::kResponse);
  const bool turn = fed_ && last_direction_ != lane.direction;
  if (turn && responses.mode == Lane::Mode::kOpen && (answerable_ <= 1 || !sure_)) {
    FinishMessage(responses);
    if (!sure_) responses.mode = Lane::Mode::kBlind;
  }
  if (turn && sure_ && !open_.empty()) overlapping_ = true;
  if (sure_) return;
  const int64_t now = lane.MarkAt(lane.position).time_ns;
  const bool quiet = turn && (!overlapping_ || now - last_ns_ >= kQuietNs);
  // Joined in its middle: whether earlier requests are unanswered can only be guessed.
  const bool fresh =
      !fed_ && (quiet_ || !protocol_.pipelines() || lane.direction == Direction::kReceived);
  if (quiet || fresh) BecomeSure();
}

// All that was asked has been answered, seen or unseen.
void Talk::BecomeSure() {
  CloseUnanswered();
  Lane& responses = lane(MessageKind::kResponse);
  responses.DropHeld();
  responses.current = nullptr;
  responses.begun = false;
  responses.skip = 0;
  if (responses.mode != Lane::Mode::kHead) responses.mode = Lane::Mode::kBlind;
  dialogue_->Resynchronised();
  sure_ = true;
}

}  // namespace weft::ebpf
