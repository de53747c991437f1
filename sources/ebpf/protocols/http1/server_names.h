// ServerNames: who a Host field or an absolute target names: redacted address and port, remembered,
// because the same few hosts come again and again.
//
// One per HTTP/1 protocol; the conversations of a ProtocolSet share it. One thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "sources/ebpf/redact.h"

namespace weft::ebpf::http1 {

class ServerNames {
 public:
  explicit ServerNames(const Redactor& redactor) : redactor_(redactor), slots_(kSlots) {}

  struct Server {
    std::string peer;  // "shop.example.com:8080"; as much as was given
    size_t address_size = 0;
    uint16_t port = 0;  // 0: none
    std::string_view address() const { return std::string_view(peer).substr(0, address_size); }
  };
  // Valid until the next call. `text`: host, host:port or [v6]:port; not empty.
  const Server& Of(std::string_view text);

 private:
  static constexpr size_t kSlots = 64;
  struct Slot {
    std::string text;
    Server server;
  };
  void Read(std::string_view text, Server* server) const;

  const Redactor& redactor_;
  std::vector<Slot> slots_;
};

}  // namespace weft::ebpf::http1
