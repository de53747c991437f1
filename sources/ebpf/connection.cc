#include "sources/ebpf/connection.h"

#include <algorithm>

#include <arpa/inet.h>

#include "engine/api/ids.h"
#include "engine/base/hash.h"

namespace weft::ebpf {
namespace {

// Both address fields of a Unix socket are one.
std::string PathText(const weft_connection& wire) {
  std::string path(reinterpret_cast<const char*>(wire.local_address), sizeof wire.local_address);
  path.append(reinterpret_cast<const char*>(wire.remote_address), sizeof wire.remote_address);
  if (const size_t end = path.find('\0'); end != std::string::npos) path.resize(end);
  return path.empty() ? "unix" : path;
}

std::string AddressText(const weft_connection& wire, const uint8_t (&address)[16]) {
  if (wire.family == WEFT_FAMILY_UNIX) return PathText(wire);
  char text[INET6_ADDRSTRLEN];
  const int af = wire.family == WEFT_FAMILY_IPV6 ? AF_INET6 : AF_INET;
  return inet_ntop(af, address, text, sizeof text) != nullptr ? text : "";
}

std::string EndpointText(const weft_connection& wire, const std::string& address) {
  if (wire.family == WEFT_FAMILY_UNIX) return address;
  const std::string port = ":" + std::to_string(wire.remote_port);
  return wire.family == WEFT_FAMILY_IPV6 ? "[" + address + "]" + port : address + port;
}

// What was asked before so long a silence has been answered.
constexpr int64_t kQuietNs = 100'000'000;

size_t Index(Direction direction) { return static_cast<size_t>(direction); }

}  // namespace

Connection::Connection(const ConnectionOptions& options, const ProtocolSet& protocols,
                       ConnectionSink& sink, const weft_connection& wire, int64_t first_ns)
    : options_(options),
      sink_(sink),
      id_(HashCombine(wire.cookie, options.boot_id)),
      wire_(wire),
      local_address_(AddressText(wire, wire.local_address)),
      remote_address_(AddressText(wire, wire.remote_address)),
      remote_endpoint_(EndpointText(wire, remote_address_)),
      conversation_(std::make_unique<Conversation>(protocols, static_cast<ExchangeSink&>(*this),
                                                   wire.opened_ns != 0,
                                                   first_ns - options.attached_ns >= kQuietNs)) {}

Connection::Fed Connection::OnData(const weft_data& record, std::string_view payload) {
  const Direction direction =
      record.type == WEFT_RECORD_SEND ? Direction::kSent : Direction::kReceived;
  Stream& stream = streams_[Index(direction)];
  const bool first = !streams_[0].started() && !streams_[1].started();
  const Stream::Placement placed = stream.Place(record.seq, record.length);
  streams_[Index(Opposite(direction))].Hint(record.peer_seq);
  last_ = Mark{static_cast<int64_t>(record.time_ns), record.pid, record.tid, record.fd};
  if (first) first_request_ = placed.position;
  payload.remove_prefix(std::min<size_t>(payload.size(), placed.repeated));
  const bool understood = understood_;
  if (conversation_) Feed(direction, placed, record, payload);
  if (options_.tcp_spans && !understood_ && placed.length != 0) Observe(direction, placed, payload);
  if (understood_ && !understood && activity_) {
    // What went before was the beginning of this.
    if (activity_->open() && activity_->announced) TakeActivity();
    activity_.reset();
  }
  if (conversation_ && conversation_->given_up()) {
    conversation_.reset();
    understood_ = false;
  }
  return {placed.missing, placed.repeated};
}

void Connection::Feed(Direction direction, const Stream::Placement& placed, const weft_data& record,
                      std::string_view payload) {
  if (placed.length != 0) {
    Expect(direction, placed.position);
    conversation_->Feed(direction, {placed.position, payload, placed.length, last_});
  }
  if ((record.flags & WEFT_DATA_FIN_READ) != 0) conversation_->EndDirection(direction, last_);
  if (!understood_) understood_ = conversation_->protocol() != 0;
}

void Connection::Observe(Direction direction, const Stream::Placement& placed,
                         std::string_view payload) {
  if (!activity_)
    activity_ = std::make_unique<TcpActivity>(wire_, options_.boot_id, wire_.opened_ns == 0);
  EndActivity(last_.time_ns);
  activity_->Add(direction, placed.position, streams_[Index(Opposite(direction))].ExpectedSeq(),
                 placed.length + placed.missing, last_);
  if (placed.missing != 0) activity_->Incomplete();
  activity_->Look(payload, placed.length);
}

void Connection::EndActivity(int64_t now_ns) {
  if (activity_ && activity_->Due(now_ns) && !waiting()) TakeActivity();
}

void Connection::TakeActivity() {
  Exchange slice;
  activity_->Take(&slice);
  sink_.OnActivity(*this, slice);
}

void Connection::OnClose(int64_t time_ns) {
  closed_ = true;
  last_.time_ns = time_ns;
  if (conversation_) conversation_->End(last_);
  if (activity_ && activity_->open()) TakeActivity();
}

void Connection::OnCutOff(int64_t time_ns) {
  last_.time_ns = time_ns;
  if (conversation_) conversation_->CutOff(last_);
  OnClose(time_ns);
}

void Connection::SetEnds(uint32_t sent, uint32_t received) {
  ends_[Index(Direction::kSent)] = sent;
  ends_[Index(Direction::kReceived)] = received;
  ends_known_ = true;
}

uint64_t Connection::TailGap() const {
  uint64_t gap = 0;
  for (size_t i = 0; ends_known_ && i < 2; i++) {
    if (!streams_[i].started()) continue;
    const auto left = static_cast<int32_t>(ends_[i] - static_cast<uint32_t>(streams_[i].next()));
    if (left > 0) gap += static_cast<uint64_t>(left);
  }
  return gap;
}

uint64_t Connection::WireIdOf(const Exchange& exchange) const {
  if (exchange.wire_id != 0) return exchange.wire_id;
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
