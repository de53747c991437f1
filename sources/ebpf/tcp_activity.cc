#include "sources/ebpf/tcp_activity.h"

#include <algorithm>
#include <cstring>

#include "engine/api/ids.h"
#include "engine/api/plugin_abi.h"
#include "engine/base/hash.h"
#include "sources/ebpf/protocols/first_bytes.h"

namespace weft::ebpf {
namespace {

// Apart from the wire ids of exchanges, which may begin at the same bytes.
constexpr uint64_t kSalt = 0x7765667463700000;

size_t Index(Direction direction) { return static_cast<size_t>(direction); }

uint64_t HashAddress(const uint8_t (&address)[16], uint16_t port) {
  uint64_t words[2];
  std::memcpy(words, address, sizeof words);
  return HashCombine(HashCombine(words[0], words[1]), port);
}

// Whether the local end is the server. Who connected says so; of a connection older than the agent
// the lower port does, which both ends read alike.
bool IsServer(const weft_connection& wire) {
  if (wire.end == WEFT_END_CONNECTED) return false;
  if (wire.end == WEFT_END_ACCEPTED) return true;
  if (wire.local_port != wire.remote_port) return wire.local_port < wire.remote_port;
  return std::memcmp(wire.local_address, wire.remote_address, sizeof wire.local_address) < 0;
}

bool IsLoopback(const weft_connection& wire) {
  if (wire.family != WEFT_FAMILY_IPV6) return wire.local_address[0] == 127;
  constexpr uint8_t kLoopback[16] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1};
  return std::memcmp(wire.local_address, kLoopback, sizeof kLoopback) == 0;
}

uint64_t AddressKey(const weft_connection& wire, uint64_t boot_id) {
  const uint64_t local = HashAddress(wire.local_address, wire.local_port);
  const uint64_t remote = HashAddress(wire.remote_address, wire.remote_port);
  const uint64_t where = HashCombine(boot_id, IsLoopback(wire) ? wire.netns : 0);
  return HashCombine(HashCombine(std::min(local, remote), std::max(local, remote)), where);
}

}  // namespace

TcpActivity::TcpActivity(const weft_connection& wire, uint64_t boot_id, bool joined)
    : requests_(IsServer(wire) ? Direction::kReceived : Direction::kSent),
      address_key_(AddressKey(wire, boot_id)),
      joined_(joined && wire.family != WEFT_FAMILY_UNIX),
      transport_(wire.family == WEFT_FAMILY_UNIX ? "unix" : "tcp") {}

int64_t TcpActivity::DueNs() const {
  const int64_t cut = burst_ns_ + (slice_ + 1) * kSliceNs;
  if (last_direction_ == requests_) return cut;
  return std::min(cut, last_.time_ns + kQuietNs);
}

void TcpActivity::BeginBurst(Direction direction, uint64_t position, uint32_t other_seq,
                             int64_t now_ns) {
  joined_ = joined_ && !begun_;
  begun_ = true;
  burst_ns_ = joined_ ? now_ns - now_ns % kSliceNs : now_ns;
  slice_ = 0;
  const auto own_seq = static_cast<uint32_t>(position);
  burst_key_ =
      direction == requests_ ? api::WireId(own_seq, other_seq) : api::WireId(other_seq, own_seq);
  if (joined_) burst_key_ = HashCombine(address_key_, static_cast<uint64_t>(burst_ns_ / kSliceNs));
}

void TcpActivity::Add(Direction direction, uint64_t position, uint32_t other_seq, uint64_t length,
                      const Mark& mark) {
  if (!open_) {
    const int64_t silence = mark.time_ns - last_.time_ns;
    const bool server_spoke = last_direction_ != requests_;
    if (!begun_ || silence >= kSliceNs || (server_spoke && silence >= kQuietNs)) {
      BeginBurst(direction, position, other_seq, mark.time_ns);
    } else {
      // Goes on after a cut; a number is never used twice.
      slice_ = std::max(slice_ + 1, SliceAt(mark.time_ns));
    }
    open_ = true;
    announced = limited = incomplete_ = false;
    begin_ = mark;
    position_[Index(direction)] = position;
    position_[Index(Opposite(direction))] = other_seq;
    bytes_[0] = bytes_[1] = 0;
    response_tid_ = 0;
  }
  bytes_[Index(direction)] += length;
  if (direction != requests_) response_tid_ = mark.tid;
  last_direction_ = direction;
  last_ = mark;
}

void TcpActivity::Look(std::string_view bytes, uint64_t length) {
  if (guess_.empty()) guess_ = GuessProtocol(bytes, length);
}

void TcpActivity::Describe(Exchange* out) const {
  const size_t asks = Index(requests_), answers = 1 - asks;
  out->protocol = WEFT_PROTOCOL_TCP;
  out->request_direction = requests_;
  out->operation = "tcp";
  out->incomplete = incomplete_;
  out->has_response = bytes_[answers] != 0;
  out->one_way = !out->has_response;
  out->request = {position_[asks], position_[asks] + bytes_[asks], begin_, last_};
  out->response = {position_[answers], position_[answers] + bytes_[answers], begin_, last_};
  out->response.last.tid = response_tid_;
  out->wire_id = HashCombine(burst_key_, kSalt + static_cast<uint64_t>(slice_));
  out->attributes.Add("network.transport", transport_);
  if (!guess_.empty()) out->attributes.Add("weft.protocol_guess", guess_);
}

void TcpActivity::Take(Exchange* out) {
  Describe(out);
  open_ = false;
}

}  // namespace weft::ebpf
