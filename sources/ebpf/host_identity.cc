#include "sources/ebpf/host_identity.h"

#include <fstream>
#include <random>

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <netinet/in.h>

#include "engine/base/hash.h"

namespace weft::ebpf {

uint64_t BootId() {
  std::ifstream file("/proc/sys/kernel/random/boot_id");
  std::string text;
  file >> text;
  return HashText(text);
}

std::string BootSalt() {
  std::ifstream file("/proc/sys/kernel/random/boot_id");
  std::string text;
  file >> text;
  return text;
}

uint64_t NewAgentId() {
  std::random_device random;
  return HashCombine(uint64_t{random()} << 32 | random(), random());
}

std::vector<std::string> HostAddresses() {
  std::vector<std::string> addresses;
  ifaddrs* list = nullptr;
  if (getifaddrs(&list) != 0) return addresses;
  for (const ifaddrs* item = list; item != nullptr; item = item->ifa_next) {
    if (item->ifa_addr == nullptr) continue;
    char text[INET6_ADDRSTRLEN];
    const void* address = nullptr;
    if (item->ifa_addr->sa_family == AF_INET)
      address = &reinterpret_cast<const sockaddr_in*>(item->ifa_addr)->sin_addr;
    else if (item->ifa_addr->sa_family == AF_INET6)
      address = &reinterpret_cast<const sockaddr_in6*>(item->ifa_addr)->sin6_addr;
    if (address != nullptr && inet_ntop(item->ifa_addr->sa_family, address, text, sizeof text))
      addresses.emplace_back(text);
  }
  freeifaddrs(list);
  return addresses;
}

}  // namespace weft::ebpf
