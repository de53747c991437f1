// EbpfLiveTest: live programs traced by the real agent, and what it published of them.
//
// A test makes its programs (programs.h), calls Trace, and compares what was seen with what they
// did. Skips where this host does not let kernel programs in. For the tests in this folder only.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "engine/api/plugin_abi.h"
#include "engine/transport/memory.h"
#include "sources/ebpf/ebpf_source.h"

namespace weft::ebpf {

struct Seen {
  uint64_t wire_id = 0;
  uint32_t flags = 0;
  std::string operation;
  std::multiset<uint32_t> tokens;
};

class EbpfLiveTest : public testing::TestWithParam<Hooks> {
 protected:
  void SetUp() override;

  // Traces while `run` runs and stops in order.
  void Trace(EbpfConfig config, const std::function<void()>& run);

  uint64_t Metric(const char* name) { return metrics_.Get(name).Get(); }

  // To the unit.
  void ExpectLedger();

  // Every exchange was seen once at each end, under the same wire id, complete.
  void ExpectBothEnds(uint32_t server, uint32_t client, size_t exchanges,
                      size_t new_connections = 1);

  void Collect();

  SystemClock clock_;
  Metrics metrics_;
  std::unique_ptr<Logger> logger_ = StderrLogger(LogLevel::kWarn);
  transport::MemoryTransport transport_{{.partitions = 4}, clock_, metrics_};
  std::map<std::pair<uint32_t, uint8_t>, std::vector<Seen>> seen_;  // by pid and kind
  uint64_t rows_ = 0;
};

inline std::string HooksName(const testing::TestParamInfo<Hooks>& hooks) {
  return hooks.param == Hooks::kSocket ? "Socket" : "Syscalls";
}

}  // namespace weft::ebpf
