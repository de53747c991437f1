#include "tests/integration/wire/path_emulator.h"

#include <cstring>
#include <utility>

#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "bpf/wire.h"

namespace weft::test {
namespace {

// What is added to the sequence numbers of the packets that come from each side.
constexpr uint32_t kShift[2] = {0x12345678, 0xfedcba98};
constexpr uint8_t kEnd = 0, kPad = 1, kSack = 5;

uint32_t Load32(const uint8_t* at) {
  return uint32_t{at[0]} << 24 | uint32_t{at[1]} << 16 | uint32_t{at[2]} << 8 | at[3];
}
void Add32(uint8_t* at, uint32_t value) {
  const uint32_t sum = Load32(at) + value;
  for (int i = 0; i < 4; i++) at[i] = static_cast<uint8_t>(sum >> (24 - 8 * i));
}

uint32_t Sum(const uint8_t* bytes, size_t n) {
  uint32_t sum = 0;
  for (size_t i = 0; i + 1 < n; i += 2) sum += uint32_t{bytes[i]} << 8 | bytes[i + 1];
  if (n % 2 != 0) sum += uint32_t{bytes[n - 1]} << 8;
  return sum;
}

void FixChecksum(uint8_t* ip, uint8_t* tcp, size_t length) {
  tcp[16] = tcp[17] = 0;
  uint32_t sum = Sum(tcp, length) + Sum(ip + 12, 8) + IPPROTO_TCP + static_cast<uint32_t>(length);
  while (sum >> 16 != 0) sum = (sum & 0xffff) + (sum >> 16);
  tcp[16] = static_cast<uint8_t>(~sum >> 8);
  tcp[17] = static_cast<uint8_t>(~sum);
}

}  // namespace

PathEmulator::PathEmulator(Namespace& a, const std::string& a_address, Namespace& b,
                           const std::string& b_address, const PathFaults& faults)
    : faults_(faults) {
  devices_[0] = OpenDevice(a, a_address);
  devices_[1] = OpenDevice(b, b_address);
  if (errors_.empty()) thread_ = std::thread([this] { Run(); });
}

PathEmulator::~PathEmulator() {
  stop_ = true;
  if (thread_.joinable()) thread_.join();
  for (const int fd : devices_)
    if (fd >= 0) close(fd);
}

// On a thread of its own: the namespace that a device is made in is the thread's.
int PathEmulator::OpenDevice(Namespace& ns, const std::string& address) {
  int fd = -1;
  std::thread([&] {
    if (!ns.Enter()) return;
    fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);
    ifreq request{};
    request.ifr_flags = IFF_TUN | IFF_NO_PI;
    std::strcpy(request.ifr_name, "path0");
    if (fd >= 0 && ioctl(fd, TUNSETIFF, &request) == 0) return;
    errors_ += "no TUN device: " + std::string(strerror(errno));
    if (fd >= 0) close(fd);
    fd = -1;
  }).join();
  if (fd < 0) return -1;
  ns.Run("ip addr add " + address + " dev path0");
  ns.Run("ip link set path0 up");
  errors_ += ns.errors();
  return fd;
}

void PathEmulator::Run() {
  constexpr int kPatienceMs = 2;  // for the packet that overtakes a held one
  while (!stop_) {
    pollfd polled[2] = {{devices_[0], POLLIN, 0}, {devices_[1], POLLIN, 0}};
    poll(polled, 2, kPatienceMs);
    for (int side = 0; side < 2; side++) {
      if ((polled[side].revents & POLLIN) != 0) {
        Forward(side);
      } else if (!held_[side].empty()) {
        (void)!write(devices_[1 - side], held_[side].data(), held_[side].size());
        held_[side].clear();
      }
    }
  }
}

void PathEmulator::Forward(int from) {
  Packet packet(2048);
  for (;;) {
    packet.resize(2048);
    const ssize_t n = read(devices_[from], packet.data(), packet.size());
    if (n <= 0) return;
    packet.resize(static_cast<size_t>(n));
    if (!Treat(from, &packet)) {
      disturbed_++;
      continue;
    }
    std::uniform_real_distribution<double> chance(0, 1);
    if (held_[from].empty() && chance(random_) < faults_.reorder) {
      disturbed_++;
      held_[from] = packet;
      continue;
    }
    (void)!write(devices_[1 - from], packet.data(), packet.size());
    if (held_[from].empty()) continue;
    (void)!write(devices_[1 - from], held_[from].data(), held_[from].size());
    held_[from].clear();
  }
}

bool PathEmulator::Treat(int from, Packet* packet) {
  uint8_t* ip = packet->data();
  if (packet->size() < 40 || ip[0] >> 4 != 4 || ip[9] != IPPROTO_TCP) return true;
  std::uniform_real_distribution<double> chance(0, 1);
  if (chance(random_) < faults_.loss) return false;
  uint8_t* tcp = ip + 4 * (ip[0] & 15);
  const size_t length = packet->size() - static_cast<size_t>(tcp - ip);
  const uint8_t* end = tcp + 4 * (tcp[12] >> 4);
  const bool acknowledges = (tcp[13] & 0x10) != 0;
  if (faults_.change_sequences) {
    Add32(tcp + 4, kShift[from]);
    if (acknowledges) Add32(tcp + 8, 0 - kShift[1 - from]);
  }
  for (uint8_t* option = tcp + 20; option + 1 < end && *option != kEnd;) {
    const uint8_t size = *option == kPad ? 1 : option[1];
    if (size == 0 || option + size > end) break;
    if (*option == kSack && faults_.change_sequences)
      for (uint8_t* edge = option + 2; edge + 4 <= option + size; edge += 4)
        Add32(edge, 0 - kShift[1 - from]);
    if (*option == WEFT_OPTION_KIND && faults_.drop_option) return false;
    if (*option == WEFT_OPTION_KIND && faults_.strip_option) std::memset(option, kPad, size);
    option += size;
  }
  FixChecksum(ip, tcp, length);
  return true;
}

}  // namespace weft::test
