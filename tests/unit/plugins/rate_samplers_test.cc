// rate, adaptive and parent: budgets kept, weights that add up, steps of the load followed.
#include <map>
#include <random>

#include <gmock/gmock.h>

#include "plugins/sampler-rate/token_buckets.h"
#include "tests/unit/plugins/sampler_fixture.h"

namespace weft {
namespace {

constexpr int64_t kTick = 100'000'000;

class StatefulSampler : public SamplerFixture {
 protected:
  struct Second {
    double offered = 0, kept = 0, weights = 0, latency = 0, weighted_latency = 0;
  };
  // One second of Poisson traffic in ten batches: rate traces a second of each operation.
  std::map<std::string, Second> Run(const std::map<std::string, double>& rates,
                                    uint32_t partitions = 1, int spans = 1) {
    std::map<std::string, Second> out;
    for (int step = 0; step < 10; ++step) {
      std::vector<std::pair<std::string, int64_t>> sent;
      for (const auto& [operation, rate] : rates)
        for (int n = std::poisson_distribution<int>(rate / 10)(random_); n > 0; --n)
          sent.emplace_back(operation, 1'000'000 + static_cast<int64_t>(random_() % 50'000'000));
      std::ranges::shuffle(sent, random_);
      for (const auto& [operation, duration] : sent) {
        Root(duration, WEFT_STATUS_UNSET, "shop", operation);
        for (int i = 1; i < spans; ++i) Child();
      }
      if (sent.empty()) continue;
      const Answers a = Ask(now_ += kTick, partitions);
      for (size_t i = 0; i < sent.size(); ++i) {
        Second& s = out[sent[i].first];
        const auto ms = static_cast<double>(sent[i].second) * 1e-6;
        s.offered += 1;
        s.latency += ms;
        if (!a.keep[i]) continue;
        s.kept += 1;
        s.weights += a.weight[i];
        s.weighted_latency += a.weight[i] * ms;
      }
    }
    return out;
  }
  static void Add(std::map<std::string, Second>& sum, const std::map<std::string, Second>& one) {
    for (const auto& [name, s] : one) {
      sum[name].offered += s.offered;
      sum[name].kept += s.kept;
      sum[name].weights += s.weights;
      sum[name].latency += s.latency;
      sum[name].weighted_latency += s.weighted_latency;
    }
  }
  std::string State() {
    std::string state;
    weft_buffer buffer{sizeof buffer, &state, [](void* to, weft_str bytes) {
                         static_cast<std::string*>(to)->append(api::View(bytes));
                         return int32_t{WEFT_OK};
                       }};
    weft_error error{};
    EXPECT_EQ(sampler_->sampler().save(sampler_->handle(), &buffer, &error), WEFT_OK);
    return state;
  }
  int32_t Take(const std::string& state) {
    weft_error error{};
    return sampler_->sampler().load(sampler_->handle(), api::Str(state), &error);
  }
  int64_t now_ = 1'000'000'000;
  std::mt19937_64 random_{7};
};

TEST_F(StatefulSampler, RateForgivesALargeTraceAfterTheTimeThatItPaysFor) {
  Load("rate", R"({"spans_per_second":1})");
  Root(1'000'000);
  for (int i = 1; i < 300; ++i) Child();
  EXPECT_EQ(Ask(now_).kept(), 1u);
  Root(1'000'000);
  EXPECT_EQ(Ask(now_ + 200'000'000'000).kept(), 0u);  // 100 of 300 seconds are still owed
  Root(1'000'000);
  EXPECT_EQ(Ask(now_ + 310'000'000'000).kept(), 1u);
}

TEST_F(StatefulSampler, AdaptiveIsWithinTenPercentThirtySecondsAfterATenfoldStep) {
  Load("adaptive", R"({"per_operation":20})");
  for (const double load : {200.0, 2'000.0, 200.0}) {
    for (int i = 0; i < 25; ++i) Run({{"GET /", load}});
    Second around;  // the 26th to 35th second
    for (int i = 0; i < 10; ++i) {
      const Second s = Run({{"GET /", load}})["GET /"];
      around.kept += s.kept;
    }
    EXPECT_NEAR(around.kept / 10, 20, 20 * 0.1 + 4 * std::sqrt(20.0 / 10)) << load;
  }
}

// Twenty partitions' worth of seconds make the count exact enough for the claim itself.
TEST_F(StatefulSampler, AdaptiveHitsALargeTargetWithinTenPercent) {
  Load("adaptive", R"({"total":500})");
  for (int i = 0; i < 20; ++i) Run({{"a", 900}, {"b", 300}});
  for (int i = 0; i < 25; ++i) Run({{"a", 9'000}, {"b", 3'000}});
  double kept = 0;
  for (int i = 0; i < 5; ++i)
    for (const auto& [name, s] : Run({{"a", 9'000}, {"b", 3'000}})) kept += s.kept;
  EXPECT_NEAR(kept / 5, 500, 50);
}

TEST_F(StatefulSampler, AdaptiveKeepsRareOperationsWhole) {
  Load("adaptive", R"({"total":100})");
  std::map<std::string, Second> sum;
  for (int i = 0; i < 60; ++i) {
    const auto s = Run({{"rare", 0.5}, {"often", 2'000}, {"some", 20}});
    if (i >= 10) Add(sum, s);
  }
  EXPECT_EQ(sum["rare"].kept, sum["rare"].offered);
  EXPECT_EQ(sum["some"].kept, sum["some"].offered);
  EXPECT_NEAR(sum["often"].kept / 50, 79.5, 8);
}

TEST_F(StatefulSampler, AdaptiveBoundsAStepWithinTheSecond) {
  Load("adaptive", R"({"per_operation":10})");
  for (int i = 0; i < 10; ++i) Run({{"x", 100}});
  EXPECT_LT(Run({{"x", 20'000}})["x"].kept, 120);
}

TEST_F(StatefulSampler, AFloodOfNewOperationsStaysWithinTheTotal) {
  Load("adaptive", R"({"total":50,"max_operations":200})");
  double kept = 0;
  for (int second = 0; second < 20; ++second) {
    std::map<std::string, double> rates;
    for (int i = 0; i < 500; ++i) rates["op " + std::to_string(second * 500 + i)] = 4;
    for (const auto& [name, s] : Run(rates)) kept += second < 5 ? 0 : s.kept;
  }
  EXPECT_LT(kept / 15, 3 * 50 + 10);
}

TEST_F(StatefulSampler, AdaptiveWeightsGiveTheMetricsOfAllTraffic) {
  Load("adaptive", R"({"per_operation":50})");
  std::map<std::string, Second> sum;
  for (int i = 0; i < 120; ++i) Add(sum, Run({{"a", i < 60 ? 200.0 : 1'500.0}, {"b", 80}}));
  for (const auto& [name, s] : sum) {
    const double error = 4 * s.offered / std::sqrt(s.kept);
    EXPECT_NEAR(s.weights, s.offered, error) << name;
    EXPECT_NEAR(s.weighted_latency / s.weights, s.latency / s.offered,
                4 * 14.5 / std::sqrt(s.kept) * 2)
        << name;
  }
}

TEST_F(StatefulSampler, PartitionsShareTheTarget) {
  Load("adaptive", R"({"total":100})");
  double kept = 0;
  for (int i = 0; i < 40; ++i) {
    const auto s = Run({{"x", 500}}, 4);
    if (i >= 10) kept += s.at("x").kept;
  }
  EXPECT_NEAR(kept / 30, 25, 2.5);
}

TEST_F(StatefulSampler, RateKeepsTheBudgetAndOwesWhatItRefused) {
  Load("rate", R"({"traces_per_second":50})");
  std::map<std::string, Second> sum;
  for (int i = 0; i < 60; ++i) Add(sum, Run({{"x", 1'000}}));
  const Second& s = sum["x"];
  EXPECT_NEAR(s.kept, 60 * 50 + 100, 60);
  EXPECT_NEAR(s.weights, s.offered, 200);
  EXPECT_NEAR(s.weighted_latency / s.weights, s.latency / s.offered,
              4 * 14.5 / std::sqrt(s.kept) * 2);
}

TEST_F(StatefulSampler, RateCountsSpansAndBytes) {
  Load("rate", R"({"spans_per_second":100,"burst_seconds":1})");
  double kept = 0;
  for (int i = 0; i < 30; ++i) kept += Run({{"x", 200}}, 1, 10)["x"].kept;
  EXPECT_NEAR(kept, 30 * 10, 15);
  Load("rate", R"({"bytes_per_second":5000,"burst_seconds":1})");
  kept = 0;
  for (int i = 0; i < 30; ++i) kept += Run({{"x", 500}})["x"].kept;
  EXPECT_GT(kept, 30 * 5'000 / 250);
  EXPECT_LT(kept, 30 * 5'000 / 90);
}

// Who makes every request an error gets no more than the budget of his service.
TEST_F(StatefulSampler, RatePerServiceLeavesOtherServicesAlone) {
  Load("rate", R"({"traces_per_second":10,"burst_seconds":1,"per":"service"})");
  uint32_t flooded = 0, other = 0;
  for (int second = 1; second <= 20; ++second) {
    for (int i = 0; i < 2'000; ++i)
      Root(1, i % 400 == 0 ? WEFT_STATUS_UNSET : WEFT_STATUS_ERROR,
           i % 400 == 0 ? "quiet" : "loud");
    const Answers a = Ask(second * 1'000'000'000LL);
    for (size_t i = 0; i < a.keep.size(); ++i) (i % 400 == 0 ? other : flooded) += a.keep[i];
  }
  EXPECT_EQ(other, 20u * 5);
  EXPECT_LE(flooded, 20u * 10);
}

TEST_F(StatefulSampler, StateGoesToTheNextOwner) {
  Load("adaptive", R"({"per_operation":10})");
  for (int i = 0; i < 10; ++i) Run({{"x", 1'000}});
  const std::string learned = State();
  Load("adaptive", R"({"per_operation":10})");
  ASSERT_EQ(Take(learned), WEFT_OK);
  EXPECT_NEAR(Run({{"x", 1'000}})["x"].kept, 10, 14);
  EXPECT_EQ(Take(learned.substr(0, learned.size() - 1)), WEFT_INVALID);

  Load("rate", R"({"traces_per_second":10})");
  EXPECT_NEAR(Run({{"x", 1'000}})["x"].kept, 30, 2);
  const std::string spent = State();
  Load("rate", R"({"traces_per_second":10})");
  ASSERT_EQ(Take(spent), WEFT_OK);
  EXPECT_NEAR(Run({{"x", 1'000}})["x"].kept, 10, 2);
}

TEST_F(StatefulSampler, TheStateOfOtherRulesIsNotTaken) {
  const auto limit = [](const char* name) {
    return std::string(R"({"policies":[{"name":")") + name +
           R"(","type":"rate_limiting","rate_limiting":{"spans_per_second":10}}]})";
  };
  Load("tail", limit("p"));
  const double first = Run({{"x", 1'000}})["x"].kept;
  EXPECT_GT(first, 25);  // the burst and a second's worth
  const std::string spent = State();
  Load("tail", limit("p"));
  ASSERT_EQ(Take(spent), WEFT_OK);
  EXPECT_LT(Run({{"x", 1'000}})["x"].kept, 15);
  Load("tail", limit("another"));
  ASSERT_EQ(Take(spent), WEFT_OK);
  EXPECT_EQ(Run({{"x", 1'000}})["x"].kept, first);
}

TEST_F(StatefulSampler, ParentDoesWhatTheCallerSaysAndTakesItsWeight) {
  Load("parent", R"({"root_ratio":0.25})");
  const auto root = [&](uint32_t flags, const char* state) {
    const uint32_t row = Root(1);
    batch_.table.flags[row] |= flags;
    if (state != nullptr) batch_.table.Attribute("w3c.tracestate", state);
  };
  root(WEFT_FLAG_SAMPLED, nullptr);
  root(WEFT_FLAG_SAMPLED, "x=1,ot=th:c;rv:ffffffffffffff");
  root(WEFT_FLAG_UNSAMPLED, nullptr);
  root(WEFT_FLAG_CONTEXT, "ot=rv:bfffffffffffff");
  root(WEFT_FLAG_CONTEXT, "ot=rv:c0000000000000");
  root(WEFT_FLAG_SAMPLED, "ot=th:ffffffffffffff");
  const Answers a = Ask();
  EXPECT_EQ(a.keep, (std::vector<uint8_t>{1, 1, 0, 0, 1, 1}));
  EXPECT_EQ(a.weight[5], 10'000);  // a caller does not say that its trace stands for 2^56
  EXPECT_EQ(a.weight[0], 1);
  EXPECT_EQ(a.weight[1], 4);
  EXPECT_EQ(a.weight[4], 4);
  EXPECT_EQ(a.rule[2], "parent/not-sampled");
}

TEST_F(StatefulSampler, HeadTakesExplicitRandomnessWhereThereIsSome) {
  Load("head", R"({"ratio":0.5})");
  const auto root = [this](uint32_t flags, const char* state) {
    batch_.table.flags[Root(1)] |= flags;
    batch_.table.Attribute("w3c.tracestate", state);
  };
  for (const uint32_t told : {WEFT_FLAG_CONTEXT, WEFT_FLAG_REPORTED}) {
    root(told, "ot=rv:7fffffffffffff");
    root(told, "ot=rv:80000000000000");
    EXPECT_EQ(Ask().keep, (std::vector<uint8_t>{0, 1}));
  }
}

TEST_F(StatefulSampler, AStrangerDoesNotChooseThatItsTraceIsKept) {
  Load("head", R"({"ratio":0.000001})");
  for (int i = 0; i < 100; ++i) {
    Root(1);  // no flag says that its context is trusted
    batch_.table.Attribute("w3c.tracestate", "ot=rv:ffffffffffffff");
  }
  EXPECT_EQ(Ask().kept(), 0u);
}

TEST_F(StatefulSampler, AClockSetBackAnHourStopsNobody) {
  for (const auto& [name, config] : std::vector<std::pair<std::string, std::string>>{
           {"rate", R"({"traces_per_second":10})"},
           {"adaptive", R"({"per_operation":10})"},
           {"tail", R"({"policies":[{"name":"p","type":"rate_limiting",
                        "rate_limiting":{"spans_per_second":10}}]})"}}) {
    Load(name, config);
    now_ = 7'200'000'000'000;
    for (int i = 0; i < 10; ++i) Run({{"x", 1'000}});
    now_ -= 3'600'000'000'000;
    double kept = 0;
    for (int i = 0; i < 10; ++i) kept += Run({{"x", 1'000}})["x"].kept;
    EXPECT_NEAR(kept, 100, 40) << name;
  }
}

TEST(TokenBuckets, AFullBucketMakesRoomAndASpentOneDoesNot) {
  using sampling::TokenBuckets;
  constexpr int64_t kSecond = 1'000'000'000;
  TokenBuckets buckets({1, 0, 0}, 2, 2);
  buckets.Offer(buckets.Find("a", kSecond, 1), {1, 1, 0}, kSecond, 1);
  buckets.Offer(buckets.Find("b", kSecond, 1), {1, 1, 0}, kSecond, 1);
  TokenBuckets::Key& shared = buckets.Find("c", kSecond, 1);
  EXPECT_EQ(&shared, &buckets.Find("d", kSecond, 1));
  const int64_t later = 10 * kSecond;
  EXPECT_NE(&buckets.Find("c", later, 1), &buckets.Find("d", later, 1));
}

}  // namespace
}  // namespace weft
