#include "sources/ebpf/own_connections.h"

#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <optional>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

namespace weft::ebpf {
namespace {

// As the kernel programs write it: IPv4 in the first four bytes, also of v4-mapped sockets.
bool Fill(const sockaddr_storage& address, uint8_t (&bytes)[16], uint16_t& port) {
  if (address.ss_family == AF_INET) {
    const auto& in = reinterpret_cast<const sockaddr_in&>(address);
    memcpy(bytes, &in.sin_addr, 4);
    port = ntohs(in.sin_port);
    return true;
  }
  if (address.ss_family != AF_INET6) return false;
  const auto& in6 = reinterpret_cast<const sockaddr_in6&>(address);
  if (IN6_IS_ADDR_V4MAPPED(&in6.sin6_addr)) {
    memcpy(bytes, in6.sin6_addr.s6_addr + 12, 4);
  } else {
    memcpy(bytes, &in6.sin6_addr, 16);
  }
  port = ntohs(in6.sin6_port);
  return true;
}

std::optional<weft_ends> EndsOf(int fd) {
  int protocol = 0;
  socklen_t size = sizeof protocol;
  if (getsockopt(fd, SOL_SOCKET, SO_PROTOCOL, &protocol, &size) != 0 || protocol != IPPROTO_TCP)
    return std::nullopt;
  sockaddr_storage local{}, remote{};
  socklen_t local_size = sizeof local, remote_size = sizeof remote;
  if (getsockname(fd, reinterpret_cast<sockaddr*>(&local), &local_size) != 0 ||
      getpeername(fd, reinterpret_cast<sockaddr*>(&remote), &remote_size) != 0)
    return std::nullopt;
  weft_ends ends{};
  if (!Fill(local, ends.from, ends.from_port) || !Fill(remote, ends.to, ends.to_port))
    return std::nullopt;
  return ends;
}

}  // namespace

std::vector<weft_ends> OwnConnections() {
  std::vector<weft_ends> all;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd", error))
    if (const auto ends = EndsOf(std::atoi(entry.path().filename().c_str()))) all.push_back(*ends);
  return all;
}

}  // namespace weft::ebpf
