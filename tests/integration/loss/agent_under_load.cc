#include "tests/integration/loss/agent_under_load.h"

#include <algorithm>
#include <set>

#include <fmt/format.h>

#include "engine/api/codec.h"
#include "sources/ebpf/ebpf_source.h"
#include "sources/ebpf/hook_family.h"
#include "sources/ebpf/kernel_types.h"
#include "sources/ebpf/probe_report.h"
#include "tests/integration/loss/loads.h"
#include "tests/support/requirement.h"

namespace weft::test {
namespace {

// A column that is zero for all rows may be missing.
uint64_t At(const uint64_t* column, uint32_t i) { return column != nullptr ? column[i] : 0; }

}  // namespace

void AgentUnderLoad::SetUp() {
  std::string reasons;
  for (const ebpf::Check& check : ebpf::ProbeHost())
    if (check.state == ebpf::CheckState::kFail) reasons += check.name + ": " + check.detail + " ";
  if (reasons.empty())
    if (const auto hooks = ebpf::ChooseHooks(GetParam(), ebpf::KernelTypes::Load()); !hooks)
      reasons = hooks.error().message;
  if (!reasons.empty()) WEFT_SKIP_OR_FAIL("bpf", reasons);
}

void AgentUnderLoad::Trace(ebpf::EbpfConfig config, const std::function<void()>& run) {
  config.hooks = GetParam();
  auto source = ebpf::EbpfSource::Start(config, transport_, clock_, metrics_, *logger_);
  ASSERT_TRUE(source.has_value()) << source.error().message;
  run();
  const auto stopped = (*source)->Stop();
  EXPECT_TRUE(stopped.has_value()) << stopped.error().message;
  Collect();
  ExpectLedger();
  std::string counts;
  for (const auto& [name, value] : metrics_.Snapshot())
    if (value != 0 && (name.starts_with("kernel.") || name.starts_with("agent.")))
      counts += fmt::format(" {}={}", name, value);
  fmt::print("{}\n", counts);
}

void AgentUnderLoad::Collect() {
  for (uint32_t p = 0; p < transport_.partitions(); p++) {
    uint64_t expected = 1;
    for (const auto& record : transport_.Held(transport::Stream::kEvents, p)) {
      const auto batch = api::DecodeEvents(record.payload);
      ASSERT_TRUE(batch.has_value()) << batch.error().message;
      EXPECT_EQ(batch->header.sequence, expected++);
      const weft_spans& s = batch->spans.spans();
      for (uint32_t i = 0; i < s.n; i++) {
        if ((s.flags[i] & WEFT_FLAG_OPEN) != 0) continue;
        closed_++;
        rows_[{s.processes->pid[s.process[i]], s.kind[i]}].push_back(
            {At(s.wire_id, i), s.flags[i], At(s.request_bytes, i), At(s.response_bytes, i)});
      }
    }
  }
}

void AgentUnderLoad::ExpectLedger() {
  EXPECT_EQ(Metric("kernel.seen"), Metric("kernel.filtered") + Metric("kernel.submitted") +
                                       Metric("kernel.ring_full") + Metric("kernel.map_full") +
                                       Metric("kernel.unreadable"));
  EXPECT_EQ(Metric("agent.received"), Metric("kernel.submitted") + Metric("kernel.unreadable"));
  EXPECT_EQ(Metric("agent.received"), Metric("agent.records") + Metric("agent.filtered"));
  EXPECT_EQ(Metric("agent.records"), Metric("agent.decoded") + Metric("agent.parse_failed"));
  EXPECT_EQ(Metric("agent.parse_failed"), 0u);
  EXPECT_EQ(Metric("agent.observed"), closed_ + Metric("agent.dropped"));
  EXPECT_EQ(Metric("agent.dropped"), 0u);
  EXPECT_EQ(Metric("kernel.control_ring_full"), 0u);
}

void AgentUnderLoad::ExpectNothingLost() {
  EXPECT_EQ(Metric("kernel.ring_full") + Metric("kernel.map_full") + Metric("kernel.missed"), 0u);
  EXPECT_EQ(Metric("agent.gap_bytes"), 0u);
}

size_t AgentUnderLoad::Whole(uint32_t pid, uint8_t kind) {
  return static_cast<size_t>(std::ranges::count_if(Rows(pid, kind), [](const Observed& row) {
    return (row.flags & (WEFT_FLAG_INCOMPLETE | WEFT_FLAG_PROVISIONAL)) == 0 &&
           row.request_bytes == kRequestBytes && row.response_bytes == kAnswerBytes;
  }));
}

void AgentUnderLoad::ExpectBothEnds(uint32_t server, uint32_t client, size_t exchanges) {
  std::set<uint64_t> ids[2];
  for (const Observed& row : Rows(server, WEFT_KIND_SERVER)) ids[0].insert(row.wire_id);
  for (const Observed& row : Rows(client, WEFT_KIND_CLIENT)) ids[1].insert(row.wire_id);
  EXPECT_EQ(Whole(server, WEFT_KIND_SERVER), exchanges);
  EXPECT_EQ(Whole(client, WEFT_KIND_CLIENT), exchanges);
  EXPECT_EQ(Rows(server, WEFT_KIND_SERVER).size(), exchanges);
  EXPECT_EQ(Rows(client, WEFT_KIND_CLIENT).size(), exchanges);
  EXPECT_EQ(ids[0].size(), exchanges);
  EXPECT_EQ(ids[0], ids[1]);
}

}  // namespace weft::test
