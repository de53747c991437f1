#include "engine/trace/sampler_chain.h"

#include <gtest/gtest.h>

#include "engine/api/plugin_shares.h"
#include "engine/trace/export_batch.h"

namespace weft::trace {
namespace {

struct Fixed {
  uint8_t keep;
  double weight;
  const char* rule;
  int32_t result = WEFT_OK;
  bool saw_truth = false;
};

int32_t Decide(void* instance, const weft_spans* spans, const weft_traces* traces,
               weft_decisions* out, weft_error* error) {
  auto* fixed = static_cast<Fixed*>(instance);
  fixed->saw_truth = spans->truth != nullptr || spans->n_truth_strings != 0;
  for (uint32_t i = 0; i < traces->n; ++i) {
    out->keep[i] = fixed->keep;
    out->weight[i] = fixed->weight;
    out->rule[i] = api::Str(fixed->rule);
  }
  error->message[0] = 'x';
  return fixed->result;
}
const weft_sampler kTable{sizeof(weft_sampler), Decide, nullptr, nullptr};

class SamplerChainTest : public testing::Test {
 protected:
  SamplerChainTest() {
    spans_.AddRow();
    spans_.Truth("secret");
    traces_.AddTrace(1, 2, 0);
    view_ = spans_.View();
  }
  const Decisions& Ask(std::vector<Fixed*> samplers) {
    std::vector<Sampler> chain;
    for (Fixed* f : samplers) chain.push_back({"fixed", &kTable, f});
    chain_ = std::make_unique<SamplerChain>(chain, metrics_, *log_);
    return chain_->Decide(view_.spans(), traces_.View());
  }
  api::SpanTable spans_;
  api::SpanView view_;
  TraceRows traces_;
  Metrics metrics_;
  std::unique_ptr<Logger> log_ = NullLogger();
  std::unique_ptr<SamplerChain> chain_;
};

TEST_F(SamplerChainTest, KeepsWhatAllKeepAndMultipliesWeights) {
  Fixed a{1, 2.0, "a"}, b{1, 5.0, ""};
  const Decisions& d = Ask({&a, &b});
  EXPECT_EQ(d.keep[0], 1);
  EXPECT_EQ(d.weight[0], 10.0);
  EXPECT_EQ(d.rule[0], "a");
}

TEST_F(SamplerChainTest, TheRuleIsThePathUpToTheFirstThatDrops) {
  Fixed a{1, 1.0, "a"}, b{0, 1.0, "b"}, c{0, 1.0, "c"};
  const Decisions& d = Ask({&a, &b, &c});
  EXPECT_EQ(d.keep[0], 0);
  EXPECT_EQ(d.rule[0], "a > b");
  EXPECT_EQ(metrics_.Get("trace.rule_dropped{rule=a > b}").Get(), 1u);
  EXPECT_EQ(metrics_.Get("trace.rule_kept{rule=a > b}").Get(), 0u);
}

TEST_F(SamplerChainTest, SavesUnderANameThatSaysThePlaceInTheChain) {
  static const weft_sampler table{
      sizeof(weft_sampler), Decide,
      [](void* instance, weft_buffer* to, weft_error*) {
        return to->append(to->ctx, api::Str(static_cast<Fixed*>(instance)->rule));
      },
      [](void* instance, weft_str state, weft_error*) -> int32_t {
        static_cast<Fixed*>(instance)->weight = static_cast<double>(state.size);
        return WEFT_OK;
      }};
  Fixed a{1, 1.0, "a"}, b{1, 1.0, "state"};
  SamplerChain chain({{"fixed", &kTable, &a}, {"fixed", &table, &b}}, metrics_, *log_);
  const auto saved = chain.Save();
  ASSERT_EQ(saved.size(), 1u);
  EXPECT_EQ(saved[0].name, "sampler/1/fixed");
  EXPECT_TRUE(chain.Load(saved[0]));
  EXPECT_EQ(b.weight, 5.0);
  EXPECT_FALSE(chain.Load({"sampler/0/fixed", "x"}));
}

// The same trace ids: a twentieth of them is a part of a tenth.
TEST_F(SamplerChainTest, OfWeightsByTraceIdTheLargestCounts) {
  static const weft_sampler by_id{
      sizeof(weft_sampler),
      [](void* weight, const weft_spans*, const weft_traces*, weft_decisions* out, weft_error*) {
        out->weight[0] = *static_cast<double*>(weight);
        weft_by_trace_id(out, 0);
        return int32_t{WEFT_OK};
      },
      nullptr, nullptr};
  double ten = 10, twenty = 20, two = 2;
  Fixed three{1, 3.0, ""};
  SamplerChain chain({{"ten", &by_id, &ten},
                      {"three", &kTable, &three},
                      {"twenty", &by_id, &twenty},
                      {"two", &by_id, &two}},
                     metrics_, *log_);
  EXPECT_EQ(chain.Decide(view_.spans(), traces_.View()).weight[0], 60.0);
}

// A budget is for what is still kept.
TEST_F(SamplerChainTest, DoesNotAskAboutWhatAnEarlierSamplerDropped) {
  static const weft_sampler drop_even{
      sizeof(weft_sampler),
      [](void*, const weft_spans*, const weft_traces* t, weft_decisions* out, weft_error*) {
        for (uint32_t i = 0; i < t->n; ++i) out->keep[i] = t->trace_lo[i] % 2;
        return int32_t{WEFT_OK};
      },
      nullptr, nullptr};
  static const weft_sampler see{
      sizeof(weft_sampler),
      [](void* instance, const weft_spans*, const weft_traces* t, weft_decisions* out,
         weft_error*) {
        for (uint32_t i = 0; i < t->n; ++i) {
          static_cast<std::vector<uint64_t>*>(instance)->push_back(t->trace_lo[i]);
          out->weight[i] = static_cast<double>(t->trace_lo[i]);
          EXPECT_EQ(t->first_row[i], t->trace_lo[i] * 10);
        }
        EXPECT_EQ(t->decided_ns, 77);
        return int32_t{WEFT_OK};
      },
      nullptr, nullptr};
  TraceRows rows;
  for (uint32_t i = 1; i <= 4; ++i) rows.AddTrace(9, i, i * 10);
  weft_traces traces = rows.View();
  traces.decided_ns = 77;
  std::vector<uint64_t> seen;
  SamplerChain chain({{"even", &drop_even, nullptr}, {"see", &see, &seen}}, metrics_, *log_);
  const Decisions& d = chain.Decide(view_.spans(), traces);
  EXPECT_EQ(seen, (std::vector<uint64_t>{1, 3}));
  EXPECT_EQ(d.keep, (std::vector<uint8_t>{1, 0, 1, 0}));
  EXPECT_EQ(d.weight[2], 3.0);
}

TEST_F(SamplerChainTest, HidesTheGroundTruth) {
  ASSERT_NE(view_.spans().truth, nullptr);
  Fixed a{1, 1.0, ""};
  Ask({&a});
  EXPECT_FALSE(a.saw_truth);
}

TEST_F(SamplerChainTest, KeepsEverythingWhereASamplerFailsAndCountsIt) {
  Fixed a{0, 1.0, "a", WEFT_FAILED};
  const Decisions& d = Ask({&a});
  EXPECT_EQ(d.keep[0], 1);
  EXPECT_EQ(metrics_.Get("trace.sampler_failures").Get(), 1u);
}

TEST_F(SamplerChainTest, IgnoresWeightsThatAreNoAdjustedCount) {
  Fixed a{1, 0.1, ""}, b{1, 1.0 / 0.0, ""};
  EXPECT_EQ(Ask({&a, &b}).weight[0], 1.0);
}

}  // namespace
}  // namespace weft::trace
