// MadeSocket: one end of a made-up TCP connection that writes the records the kernel would.
//
// For tests of what stands on the records: no kernel, no clock of its own, any order of calls.
#pragma once

#include <cstring>
#include <string>
#include <string_view>
#include <utility>

#include <arpa/inet.h>

#include "bpf/wire.h"

namespace weft::ebpf {

struct MadeRecord {
  weft_data data{};
  weft_connection connection{};
  std::string payload;
};

class MadeSocket {
 public:
  MadeSocket(uint64_t cookie, uint16_t local_port, uint16_t remote_port, uint32_t send_seq,
             uint32_t receive_seq)
      : send_seq_(send_seq), receive_seq_(receive_seq) {
    wire.cookie = cookie;
    wire.opened_ns = 1;
    wire.family = WEFT_FAMILY_IPV4;
    wire.local_port = local_port;
    wire.remote_port = remote_port;
    inet_pton(AF_INET, "10.0.0.1", wire.local_address);
    inet_pton(AF_INET, "10.0.0.2", wire.remote_address);
  }

  MadeRecord Send(std::string_view bytes, int64_t time_ns) {
    return Make(WEFT_RECORD_SEND, bytes, bytes.size(), time_ns, &send_seq_, receive_seq_);
  }
  MadeRecord Receive(std::string_view bytes, int64_t time_ns) {
    return Make(WEFT_RECORD_RECEIVE, bytes, bytes.size(), time_ns, &receive_seq_, send_seq_);
  }
  // Only `captured` leading bytes of `length`.
  MadeRecord SendLong(std::string_view captured, size_t length, int64_t time_ns) {
    return Make(WEFT_RECORD_SEND, captured, length, time_ns, &send_seq_, receive_seq_);
  }
  MadeRecord ReceiveLong(std::string_view captured, size_t length, int64_t time_ns) {
    return Make(WEFT_RECORD_RECEIVE, captured, length, time_ns, &receive_seq_, send_seq_);
  }
  // The kernel did not take the last `bytes` of what was announced.
  void TakeBack(uint32_t bytes) { send_seq_ -= bytes; }

  weft_connection wire{};
  uint32_t pid = 100, tid = 101;
  int32_t fd = 5;

 private:
  MadeRecord Make(uint8_t type, std::string_view bytes, size_t length, int64_t time_ns,
                  uint32_t* seq, uint32_t peer_seq) const {
    MadeRecord made;
    made.data.time_ns = static_cast<uint64_t>(time_ns);
    made.connection = wire;
    made.data.cookie = wire.cookie;
    made.data.seq = *seq;
    made.data.peer_seq = peer_seq;
    made.data.length = static_cast<uint32_t>(length);
    made.data.pid = pid;
    made.data.tid = tid;
    made.data.fd = fd;
    made.payload = bytes.substr(0, WEFT_CAPTURE_MOST);
    made.data.captured = static_cast<uint16_t>(made.payload.size());
    made.data.type = type;
    *seq += made.data.length;
    return made;
  }

  uint32_t send_seq_, receive_seq_;
};

}  // namespace weft::ebpf
