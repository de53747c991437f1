#include "sources/ebpf/protocols/exchange.h"

#include <algorithm>

namespace weft::ebpf {

void Attributes::Grow() {
  constexpr size_t kFirst = 12;
  items_.resize(std::max(kFirst, 2 * items_.size()));
}

void Exchange::Clear() {
  protocol = 0;
  status = 0;
  incomplete = aborted = pipelined = one_way = has_response = names_server = false;
  request_direction = Direction::kReceived;
  request = Extent{};
  response = Extent{};
  operation.clear();
  peer.clear();
  request_id.clear();
  truth.clear();
  trace_state.clear();
  tag = 0;
  wire_id = 0;
  context = TraceContext{};
  attributes.Clear();
  request_tokens.Clear();
  response_tokens.Clear();
  answers_secret = false;
}

size_t Exchange::MemoryBytes() const {
  return sizeof *this + operation.capacity() + peer.capacity() + request_id.capacity() +
         trace_state.capacity() + truth.capacity() + attributes.MemoryBytes();
}

}  // namespace weft::ebpf
