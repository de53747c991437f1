// KnownHeads: heads that come again byte for byte, and what reading one gave. Programs that call
// each other say the same most of the time, health checks and pollers always; comparing a head
// takes a tenth of the time that it takes to read it, describe it and find its tokens.
//
// Part of HeadMemory. The dialogue asks (Find) before it reads a head, and offers what it had to
// read (Offer): what comes a second time is filled in, its tokens by TokenReader. Heads that are
// meant for one request only (Unique) are not offered. Bounded, lossy: of heads that never come
// again only every fourth is looked at. One thread.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "engine/base/text_words.h"
#include "sources/ebpf/protocols/exchange.h"
#include "sources/ebpf/protocols/http1/head.h"

namespace weft::ebpf::http1 {

struct KnownHead {
  uint64_t whose = 0;  // what else the description depends on
  std::string text;    // with the empty line at its end
  bool read = false;   // framing and what belongs to its kind of message are filled in
  Framing framing;
  // Of a request.
  uint32_t tag = 0;
  bool names_server = false;
  std::string operation, peer;
  // Of a response.
  int status = 0;
  Attributes attributes;  // of both
  // TokenReader's.
  bool tokens_read = false, encoded = false;
  TokenSet tokens;

  void KeepRequest(const Exchange& exchange, const Framing& of_body);
  // Requires: `out` is cleared but for direction and first mark.
  void Write(Exchange* out) const;
};

class KnownHeads {
 public:
  static constexpr size_t kMinHead = 32;
  static constexpr size_t kMaxHead = 1024;

  // The one that `bytes` begin with; null: there is none. Valid until the next Offer.
  KnownHead* Find(uint64_t whose, std::string_view bytes) {
    if (bytes.size() < kMinHead) return nullptr;
    Pair& pair = PairOf(whose, bytes);
    for (uint8_t i = 0; i < 2; ++i) {
      KnownHead& head = pair.heads[i];
      if (!head.read || head.whose != whose || !bytes.starts_with(head.text)) continue;
      pair.latest = i;
      return &head;
    }
    return nullptr;
  }
  // The first `size` of these bytes are a whole head, which was not found. What it is to be known
  // by, to be filled in; null: it is not kept, or has to come once more before.
  KnownHead* Offer(uint64_t whose, std::string_view bytes, size_t size);

 private:
  static constexpr size_t kPairs = 128;
  static constexpr uint32_t kEvery = 4;
  struct Pair {
    std::array<KnownHead, 2> heads;
    uint8_t latest = 0;  // the other one goes
  };
  // By the first bytes, as many as are there: nobody knows yet where the head ends.
  Pair& PairOf(uint64_t whose, std::string_view bytes) {
    const size_t words = (bytes.size() < 2 * kMinHead ? kMinHead : 2 * kMinHead) / 8;
    uint64_t mixed = whose * 0xbf58476d1ce4e5b9;
    for (size_t i = 0; i < words; ++i)
      mixed += LoadWord<uint64_t>(bytes.data() + 8 * i) * (0x9e3779b97f4a7c15 + 2 * i);
    return pairs_[mixed * 0x94d049bb133111eb >> 57];
  }
  static_assert(kPairs == size_t{1} << (64 - 57));

  std::vector<Pair> pairs_{kPairs};
  uint32_t turn_ = 0;
};

}  // namespace weft::ebpf::http1
