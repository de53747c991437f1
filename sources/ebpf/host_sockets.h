// HostSockets: the processes of this host that have sockets, for `weft doctor`: who could be
// traced.
//
// Read from /proc at one moment: what comes and goes meanwhile may be missing. Without the right to
// look into other users' processes those have no sockets here. Thread-safe.
#pragma once

#include <cstdint>
#include <istream>
#include <map>
#include <string>
#include <vector>

namespace weft::ebpf {

struct SocketProcess {
  uint32_t pid = 0;
  std::string name;      // last part of the executable, or the command's name
  std::string cgroup;    // path
  std::string service;   // as its spans would call it; "": left to who asks (ProcessMetadata)
  int64_t start_ns = 0;  // Unix time
  bool foreign_network = false;  // in another network namespace than weft
  bool foreign_bits = false;     // a 32-bit program
  bool tls = false;              // a TLS library is mapped
  bool uring = false;            // has an io_uring open
  std::vector<uint16_t> listens;
  uint32_t connections = 0;  // TCP, established
  uint32_t unix_streams = 0;
};

// One line of /proc/net/tcp or tcp6.
struct TcpSocket {
  uint64_t inode = 0;
  uint16_t local_port = 0;
  uint8_t state = 0;  // 1 established, 10 listens
};
std::vector<TcpSocket> ReadTcpTable(std::istream& table);
// Inodes of the connected stream sockets of /proc/net/unix.
std::vector<uint64_t> ReadUnixTable(std::istream& table);

// By pid; processes without such sockets are left out. `root`: in front of /proc.
std::vector<SocketProcess> ReadHostSockets(const std::string& root = "");

}  // namespace weft::ebpf
