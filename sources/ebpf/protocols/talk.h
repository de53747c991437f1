// Talk: a conversation whose protocol and roles are known; where bytes become messages and messages
// become exchanges.
//
// Owned and called by Conversation, same grammar. Keeps one promise above all: a response is never
// given to a request that it does not answer. After a loss it therefore pairs nothing until the
// connection was seen to be quiet: a request that begins after the responses have been read. See
// "When bytes are missing" in README.md.
#pragma once

#include <memory>

#include "sources/ebpf/protocols/conversation.h"
#include "sources/ebpf/protocols/lane.h"
#include "sources/ebpf/protocols/open_exchanges.h"
#include "sources/ebpf/protocols/protocol_set.h"

namespace weft::ebpf {

class Talk {
 public:
  // `sure`: both directions are seen from their first byte on. `quiet`: nothing went before for a
  // while.
  Talk(const ProtocolSet& set, const Protocol& protocol, Direction requests, bool sure, bool quiet,
       ExchangeSink& sink);

  void StartsAt(Direction direction, uint64_t position);
  void Feed(Direction direction, const Segment& segment);
  void EndDirection(Direction direction, const Mark& mark);
  void End(const Mark& mark);
  void CutOff(const Mark& mark);

  uint8_t protocol() const { return protocol_.id(); }
  bool over() const { return over_; }
  const OpenExchanges& open() const { return open_; }
  int64_t OldestStartNs() const;
  size_t MemoryBytes() const;

 private:
  Lane& lane(Direction d) { return lanes_[static_cast<size_t>(d)]; }
  Lane& lane(MessageKind k) { return lanes_[0].kind == k ? lanes_[0] : lanes_[1]; }
  bool Answerable(const Lane& lane) const {
    return lane.kind == MessageKind::kResponse && answerable_ > 0;
  }

  // Interprets as much of `bytes` as possible; returns how much. With `cut` that is all.
  size_t Interpret(Lane& lane, std::string_view bytes, bool segment_start, bool cut);
  void Hold(Lane& lane, std::string_view bytes);
  void Missing(Lane& lane, uint64_t n, bool lost);

  // One step each; the outcomes that matter to Interpret's loop.
  Outcome Head(Lane& lane, std::string_view bytes, bool cut);
  Outcome RequestHead(Lane& lane, std::string_view bytes, bool cut);
  Outcome ResponseHead(Lane& lane, std::string_view bytes, bool cut);
  Outcome Body(Lane& lane, std::string_view bytes, bool cut);
  void Enter(Lane& lane, const Step& step, bool cut);
  bool NextBegins(const Lane& lane, std::string_view bytes) const;
  void PairResponse(Lane& lane, uint64_t begin, const Mark& first);

  // A response begins: the request's head that is awaited has no more to come.
  void EndAwaitedRequest();
  // A request is about to be read: what does that say about the responses before it?
  void RequestBegins(Lane& lane);
  void BecomeSure();
  void LosePlace(Lane& lane);  // between messages
  void LoseEnd(Lane& lane);    // inside a message
  void Unsure(const Lane& lane);

  // Of a message's beginning up to `step`, and of the first piece of its body.
  void ReadTokens(Lane& lane, std::string_view bytes, const Step& step);
  void ReadBodyTokens(Lane& lane, std::string_view bytes, bool whole);

  void FinishMessage(Lane& lane);
  void Close(Exchange* exchange);
  void Abort(Exchange* exchange, const Mark& mark);
  void CloseUnanswered();

  const ProtocolSet& set_;
  const Protocol& protocol_;
  ExchangeSink& sink_;
  std::unique_ptr<Dialogue> dialogue_;
  Lane lanes_[2];
  OpenExchanges open_;
  size_t answerable_ = 0;  // the first so many in open_ can be paired by order
  bool sure_;              // new requests can
  bool quiet_;
  bool overlapping_ = false;  // the client sends on while responses are still to come
  bool over_ = false;
  bool fed_ = false;
  Direction last_direction_ = Direction::kReceived;
  int64_t last_ns_ = 0;
};

}  // namespace weft::ebpf
