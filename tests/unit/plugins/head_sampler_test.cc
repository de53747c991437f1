#include "engine/base/hash.h"
#include "tests/unit/plugins/plugin_fixture.h"

namespace weft {
namespace {

class HeadSampler : public PluginFixture {
 protected:
  // Which of these traces (low 64 bits of the id) are kept at that ratio.
  std::vector<uint8_t> Keep(const std::vector<uint64_t>& trace_lo, std::string_view ratio) {
    const std::string config = "{\"ratio\": " + std::string(ratio) + "}";
    const auto& head = Make(plugin::Kind::kSampler, "head", config);
    const auto n = static_cast<uint32_t>(trace_lo.size());
    weft_spans spans{};
    weft_traces traces{};
    traces.struct_size = sizeof traces;
    traces.n = n;
    traces.trace_lo = trace_lo.data();
    std::vector<uint8_t> keep(n, 1);
    weight_.assign(n, 1);
    std::vector<weft_str> rule(n);
    weft_decisions out{sizeof out, n, keep.data(), weight_.data(), rule.data()};
    weft_error error{};
    EXPECT_EQ(head.sampler().decide(head.handle(), &spans, &traces, &out, &error), WEFT_OK);
    return keep;
  }
  std::vector<double> weight_;
};

TEST_F(HeadSampler, KeepsEverythingByDefault) {
  EXPECT_EQ(Keep({0, 1, UINT64_MAX}, "1"), (std::vector<uint8_t>{1, 1, 1}));
  EXPECT_EQ(weight_[0], 1.0);
}

TEST_F(HeadSampler, KeepsNothingAtZero) {
  EXPECT_EQ(Keep({0, 1, UINT64_MAX}, "0"), (std::vector<uint8_t>{0, 0, 0}));
}

TEST_F(HeadSampler, ComparesTheLow56BitsWithTheThreshold) {
  // ot=th:8 is a ratio of one half: randomness from 0x80000000000000 on is kept.
  EXPECT_EQ(Keep({0x80000000000000, 0x7fffffffffffff, 0xff00000000000000}, "0.5"),
            (std::vector<uint8_t>{1, 0, 0}));
  EXPECT_EQ(weight_[0], 2.0);
}

TEST_F(HeadSampler, KeepsAtAHigherRatioWhatItKeepsAtALowerOne) {
  std::vector<uint64_t> ids;
  for (uint64_t i = 0; i < 20'000; ++i) ids.push_back(Mix64(i));
  const auto low = Keep(ids, "0.1"), high = Keep(ids, "0.3");
  uint32_t kept = 0;
  for (size_t i = 0; i < ids.size(); ++i) {
    kept += low[i];
    EXPECT_LE(low[i], high[i]);
  }
  EXPECT_NEAR(kept, 2'000, 150);
}

}  // namespace
}  // namespace weft
