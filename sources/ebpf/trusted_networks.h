// TrustedNetworks: which peers' trace context is believed. Immutable after parsing; any thread.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "engine/base/result.h"

namespace weft::ebpf {

class TrustedNetworks {
 public:
  // CIDR texts, "10.0.0.0/8" or "fd00::/8"; a bare address is one host. Empty: loopback, link-local
  // and the private ranges. kInvalid names the text that is wrong.
  static Result<TrustedNetworks> Parse(std::span<const std::string> networks);

  // `address`: network byte order, 4 significant bytes for IPv4.
  bool Contains(bool ipv6, const uint8_t (&address)[16]) const;

  struct Network {
    bool ipv6 = false;
    uint8_t bits = 0;
    std::array<uint8_t, 16> address{};
  };
  const std::vector<Network>& networks() const { return networks_; }

 private:
  std::vector<Network> networks_;
};

}  // namespace weft::ebpf
