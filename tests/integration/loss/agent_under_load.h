// AgentUnderLoad: the real agent, source to transport, while a test makes life hard for it; then
// its observations, and a ledger that must hold to the unit. Parametrised by hook family.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "engine/base/clock.h"
#include "engine/base/log.h"
#include "engine/base/metrics.h"
#include "engine/transport/memory.h"
#include "sources/ebpf/ebpf_config.h"

namespace weft::test {

struct Observed {
  uint64_t wire_id = 0;
  uint32_t flags = 0;
  uint64_t request_bytes = 0, response_bytes = 0;
};

class AgentUnderLoad : public testing::TestWithParam<ebpf::Hooks> {
 protected:
  void SetUp() override;
  // Traces while `run` runs, stops in order, collects, and checks the ledger.
  void Trace(ebpf::EbpfConfig config, const std::function<void()>& run);
  uint64_t Metric(const char* name) { return metrics_.Get(name).Get(); }
  // Closed observations of a process, by kind.
  const std::vector<Observed>& Rows(uint32_t pid, uint8_t kind) { return rows_[{pid, kind}]; }
  // Whole exchanges of the known sizes.
  size_t Whole(uint32_t pid, uint8_t kind);
  // Every exchange once at each end, whole, under the same wire id.
  void ExpectBothEnds(uint32_t server, uint32_t client, size_t exchanges);
  void ExpectNothingLost();

  SystemClock clock_;
  Metrics metrics_;
  std::unique_ptr<Logger> logger_ = StderrLogger(LogLevel::kWarn);
  transport::MemoryTransport transport_{
      {.partitions = 4, .max_bytes = size_t{1} << 30}, clock_, metrics_};

 private:
  void Collect();
  void ExpectLedger();
  std::map<std::pair<uint32_t, uint8_t>, std::vector<Observed>> rows_;
  uint64_t closed_ = 0;
};

}  // namespace weft::test
