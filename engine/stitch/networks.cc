#include "engine/stitch/networks.h"

#include <arpa/inet.h>

#include <cstring>

namespace weft::stitch {
namespace {

constexpr size_t kCacheEntries = 65536;

bool ParseAddress(std::string_view text, std::array<uint8_t, 16>* out, bool* v4) {
  const std::string copy(text.substr(0, text.find('%')));  // without the zone of fe80::1%eth0
  *v4 = copy.find(':') == std::string::npos;
  if (!*v4) return inet_pton(AF_INET6, copy.c_str(), out->data()) == 1;
  *out = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
  return inet_pton(AF_INET, copy.c_str(), out->data() + 12) == 1;
}

// As the eBPF source names a peer on a Unix socket; '@' begins an abstract name.
bool IsUnixSocket(std::string_view text) {
  return text.contains('/') || text.starts_with('@') || text == "unix";
}

bool SameBits(const std::array<uint8_t, 16>& a, const std::array<uint8_t, 16>& b, int bits) {
  const size_t whole = static_cast<size_t>(bits / 8);
  if (std::memcmp(a.data(), b.data(), whole) != 0) return false;
  const int rest = bits % 8;
  return rest == 0 || ((a[whole] ^ b[whole]) >> (8 - rest)) == 0;
}

}  // namespace

Result<Networks> Networks::Parse(const std::vector<std::string>& blocks) {
  Networks networks;
  for (const std::string& text : blocks) {
    const size_t slash = text.find('/');
    Block block{};
    bool v4 = false;
    if (!ParseAddress(std::string_view(text).substr(0, slash), &block.bytes, &v4))
      return Fail(Code::kInvalid, "network '" + text + "': not an address");
    const int most = v4 ? 32 : 128;
    int bits = most;
    if (slash != std::string::npos) {
      const std::string number = text.substr(slash + 1);
      if (number.empty() || number.size() > 3 ||
          number.find_first_not_of("0123456789") != std::string::npos || std::stoi(number) > most)
        return Fail(Code::kInvalid,
                    "network '" + text + "': prefix length is 0 to " + std::to_string(most));
      bits = std::stoi(number);
    }
    block.bits = bits + (v4 ? 96 : 0);
    networks.blocks_.push_back(block);
  }
  return networks;
}

bool Networks::Contains(std::string_view address) {
  if (address.empty()) return true;
  const uint64_t key = HashText(address);
  if (const uint8_t* known = cache_.Find(key)) return *known != 0;
  std::array<uint8_t, 16> bytes{};
  bool v4 = false, inside = false;
  if (IsUnixSocket(address))
    inside = true;
  else if (ParseAddress(address, &bytes, &v4))
    for (const Block& b : blocks_) inside |= SameBits(bytes, b.bytes, b.bits);
  if (cache_.size() >= kCacheEntries) cache_.Clear();
  cache_[key] = inside ? 1 : 0;
  return inside;
}

}  // namespace weft::stitch
