#include "sources/ebpf/connection.h"

#include <algorithm>

#include <arpa/inet.h>

#include "engine/api/ids.h"

namespace weft::ebpf {
namespace {

std::string AddressText(uint8_t family, const uint8_t (&address)[16]) {
  char text[INET6_ADDRSTRLEN];
  const int af = family == WEFT_FAMILY_IPV6 ? AF_INET6 : AF_INET;
  return inet_ntop(af, address, text, sizeof text) != nullptr ? text : "";
}

size_t Index(Direction direction) { return static_cast<size_t>(direction); }

}  // namespace

Connection::Connection(const ProtocolSet& protocols, ConnectionSink& sink,
                       const weft_connection& wire, uint64_t id)
    : sink_(sink),
      id_(id),
      wire_(wire),
      local_address_(AddressText(wire.family, wire.local_address)),
      remote_address_(AddressText(wire.family, wire.remote_address)),
      remote_endpoint_(wire.family == WEFT_FAMILY_IPV6
                           ? "[" + remote_address_ + "]:" + std::to_string(wire.remote_port)
                           : remote_address_ + ":" + std::to_string(wire.remote_port)),
      conversation_(std::make_unique<Conversation>(protocols, static_cast<ExchangeSink&>(*this),
                                                   wire.opened_ns != 0)) {}

Connection::Fed Connection::OnData(const weft_data& record, std::string_view payload) {
  const Direction direction =
      record.type == WEFT_RECORD_SEND ? Direction::kSent : Direction::kReceived;
  Stream& stream = streams_[Index(direction)];
  const bool first = !streams_[0].started() && !streams_[1].started();
  const Stream::Placement placed = stream.Place(record.seq, record.length);
  streams_[Index(Opposite(direction))].Hint(record.peer_seq);
  last_ = Mark{static_cast<int64_t>(record.time_ns), record.pid, record.tid, record.fd};
  if (first) first_request_ = placed.position;
  if (conversation_ && placed.length != 0) {
    Expect(direction, placed.position);
    Segment segment;
    segment.position = placed.position;
    segment.bytes = payload.size() > placed.repeated ? payload.substr(placed.repeated) : "";
    segment.length = placed.length;
    segment.mark = last_;
    conversation_->Feed(direction, segment);
  }
  if (conversation_ && (record.flags & WEFT_DATA_FIN_READ) != 0)
    conversation_->EndDirection(direction, last_);
  if (conversation_ && conversation_->given_up()) conversation_.reset();
  return {placed.missing, placed.repeated};
}

void Connection::OnClose(int64_t time_ns) {
  closed_ = true;
  last_.time_ns = time_ns;
  if (conversation_) conversation_->End(last_);
}

uint64_t Connection::WireIdOf(const Exchange& exchange) const {
  const auto request = static_cast<uint32_t>(exchange.request.begin);
  if (exchange.has_response)
    return api::WireId(request, static_cast<uint32_t>(exchange.response.begin));
  if (exchange.pipelined) return 0;
  return api::WireId(request, ExpectedSeq(exchange.request_direction, exchange.request.begin));
}

void Connection::Expect(Direction requests, uint64_t position) {
  Expectation(&turns)[kExpectations] = expected_[Index(requests)];
  const uint32_t seq = streams_[Index(Opposite(requests))].ExpectedSeq();
  Expectation& newest = turns[kExpectations - 1];
  if (newest.position != 0 && newest.seq == seq) return;
  std::copy(turns + 1, turns + kExpectations, turns);
  newest = {position, seq};
}

uint32_t Connection::ExpectedSeq(Direction requests, uint64_t position) const {
  const Expectation(&turns)[kExpectations] = expected_[Index(requests)];
  for (size_t i = kExpectations; i-- > 0;)
    if (turns[i].position != 0 && turns[i].position <= position) return turns[i].seq;
  return streams_[Index(Opposite(requests))].ExpectedSeq();
}

void Connection::OnClosed(const Exchange& exchange) { sink_.OnClosed(*this, exchange); }

}  // namespace weft::ebpf
