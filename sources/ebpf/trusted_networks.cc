#include "sources/ebpf/trusted_networks.h"

#include <charconv>
#include <cstring>

#include <arpa/inet.h>

#include <fmt/format.h>

namespace weft::ebpf {
namespace {

const std::vector<std::string>& PrivateNetworks() {
  static const std::vector<std::string> networks = {
      "127.0.0.0/8",   "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16",
      "100.64.0.0/10", "::1/128",    "fe80::/10",     "fc00::/7"};
  return networks;
}

bool SamePrefix(const uint8_t* a, const uint8_t* b, unsigned bits) {
  const unsigned whole = bits / 8, rest = bits % 8;
  if (std::memcmp(a, b, whole) != 0) return false;
  if (rest == 0) return true;
  const auto mask = static_cast<uint8_t>(0xff << (8 - rest));
  return ((a[whole] ^ b[whole]) & mask) == 0;
}

}  // namespace

Result<TrustedNetworks> TrustedNetworks::Parse(std::span<const std::string> networks) {
  if (networks.empty()) networks = PrivateNetworks();
  TrustedNetworks result;
  for (const std::string& text : networks) {
    const size_t slash = text.find('/');
    const std::string address = text.substr(0, slash);
    Network network;
    network.ipv6 = address.find(':') != std::string::npos;
    unsigned bits = network.ipv6 ? 128 : 32;
    const unsigned most = bits;
    if (inet_pton(network.ipv6 ? AF_INET6 : AF_INET, address.c_str(), network.address.data()) != 1)
      return Fail(Code::kInvalid, fmt::format("'{}' is no network: expected 10.0.0.0/8", text));
    if (slash != std::string::npos) {
      const char* end = text.data() + text.size();
      const auto [stop, error] = std::from_chars(text.data() + slash + 1, end, bits);
      if (error != std::errc() || stop != end || bits > most)
        return Fail(Code::kInvalid,
                    fmt::format("'{}' is no network: the prefix is 0 to {} bits long", text, most));
    }
    network.bits = static_cast<uint8_t>(bits);
    result.networks_.push_back(network);
  }
  return result;
}

bool TrustedNetworks::Contains(bool ipv6, const uint8_t (&address)[16]) const {
  for (const Network& network : networks_)
    if (network.ipv6 == ipv6 && SamePrefix(network.address.data(), address, network.bits))
      return true;
  return false;
}

}  // namespace weft::ebpf
