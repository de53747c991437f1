#include "sources/ebpf/connection.h"

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
  return api::WireId(request,
                     streams_[Index(Opposite(exchange.request_direction))].ExpectedSeq());
}

void Connection::OnClosed(const Exchange& exchange) { sink_.OnClosed(*this, exchange); }

}  // namespace weft::ebpf
