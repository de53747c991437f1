// Lane: one direction of a conversation: where it stands in the stream, the bytes of a head that is
// not complete yet, and the message that is being passed.
//
// Plain data of Talk; positions never go back.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "sources/ebpf/protocols/protocol.h"

namespace weft::ebpf {

struct Lane {
  enum class Mode : uint8_t {
    kHead,   // at the beginning of a message; `held` may have the first part of its head
    kBody,   // inside a message: `skip` bytes, then Continue
    kTail,   // `skip` bytes, then the message is over
    kOpen,   // inside a message whose end cannot be told
    kBlind,  // lost: waits for a segment that begins with a message
  };
  // From position `begin` on, bytes came with this mark.
  struct Piece {
    uint64_t begin;
    Mark mark;
  };

  MessageKind kind = MessageKind::kRequest;
  Direction direction = Direction::kReceived;
  Mode mode = Mode::kHead;
  bool started = false;      // position is valid
  bool begun = false;        // the head that is awaited has been announced to pairing
  bool head_cut = false;     // kOpen because the head was not captured whole
  bool body_tokens = false;  // the body's first piece is to be read for tokens
  uint64_t position = 0;     // of the next byte to interpret: the first of `held`
  uint64_t skip = 0;
  Exchange* current = nullptr;  // of the message being passed; null: none, or paired with none
  std::string held;
  std::vector<Piece> pieces;  // of `held`; empty if nothing is held
  Mark mark;                  // of the segment being fed

  uint64_t end() const { return position + held.size(); }
  Extent& extent(Exchange* exchange) const {
    return kind == MessageKind::kRequest ? exchange->request : exchange->response;
  }
  const Mark& MarkAt(uint64_t at) const {
    for (size_t i = pieces.size(); i-- > 0;)
      if (pieces[i].begin <= at) return pieces[i].mark;
    return mark;
  }
  // Interprets n bytes, captured or not, as part of the current message.
  void Advance(uint64_t n) {
    position += n;
    if (!current || n == 0) return;
    Extent& e = extent(current);
    if (e.end < position) e.end = position;
    e.last = MarkAt(position - 1);
  }
  // The first n bytes of `held` have been interpreted.
  void DropFirst(size_t n) {
    held.erase(0, n);
    size_t over = 0;
    while (over + 1 < pieces.size() && pieces[over + 1].begin <= position) ++over;
    pieces.erase(pieces.begin(), pieces.begin() + static_cast<ptrdiff_t>(over));
    if (held.empty()) pieces.clear();
  }
  void DropHeld() {
    held.clear();
    pieces.clear();
  }
};

}  // namespace weft::ebpf
