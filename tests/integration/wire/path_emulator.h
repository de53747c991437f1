// PathEmulator: a path between two namespaces that behaves badly on purpose: loses, reorders,
// changes sequence numbers, takes TCP options away or drops what carries them.
//
// Two TUN devices and a thread between them, so that it works where the kernel has no netem. IPv4.
#pragma once

#include <atomic>
#include <cstdint>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "tests/integration/wire/namespaces.h"

namespace weft::test {

struct PathFaults {
  double loss = 0;     // share of packets
  double reorder = 0;  // share of packets that the next one overtakes
  bool change_sequences = false;
  bool strip_option = false;  // kind 253 becomes padding
  bool drop_option = false;   // a segment with it does not get through
};

class PathEmulator {
 public:
  PathEmulator(Namespace& a, const std::string& a_address, Namespace& b,
               const std::string& b_address, const PathFaults& faults);
  ~PathEmulator();
  PathEmulator(const PathEmulator&) = delete;
  PathEmulator& operator=(const PathEmulator&) = delete;
  const std::string& errors() const { return errors_; }
  // Packets that were lost, dropped or overtaken.
  uint64_t disturbed() const { return disturbed_; }

 private:
  using Packet = std::vector<uint8_t>;
  int OpenDevice(Namespace& ns, const std::string& address);
  void Run();
  void Forward(int from);
  bool Treat(int from, Packet* packet);  // false: it is lost

  const PathFaults faults_;
  std::string errors_;
  int devices_[2] = {-1, -1};
  Packet held_[2];  // by the side it came from: waits for the next one
  std::mt19937_64 random_{7};
  std::atomic<uint64_t> disturbed_ = 0;
  std::atomic<bool> stop_ = false;
  std::thread thread_;
};

}  // namespace weft::test
