// Capture: the real kernel programs, and what they captured, record by record.
//
// Stands where the agent stands, without decoding: tests compare with what a program says that it
// did. One thread. Records of every traced program come; tests select by process or connection.
#pragma once

#include <memory>
#include <ostream>
#include <string>
#include <unordered_map>
#include <vector>

#include "bpf/wire.h"
#include "engine/base/clock.h"
#include "engine/base/log.h"
#include "engine/base/result.h"
#include "sources/ebpf/ebpf_config.h"
#include "sources/ebpf/loader.h"

namespace weft::test {

struct CapturedRecord {
  weft_data data{};
  weft_connection connection{};
  std::string payload;
};

class Capture {
 public:
  static Result<std::unique_ptr<Capture>> Start(const ebpf::EbpfConfig& config);

  // What came since the last call, in ring order.
  std::vector<CapturedRecord> Take();
  std::vector<weft_control> TakeControl();
  // Switches the programs off; Counts() is at rest afterwards.
  void Detach() { loader_->Detach(); }
  Result<ebpf::KernelCounts> Counts() const { return loader_->Counts(); }
  // Of all Take()s.
  uint64_t records() const { return records_; }

 private:
  Capture() = default;
  std::unique_ptr<Logger> logger_ = NullLogger();
  SystemClock clock_;
  std::unique_ptr<ebpf::Loader> loader_;
  std::unordered_map<uint64_t, weft_connection> connections_;  // by cookie
  std::vector<CapturedRecord> taken_;
  std::vector<weft_control> controls_;
  uint64_t records_ = 0;
};

// The hook families that can be told apart, and how a configuration asks for one.
struct HookFamily {
  std::string name;  // SocketLayer
  std::string file;  // socket-layer
  void (*choose)(ebpf::EbpfConfig& config);
};
const std::vector<HookFamily>& HookFamilies();
inline void PrintTo(const HookFamily& family, std::ostream* out) { *out << family.name; }

}  // namespace weft::test
