#include "sources/ebpf/protocols/conversation.h"

#include <algorithm>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "sources/ebpf/protocols/protocol_set.h"
#include "sources/ebpf/protocols/talk.h"

namespace weft::ebpf {
namespace {

constexpr size_t kMaxHeldSegments = 1024;
constexpr size_t kMaxHeldBytes = 65536;
// Segments in a row that nothing recognises, before a connection is given up: few where the first
// bytes are known to be the first, more where the middle of a long body may be passing.
constexpr size_t kGiveUpFresh = 8;
constexpr size_t kGiveUpJoined = 1024;

struct HeldSegment {
  Direction direction;
  uint64_t position;
  std::string bytes;
  uint64_t length;
  Mark mark;
};

struct WeakGuess {
  const Protocol* protocol = nullptr;
  Guess guess = Guess::kNo;
};

bool IsRequest(Guess guess) { return guess == Guess::kRequest || guess == Guess::kWeakRequest; }

}  // namespace

// Before the protocol is known, segments that may be the beginning of something are held.
struct Conversation::State {
  State(const ProtocolSet& protocols, ExchangeSink& exchange_sink, bool from_begin, bool was_quiet)
      : set(protocols),
        sink(exchange_sink),
        begins(from_begin),
        sure(from_begin),
        quiet(was_quiet) {}

  const ProtocolSet& set;
  ExchangeSink& sink;
  bool begins;
  bool sure;   // nothing was passed over so far
  bool quiet;  // nor did anything go before
  bool given_up = false;
  size_t misses = 0;
  std::vector<HeldSegment> held;
  size_t held_bytes = 0;
  WeakGuess weak[2];
  std::optional<uint64_t> start[2];
  std::optional<Talk> talk;

  void Undecided(Direction direction, const Segment& segment);
  void Hold(Direction direction, const Segment& segment);
  void Drop(Direction direction);
  void Miss(Direction direction);
  // What is held of the direction, joined if it is one unbroken piece, with the new bytes.
  std::string Joined(Direction direction, const Segment& segment);
  void Decide(const Protocol& protocol, Direction requests);
};

void Conversation::State::Hold(Direction direction, const Segment& segment) {
  held.push_back(
      {direction, segment.position, std::string(segment.bytes), segment.length, segment.mark});
  held_bytes += segment.bytes.size();
  while (held.size() > kMaxHeldSegments || held_bytes > kMaxHeldBytes) {
    held_bytes -= held.front().bytes.size();
    held.erase(held.begin());
    sure = quiet = false;
  }
}

void Conversation::State::Drop(Direction direction) {
  std::erase_if(held, [&](const HeldSegment& h) { return h.direction == direction; });
  held_bytes = 0;
  for (const HeldSegment& h : held) held_bytes += h.bytes.size();
  weak[static_cast<size_t>(direction)] = {};
  sure = quiet = false;
}

void Conversation::State::Miss(Direction direction) {
  Drop(direction);
  if (++misses < (begins ? kGiveUpFresh : kGiveUpJoined)) return;
  given_up = true;
  held.clear();
  set.counters().unrecognised.Add();
}

std::string Conversation::State::Joined(Direction direction, const Segment& segment) {
  std::string bytes;
  uint64_t end = segment.position;
  for (const HeldSegment& h : held) {
    if (h.direction != direction) continue;
    if (bytes.empty() || end != h.position) bytes.clear(), end = h.position;
    bytes.append(h.bytes);
    end += h.bytes.size();
  }
  if (end != segment.position) bytes.clear();
  return bytes.append(segment.bytes);
}

void Conversation::State::Undecided(Direction direction, const Segment& segment) {
  WeakGuess& own = weak[static_cast<size_t>(direction)];
  const WeakGuess& other = weak[1 - static_cast<size_t>(direction)];
  const bool continues = std::ranges::find(held, direction, &HeldSegment::direction) != held.end();
  if (own.protocol) return Hold(direction, segment);  // waits for the other direction
  const std::string joined = continues ? Joined(direction, segment) : std::string();
  const std::string_view bytes = continues ? std::string_view(joined) : segment.bytes;
  bool maybe = bytes.empty() && segment.length == 0;
  for (const auto& protocol : set.protocols()) {
    const Guess guess = protocol->Recognise(bytes);
    const Direction requests = IsRequest(guess) ? direction : Opposite(direction);
    if (guess == Guess::kNo) continue;
    if (guess == Guess::kMaybe) {
      maybe = true;
      continue;
    }
    const bool strong = guess == Guess::kRequest || guess == Guess::kResponse;
    const bool agreed =
        other.protocol == protocol.get() && IsRequest(other.guess) != IsRequest(guess);
    if (strong || agreed) {
      Hold(direction, segment);
      return Decide(*protocol, requests);
    }
    if (!own.protocol) own = {protocol.get(), guess};
  }
  // What was captured is all there is: it will not become clearer.
  if (!own.protocol && (!maybe || segment.length > segment.bytes.size())) return Miss(direction);
  Hold(direction, segment);
}

void Conversation::State::Decide(const Protocol& protocol, Direction requests) {
  talk.emplace(set, protocol, requests, sure, quiet, sink);
  // Where something was passed over, the known beginning is not where the talk begins.
  for (const Direction d : {Direction::kReceived, Direction::kSent})
    if (const auto at = start[static_cast<size_t>(d)]; at && sure) talk->StartsAt(d, *at);
  for (const HeldSegment& h : std::exchange(held, {}))
    talk->Feed(h.direction, {h.position, h.bytes, h.length, h.mark});
  held.shrink_to_fit();
}

Conversation::Conversation(const ProtocolSet& protocols, ExchangeSink& sink, bool begins,
                           bool quiet)
    : state_(std::make_unique<State>(protocols, sink, begins, quiet)) {}

Conversation::~Conversation() = default;

void Conversation::StartsAt(Direction direction, uint64_t position) {
  if (state_->talk) return state_->talk->StartsAt(direction, position);
  std::optional<uint64_t>& start = state_->start[static_cast<size_t>(direction)];
  if (!start) start = position;
}

void Conversation::Feed(Direction direction, const Segment& segment) {
  if (state_->talk) return state_->talk->Feed(direction, segment);
  if (!state_->given_up) state_->Undecided(direction, segment);
}

void Conversation::EndDirection(Direction direction, const Mark& mark) {
  if (state_->talk) state_->talk->EndDirection(direction, mark);
}

void Conversation::End(const Mark& mark) {
  if (state_->talk) return state_->talk->End(mark);
  state_->given_up = true;
  state_->held.clear();
}

void Conversation::CutOff(const Mark& mark) {
  if (state_->talk) state_->talk->CutOff(mark);
}

uint8_t Conversation::protocol() const { return state_->talk ? state_->talk->protocol() : 0; }

bool Conversation::given_up() const {
  return state_->given_up || (state_->talk && state_->talk->over());
}

size_t Conversation::open_count() const { return state_->talk ? state_->talk->open().size() : 0; }

const Exchange& Conversation::open(size_t i) const { return state_->talk->open()[i]; }

int64_t Conversation::OldestStartNs() const {
  if (state_->talk) return state_->talk->OldestStartNs();
  return state_->held.empty() ? std::numeric_limits<int64_t>::max()
                              : state_->held.front().mark.time_ns;
}

size_t Conversation::MemoryBytes() const {
  const size_t talk = state_->talk ? state_->talk->MemoryBytes() : 0;
  return sizeof *this + sizeof(State) + talk + state_->held_bytes +
         state_->held.capacity() * sizeof(HeldSegment);
}

}  // namespace weft::ebpf
