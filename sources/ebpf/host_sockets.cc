#include "sources/ebpf/host_sockets.h"

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string_view>
#include <unordered_map>

#include <unistd.h>

#include <fmt/format.h>

namespace weft::ebpf {
namespace {

namespace fs = std::filesystem;

constexpr uint8_t kEstablished = 1, kListen = 10;
constexpr int64_t kSecondNs = 1'000'000'000;

struct Tables {
  std::unordered_map<uint64_t, TcpSocket> tcp;
  std::unordered_map<uint64_t, bool> streams;
};

std::string Link(const fs::path& path) {
  std::error_code error;
  return fs::read_symlink(path, error).string();
}

std::string FirstLine(const fs::path& path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  return line;
}

Tables ReadTables(const fs::path& process) {
  Tables out;
  for (const char* name : {"net/tcp", "net/tcp6"}) {
    std::ifstream file(process / name);
    for (const TcpSocket& socket : ReadTcpTable(file)) out.tcp.emplace(socket.inode, socket);
  }
  std::ifstream file(process / "net/unix");
  for (const uint64_t inode : ReadUnixTable(file)) out.streams.emplace(inode, true);
  return out;
}

// Unix time of the 22nd field of /proc/PID/stat, clock ticks since the boot.
int64_t StartOf(const fs::path& process) {
  const std::string stat = FirstLine(process / "stat");
  std::istringstream words(stat.substr(std::min(stat.rfind(')') + 2, stat.size())));
  std::string word;
  for (int field = 3; field <= 22; ++field)
    if (!(words >> word)) return 0;
  timespec boot{}, now{};
  clock_gettime(CLOCK_BOOTTIME, &boot);
  clock_gettime(CLOCK_REALTIME, &now);
  const int64_t booted = (now.tv_sec - boot.tv_sec) * kSecondNs + now.tv_nsec - boot.tv_nsec;
  return booted + std::atoll(word.c_str()) * (kSecondNs / sysconf(_SC_CLK_TCK));
}

bool Is32Bit(const fs::path& process) {
  char head[5] = {};
  std::ifstream file(process / "exe", std::ios::binary);
  return file.read(head, sizeof head) && head[4] == 1;  // ELFCLASS32
}

bool MapsTls(const fs::path& process) {
  std::ifstream maps(process / "maps");
  std::string line;
  while (std::getline(maps, line))
    for (const char* library : {"libssl", "libgnutls", "libnss3", "libmbedtls"})
      if (line.find(library) != line.npos) return true;
  return false;
}

void CountSocket(uint64_t inode, const Tables& tables, SocketProcess* out) {
  if (const auto tcp = tables.tcp.find(inode); tcp != tables.tcp.end()) {
    if (tcp->second.state == kListen) out->listens.push_back(tcp->second.local_port);
    out->connections += tcp->second.state == kEstablished;
  }
  out->unix_streams += tables.streams.contains(inode);
}

// Of the open files; the inodes of the sockets.
std::vector<uint64_t> ReadFiles(const fs::path& process, SocketProcess* out) {
  constexpr std::string_view kPrefix = "socket:[";
  std::vector<uint64_t> inodes;
  std::error_code error;
  for (const auto& fd : fs::directory_iterator(process / "fd", error)) {
    const std::string target = Link(fd.path());
    out->uring |= target == "anon_inode:[io_uring]";
    uint64_t inode = 0;
    if (target.starts_with(kPrefix) &&
        std::from_chars(target.data() + kPrefix.size(), target.data() + target.size(), inode).ec ==
            std::errc())
      inodes.push_back(inode);
  }
  return inodes;
}

void Describe(const fs::path& process, SocketProcess* out) {
  std::string executable = Link(process / "exe");
  if (const size_t deleted = executable.find(" (deleted)"); deleted != executable.npos)
    executable.resize(deleted);
  out->name = executable.empty() ? FirstLine(process / "comm")
                                 : executable.substr(executable.rfind('/') + 1);
  const std::string cgroup = FirstLine(process / "cgroup");
  out->cgroup = cgroup.substr(std::min(cgroup.rfind(':') + 1, cgroup.size()));
  out->start_ns = StartOf(process);
  out->foreign_bits = Is32Bit(process);
  out->tls = MapsTls(process);
  std::ranges::sort(out->listens);
  const auto twice = std::ranges::unique(out->listens);
  out->listens.erase(twice.begin(), twice.end());
}

}  // namespace

std::vector<TcpSocket> ReadTcpTable(std::istream& table) {
  std::vector<TcpSocket> sockets;
  std::string line;
  std::getline(table, line);  // the heads
  while (std::getline(table, line)) {
    std::istringstream words(line);
    std::string number, local, remote, state, queues, timer, retries;
    uint64_t uid = 0, timeout = 0;
    TcpSocket socket;
    if (!(words >> number >> local >> remote >> state >> queues >> timer >> retries >> uid >>
          timeout >> socket.inode))
      continue;
    const size_t colon = local.rfind(':');
    if (colon == local.npos || socket.inode == 0) continue;
    socket.local_port = static_cast<uint16_t>(std::strtoul(&local[colon + 1], nullptr, 16));
    socket.state = static_cast<uint8_t>(std::strtoul(state.c_str(), nullptr, 16));
    sockets.push_back(socket);
  }
  return sockets;
}

std::vector<uint64_t> ReadUnixTable(std::istream& table) {
  std::vector<uint64_t> inodes;
  std::string line;
  std::getline(table, line);
  while (std::getline(table, line)) {
    std::istringstream words(line);
    std::string address, count, protocol, flags, type, state;
    uint64_t inode = 0;
    if (words >> address >> count >> protocol >> flags >> type >> state >> inode &&
        type == "0001" && state == "03")
      inodes.push_back(inode);
  }
  return inodes;
}

std::vector<SocketProcess> ReadHostSockets(const std::string& root) {
  const fs::path proc = root + "/proc";
  const std::string own_network = Link(proc / "self/ns/net");
  std::map<std::string, Tables> tables;  // by network namespace
  std::vector<SocketProcess> out;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(proc, error)) {
    SocketProcess process;
    const std::string name = entry.path().filename();
    if (std::from_chars(name.data(), name.data() + name.size(), process.pid).ptr !=
            name.data() + name.size() ||
        process.pid == 0)
      continue;
    const auto inodes = ReadFiles(entry.path(), &process);
    if (inodes.empty()) continue;
    const std::string network = Link(entry.path() / "ns/net");
    process.foreign_network = network != own_network;
    auto [known, fresh] = tables.try_emplace(network);
    if (fresh) known->second = ReadTables(entry.path());
    for (const uint64_t inode : inodes) CountSocket(inode, known->second, &process);
    if (process.listens.empty() && process.connections == 0 && process.unix_streams == 0) continue;
    Describe(entry.path(), &process);
    out.push_back(std::move(process));
  }
  std::ranges::sort(out, {}, &SocketProcess::pid);
  return out;
}

}  // namespace weft::ebpf
