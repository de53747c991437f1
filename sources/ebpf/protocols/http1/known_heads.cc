#include "sources/ebpf/protocols/http1/known_heads.h"

namespace weft::ebpf::http1 {

void KnownHead::KeepRequest(const Exchange& exchange, const Framing& of_body) {
  framing = of_body;
  tag = exchange.tag;
  names_server = exchange.names_server;
  operation = exchange.operation;
  peer = exchange.peer;
  attributes = exchange.attributes;
}

void KnownHead::Write(Exchange* out) const {
  out->tag = tag;
  out->names_server = names_server;
  out->operation.assign(operation);
  out->peer.assign(peer);
  out->attributes = attributes;
}

KnownHead* KnownHeads::Offer(uint64_t whose, std::string_view bytes, size_t size) {
  if (size < kMinHead || size > kMaxHead) return nullptr;
  const std::string_view head = bytes.substr(0, size);
  Pair& pair = PairOf(whose, bytes);
  for (uint8_t i = 0; i < 2; ++i) {
    KnownHead& known = pair.heads[i];
    if (known.read || known.whose != whose || !SameText(known.text, head)) continue;
    pair.latest = i;
    known.read = true;
    return &known;
  }
  if (++turn_ % kEvery != 0) return nullptr;
  KnownHead& other = pair.heads[1 - pair.latest];
  other.whose = whose;
  other.text.assign(head);
  other.read = other.tokens_read = false;
  return nullptr;
}

}  // namespace weft::ebpf::http1
