#include "sources/ebpf/protocols/talk.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "engine/api/plugin_abi.h"
#include "engine/base/check.h"

namespace weft::ebpf {
namespace {

constexpr size_t kKeptBufferBytes = 4096;

}  // namespace

Talk::Talk(const ProtocolSet& set, const Protocol& protocol, Direction requests, bool sure,
           bool quiet, ExchangeSink& sink)
    : set_(set),
      protocol_(protocol),
      sink_(sink),
      dialogue_(protocol.NewDialogue()),
      open_(set.settings().max_open, set.settings().open_bytes, set.open_budget()),
      sure_(sure),
      quiet_(quiet) {
  for (const Direction d : {Direction::kReceived, Direction::kSent}) {
    lane(d).direction = d;
    lane(d).kind = d == requests ? MessageKind::kRequest : MessageKind::kResponse;
  }
}

void Talk::StartsAt(Direction direction, uint64_t position) {
  Lane& lane = this->lane(direction);
  if (lane.started) return;
  lane.started = true;
  lane.position = position;
}

void Talk::Feed(Direction direction, const Segment& segment) {
  if (over_) return;
  Lane& lane = this->lane(direction);
  std::string_view bytes = segment.bytes;
  uint64_t length = std::max<uint64_t>(segment.length, bytes.size());
  lane.mark = segment.mark;
  if (!lane.started) {
    lane.started = true;
    lane.position = segment.position;
  }
  if (segment.position > lane.end()) {
    set_.counters().lost_bytes.Add(segment.position - lane.end());
    Missing(lane, segment.position - lane.end(), true);
  } else if (const uint64_t again = lane.end() - segment.position; again > 0) {
    if (again >= length) return;
    length -= again;
    bytes.remove_prefix(std::min<size_t>(static_cast<size_t>(again), bytes.size()));
  }
  if (over_) return;
  if (!bytes.empty()) {
    if (lane.held.empty()) {
      const size_t used = Interpret(lane, bytes, true, false);
      if (used < bytes.size()) Hold(lane, bytes.substr(used));
    } else {
      Hold(lane, bytes);
      const size_t used = Interpret(lane, lane.held, false, false);
      lane.DropFirst(used);
      if (lane.held.capacity() > kKeptBufferBytes && lane.held.empty()) lane.held.shrink_to_fit();
    }
    if (lane.held.size() > set_.settings().head_bytes) {
      set_.counters().overflow.Add();
      Missing(lane, 0, false);
    }
  }
  if (!over_ && length > bytes.size()) Missing(lane, length - bytes.size(), false);
  fed_ = true;
  last_direction_ = direction;
  last_ns_ = segment.mark.time_ns;
}

void Talk::Hold(Lane& lane, std::string_view bytes) {
  if (over_) return;
  lane.pieces.push_back({lane.end(), lane.mark});
  lane.held.append(bytes);
}

size_t Talk::Interpret(Lane& lane, std::string_view bytes, bool segment_start, bool cut) {
  size_t used = 0;
  while (used < bytes.size() && !over_) {
    const std::string_view rest = bytes.substr(used);
    const uint64_t before = lane.position;
    const bool at_start = segment_start && used == 0;
    Outcome outcome = Outcome::kDone;
    switch (lane.mode) {
      case Lane::Mode::kBody:
      case Lane::Mode::kTail:
        if (lane.skip > 0) {
          const uint64_t n = std::min<uint64_t>(lane.skip, rest.size());
          ReadBodyTokens(lane, rest.substr(0, n), n == lane.skip);
          lane.Advance(n);
          lane.skip -= n;
          if (lane.skip == 0 && lane.mode == Lane::Mode::kTail) FinishMessage(lane);
        } else {
          outcome = Body(lane, rest, cut);
        }
        break;
      case Lane::Mode::kOpen:
        if (at_start && NextBegins(lane, rest)) {
          FinishMessage(lane);
        } else {
          ReadBodyTokens(lane, rest, false);
          lane.Advance(rest.size());
        }
        break;
      case Lane::Mode::kBlind:
        if (at_start && protocol_.MayBegin(lane.kind, rest)) {
          lane.mode = Lane::Mode::kHead;
        } else {
          lane.Advance(rest.size());
        }
        break;
      case Lane::Mode::kHead: outcome = Head(lane, rest, cut); break;
    }
    used += static_cast<size_t>(lane.position - before);
    if (outcome == Outcome::kNeedMore) break;
    // What did not parse belongs to nothing: it is passed over here, and the lane is blind.
    if (outcome == Outcome::kInvalid) segment_start = false;
  }
  return used;
}

Outcome Talk::Head(Lane& lane, std::string_view bytes, bool cut) {
  if (!lane.begun) {
    lane.begun = true;
    if (lane.kind == MessageKind::kRequest) RequestBegins(lane);
  }
  const Outcome outcome = lane.kind == MessageKind::kRequest ? RequestHead(lane, bytes, cut)
                                                             : ResponseHead(lane, bytes, cut);
  if (outcome == Outcome::kInvalid || (outcome == Outcome::kNeedMore && cut)) {
    set_.counters().invalid.Add();
    LosePlace(lane);
    lane.Advance(bytes.size());
    return Outcome::kInvalid;
  }
  return outcome;
}

Outcome Talk::RequestHead(Lane& lane, std::string_view bytes, bool cut) {
  std::unique_ptr<Exchange> exchange = open_.Acquire();
  exchange->request_direction = lane.direction;
  exchange->request.first = lane.MarkAt(lane.position);
  const Step step = dialogue_->ParseRequest(bytes, cut, exchange.get());
  if (step.outcome == Outcome::kInvalid || step.outcome == Outcome::kNeedMore) {
    open_.GiveBack(std::move(exchange));
    return step.outcome;
  }
  exchange->protocol = protocol_.id();
  exchange->pipelined = !open_.empty();
  exchange->incomplete |= !sure_;
  Extent& extent = exchange->request;
  extent.begin = lane.position + step.lead;
  extent.end = extent.begin;
  extent.first = lane.MarkAt(extent.begin);
  lane.current = exchange.get();
  if (open_.full()) {
    // Nobody answers here, or we do not understand: start again.
    set_.counters().overflow.Add();
    CloseUnanswered();
    Unsure(lane);
    exchange->incomplete = true;
  }
  open_.Append(std::move(exchange));
  // (One without an answer leaves when it ends, and until then nothing can be behind it.)
  if (sure_ && !lane.current->one_way) ++answerable_;
  ReadTokens(lane, bytes, step);
  Enter(lane, step, cut);
  return step.outcome;
}

Outcome Talk::ResponseHead(Lane& lane, std::string_view bytes, bool cut) {
  EndAwaitedRequest();
  const Exchange* expected = answerable_ > 0 ? &open_.front() : nullptr;
  const Step step = dialogue_->ParseResponse(bytes, cut, expected);
  if (step.outcome == Outcome::kInvalid || step.outcome == Outcome::kNeedMore) return step.outcome;
  const uint64_t begin = lane.position + step.lead;
  PairResponse(lane, begin, lane.MarkAt(begin));
  ReadTokens(lane, bytes, step);
  Enter(lane, step, cut);
  return step.outcome;
}

void Talk::PairResponse(Lane& lane, uint64_t begin, const Mark& first) {
  const size_t i = dialogue_->Pair(open_, answerable_);
  lane.current = nullptr;
  if (i == kUnsolicited) return;
  if (i == kNoRequest || (i == kInterim && answerable_ == 0)) {
    set_.counters().unpaired.Add(i == kNoRequest ? 1 : 0);
    // There is a request that we did not see; its like may have come before the next one too.
    sure_ = false;
    return;
  }
  WEFT_CHECK(i == kInterim || i < answerable_);
  Exchange* exchange = &open_[i == kInterim ? 0 : i];
  // The response begins with its first interim one: that is the byte the wire id is made of.
  if (exchange->response.end == 0) {
    exchange->response.begin = begin;
    exchange->response.end = begin;
    exchange->response.first = first;
  }
  exchange->has_response = exchange->has_response || i != kInterim;
  lane.current = exchange;
}

// Takes the step that began or went on in a message.
void Talk::Enter(Lane& lane, const Step& step, bool cut) {
  const bool head = lane.mode == Lane::Mode::kHead;
  lane.begun = false;
  lane.Advance(step.used);
  const bool ends = step.outcome == Outcome::kDone || step.outcome == Outcome::kEnd;
  lane.mode = ends ? Lane::Mode::kTail : Lane::Mode::kBody;
  lane.skip = step.skip;
  if (step.skip == kUntilNext) {
    lane.mode = Lane::Mode::kOpen;
    lane.skip = 0;
    lane.head_cut = cut && head;
    if (cut && protocol_.pipelines()) Unsure(lane);
  } else if (lane.current) {
    Extent& extent = lane.extent(lane.current);
    extent.end = std::max(extent.end, lane.position + step.skip);
  }
  if (step.outcome == Outcome::kEnd) {
    FinishMessage(lane);
    over_ = true;
    CloseUnanswered();
  } else if (ends && lane.mode == Lane::Mode::kTail && lane.skip == 0) {
    FinishMessage(lane);
  }
}

Outcome Talk::Body(Lane& lane, std::string_view bytes, bool cut) {
  ReadBodyTokens(lane, bytes, false);
  const Step step = dialogue_->Continue(lane.kind, bytes, cut, lane.current);
  const bool stuck = step.outcome == Outcome::kSkip && step.used == 0 && step.skip == 0;
  if (step.outcome == Outcome::kInvalid || stuck || (step.outcome == Outcome::kNeedMore && cut)) {
    set_.counters().invalid.Add();
    if (lane.current) lane.current->incomplete = true;
    LoseEnd(lane);
    lane.Advance(bytes.size());
    return Outcome::kInvalid;
  }
  if (step.outcome != Outcome::kNeedMore) Enter(lane, step, cut);
  return step.outcome;
}

void Talk::ReadTokens(Lane& lane, std::string_view bytes, const Step& step) {
  lane.body_tokens = false;
  if (set_.tokens() == nullptr || lane.current == nullptr) return;
  bytes.remove_prefix(step.lead);
  const uint64_t length = step.skip == kUntilNext ? kUntilNext : step.used - step.lead + step.skip;
  const bool whole = step.outcome != Outcome::kSkip && length <= bytes.size();
  lane.body_tokens =
      set_.tokens()->Message(lane.kind, bytes.substr(0, length), whole, lane.current);
}

void Talk::ReadBodyTokens(Lane& lane, std::string_view bytes, bool whole) {
  if (!lane.body_tokens || lane.current == nullptr) return;
  lane.body_tokens = false;
  set_.tokens()->Body(lane.kind, bytes, whole, lane.current);
}

void Talk::FinishMessage(Lane& lane) {
  Exchange* exchange = std::exchange(lane.current, nullptr);
  lane.body_tokens = false;
  lane.mode = Lane::Mode::kHead;
  lane.begun = false;
  lane.skip = 0;
  if (!exchange) return;
  const bool answered = lane.kind == MessageKind::kResponse && exchange->has_response;
  if (answered || (lane.kind == MessageKind::kRequest && exchange->one_way)) Close(exchange);
}

void Talk::Close(Exchange* exchange) {
  size_t place = 0;
  std::unique_ptr<Exchange> owned = open_.Remove(exchange, &place);
  if (place < answerable_) --answerable_;
  for (Lane& lane : lanes_) {
    if (lane.current != exchange) continue;
    lane.current = nullptr;
    // The answer came first; where the request ends is of no interest any more.
    if (lane.mode == Lane::Mode::kOpen) lane.mode = Lane::Mode::kBlind;
  }
  const ProtocolSet::Counters& counters = set_.counters();
  counters.exchanges.AddAlone();
  if (!exchange->has_response && !exchange->one_way) counters.unanswered.Add();
  if (exchange->incomplete) counters.incomplete.Add();
  sink_.OnClosed(*exchange);
  open_.GiveBack(std::move(owned));
}

void Talk::CloseUnanswered() {
  const Mark last = lane(MessageKind::kResponse).mark;
  while (!open_.empty()) {
    Exchange* exchange = &open_.front();
    if (!exchange->one_way) exchange->incomplete = true;
    if (!exchange->has_response) exchange->response.last = last;
    Close(exchange);
  }
}

void Talk::EndDirection(Direction direction, const Mark& mark) {
  Lane& lane = this->lane(direction);
  if (over_ || !lane.started) return;
  lane.mark = mark;
  if (!lane.held.empty()) Missing(lane, 0, false);
  if (!over_ && lane.kind == MessageKind::kResponse && lane.mode == Lane::Mode::kOpen)
    FinishMessage(lane);
}

void Talk::End(const Mark& mark) {
  if (over_) return;
  for (const Direction d : {Direction::kReceived, Direction::kSent}) EndDirection(d, mark);
  over_ = true;
  while (!open_.empty()) Abort(&open_.front(), mark);
}

void Talk::CutOff(const Mark& mark) {
  for (size_t i = 0; i < open_.size(); ++i)
    if (!open_[i].one_way) open_[i].incomplete = true;
  End(mark);
}

void Talk::Abort(Exchange* exchange, const Mark& mark) {
  if (!exchange->incomplete && !exchange->one_way) {
    exchange->aborted = true;
    if (exchange->status != WEFT_STATUS_ERROR) {
      exchange->status = WEFT_STATUS_ERROR;
      exchange->attributes.Add("error.type", "connection_closed");
    }
  }
  if (!exchange->has_response) exchange->response.last = mark;
  Close(exchange);
}

int64_t Talk::OldestStartNs() const {
  int64_t oldest = std::numeric_limits<int64_t>::max();
  if (!open_.empty()) oldest = open_.front().request.first.time_ns;
  for (const Lane& lane : lanes_) {
    if (lane.kind == MessageKind::kRequest && lane.mode == Lane::Mode::kHead &&
        !lane.pieces.empty())
      oldest = std::min(oldest, lane.pieces.front().mark.time_ns);
  }
  return oldest;
}

size_t Talk::MemoryBytes() const {
  size_t bytes = sizeof *this + open_.MemoryBytes();
  for (const Lane& lane : lanes_)
    bytes += lane.held.capacity() + lane.pieces.capacity() * sizeof(Lane::Piece);
  return bytes;
}

}  // namespace weft::ebpf
