#include "tests/integration/ebpf/live_fixture.h"

#include "engine/api/codec.h"
#include "engine/api/ids.h"
#include "sources/ebpf/probe_report.h"
#include "tests/support/requirement.h"

namespace weft::ebpf {

void EbpfLiveTest::SetUp() {
  std::string reasons;
  for (const Check& check : ProbeHost())
    if (check.state == CheckState::kFail)
      reasons += check.name + ": " + check.detail + " (" + check.remedy + ") ";
  if (reasons.empty())
    if (const auto hooks = ChooseHooks(GetParam(), KernelTypes::Load()); !hooks)
      reasons = hooks.error().message;
  if (!reasons.empty()) WEFT_SKIP_OR_FAIL("bpf", reasons);
}

void EbpfLiveTest::Trace(EbpfConfig config, const std::function<void()>& run) {
  config.hooks = GetParam();
  auto source = EbpfSource::Start(config, transport_, clock_, metrics_, *logger_);
  ASSERT_TRUE(source.has_value()) << source.error().message;
  run();
  const auto stopped = (*source)->Stop();
  EXPECT_TRUE(stopped.has_value()) << stopped.error().message;
  Collect();
  ExpectLedger();
}

void EbpfLiveTest::Collect() {
  for (uint32_t p = 0; p < transport_.partitions(); p++) {
    uint64_t expected = 1;
    bool last = false;
    for (const auto& record : transport_.Held(transport::Stream::kEvents, p)) {
      const auto batch = api::DecodeEvents(record.payload);
      ASSERT_TRUE(batch.has_value()) << batch.error().message;
      EXPECT_EQ(batch->header.sequence, expected++);
      last = batch->header.last;
      const weft_spans& s = batch->spans.spans();
      for (uint32_t i = 0; i < s.n; i++) {
        if ((s.flags[i] & WEFT_FLAG_OPEN) != 0) continue;
        rows_++;
        EXPECT_LE(s.start_ns[i], s.end_ns[i]);
        Seen row{s.wire_id[i], s.flags[i], std::string(batch->spans.Text(s.operation[i])), {}};
        if (s.token_offset != nullptr)
          row.tokens = {s.token + s.token_offset[i], s.token + s.token_offset[i + 1]};
        seen_[{s.processes->pid[s.process[i]], s.kind[i]}].push_back(std::move(row));
      }
    }
    EXPECT_TRUE(expected == 1 || last) << "partition " << p;
  }
}

void EbpfLiveTest::ExpectLedger() {
  EXPECT_EQ(Metric("kernel.seen"), Metric("kernel.filtered") + Metric("kernel.submitted") +
                                       Metric("kernel.ring_full") + Metric("kernel.map_full") +
                                       Metric("kernel.unreadable"));
  EXPECT_EQ(Metric("agent.received"), Metric("kernel.submitted") + Metric("kernel.unreadable"));
  EXPECT_EQ(Metric("agent.received"), Metric("agent.records") + Metric("agent.filtered"));
  EXPECT_EQ(Metric("agent.records"), Metric("agent.decoded") + Metric("agent.parse_failed"));
  EXPECT_EQ(Metric("agent.observed"), rows_);
  EXPECT_EQ(Metric("kernel.ring_full") + Metric("kernel.map_full") + Metric("kernel.missed"), 0u);
  EXPECT_EQ(Metric("agent.parse_failed"), 0u);
}

void EbpfLiveTest::ExpectBothEnds(uint32_t server, uint32_t client, size_t exchanges,
                                  size_t new_connections) {
  std::set<uint64_t> ids[2];
  std::map<uint64_t, std::multiset<uint32_t>> tokens[2];
  for (const auto& [end, pid, kind] :
       {std::tuple{0, server, WEFT_KIND_SERVER}, std::tuple{1, client, WEFT_KIND_CLIENT}}) {
    const auto& rows = seen_[{pid, static_cast<uint8_t>(kind)}];
    EXPECT_EQ(rows.size(), exchanges);
    size_t fresh = 0;
    for (const Seen& row : rows) {
      ids[end].insert(row.wire_id);
      tokens[end][row.wire_id] = row.tokens;
      EXPECT_EQ(row.flags & (WEFT_FLAG_INCOMPLETE | WEFT_FLAG_PROVISIONAL), 0u);
      fresh += (row.flags & WEFT_FLAG_NEW_CONNECTION) != 0;
    }
    EXPECT_EQ(fresh, new_connections);
  }
  EXPECT_EQ(ids[0].size(), exchanges);
  EXPECT_EQ(ids[0], ids[1]);
  EXPECT_EQ(tokens[0], tokens[1]);
}

}  // namespace weft::ebpf
