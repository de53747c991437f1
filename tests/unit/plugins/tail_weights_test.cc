// The weights of tail: what is kept stands for everything.
#include <cstdlib>
#include <map>

#include "tests/unit/plugins/sampler_fixture.h"

namespace weft {
namespace {

class TailWeights : public SamplerFixture {
 protected:
  // 1,000 traces a step: every tenth fails, every fifth is slow, duration by number.
  void Traffic(int traces) {
    for (int i = 0; i < traces; ++i)
      Root((i % 5 == 0 ? 600 + i % 7 : 10 + i % 11) * 1'000'000LL,
           i % 10 == 3 ? WEFT_STATUS_ERROR : WEFT_STATUS_UNSET);
  }
  // Sums of weights, by kind of trace as Traffic made them.
  static std::map<int, double> Weighted(const Answers& a) {
    std::map<int, double> sums;
    for (size_t i = 0; i < a.keep.size(); ++i) {
      const int kind = i % 10 == 3 ? 2 : i % 5 == 0 ? 1 : 0;
      if (a.keep[i]) sums[kind] += a.weight[i];
    }
    return sums;
  }
};

// The exercise of the product: all errors, all over 500 ms, 1 % of the rest.
TEST_F(TailWeights, KeepsAllErrorsAllSlowOnesAndOnePercentOfTheRest) {
  Load("tail", R"({"policies":[
    {"name":"errors","type":"status_code","status_code":{"status_codes":["ERROR"]}},
    {"name":"slow","type":"latency","latency":{"threshold_ms":500}},
    {"name":"rest","type":"probabilistic","probabilistic":{"sampling_percentage":1}}]})");
  constexpr int kTraces = 100'000;
  Traffic(kTraces);
  const Answers a = Ask();
  std::map<std::string, uint32_t> kept;
  for (size_t i = 0; i < a.keep.size(); ++i) kept[a.rule[i]] += a.keep[i];
  EXPECT_EQ(kept["tail/errors"], kTraces / 10);
  EXPECT_EQ(kept["tail/slow"], kTraces / 5);
  const double rest = kTraces * 0.7;
  EXPECT_NEAR(kept["tail/rest"], rest * 0.01, Tolerance(rest, 0.01));
  const auto sums = Weighted(a);
  EXPECT_EQ(sums.at(2), kTraces / 10);
  EXPECT_EQ(sums.at(1), kTraces / 5);
  EXPECT_NEAR(sums.at(0), rest, 100 * Tolerance(rest, 0.01));
}

// Two policies with one salt are nested, two with different ones are independent, an `and` is both.
TEST_F(TailWeights, AreOneOverTheChanceOfTheWholeVote) {
  const auto percent = [](const char* name, const char* salt, int p) {
    return std::string(R"({"name":")") + name + R"(","type":"probabilistic","probabilistic":)" +
           R"({"hash_salt":")" + salt + R"(","sampling_percentage":)" + std::to_string(p) + "}}";
  };
  const std::vector<std::pair<std::string, double>> cases = {
      {percent("a", "s", 10) + "," + percent("b", "s", 25), 0.25},
      {percent("a", "s", 10) + "," + percent("b", "t", 25), 1 - 0.9 * 0.75},
      {R"({"name":"n","type":"and","and":{"and_sub_policy":[)" + percent("a", "s", 20) + "," +
           percent("b", "t", 50) + "]}}",
       0.1},
      {R"({"name":"d","type":"drop","drop":{"drop_sub_policy":[)" + percent("a", "s", 30) +
           R"(]}},{"name":"all","type":"always_sample"})",
       0.7},
      {R"({"name":"x","type":"not","not":{"not_sub_policy":)" + percent("a", "s", 30) + "}}", 0.7},
  };
  for (const auto& [policies, chance] : cases) {
    Load("tail", R"({"policies":[)" + policies + "]}");
    for (int i = 0; i < 20'000; ++i) Root(1);
    const Answers a = Ask();
    EXPECT_NEAR(a.kept(), 20'000 * chance, Tolerance(20'000, chance)) << policies;
    for (size_t i = 0; i < a.keep.size(); ++i) {
      if (a.keep[i]) {
        ASSERT_NEAR(a.weight[i], 1 / chance, 1e-9) << policies;
      }
    }
  }
}

// RED of all traffic from what a budget let through: counts to the unit, the rest within the error.
TEST_F(TailWeights, WhatALimiterRefusedIsOwedToTheNextThatPasses) {
  Load("tail", R"({"policies":[
    {"name":"errors","type":"status_code","status_code":{"status_codes":["ERROR"]}},
    {"name":"some","type":"rate_limiting","rate_limiting":{"spans_per_second":100}}]})");
  double kept = 0, weights = 0, errors = 0;
  for (int second = 1; second <= 60; ++second) {
    Traffic(1'000);
    const Answers a = Ask(second * 1'000'000'000LL);
    for (size_t i = 0; i < a.keep.size(); ++i) {
      if (!a.keep[i]) continue;
      ++kept;
      weights += a.weight[i];
      if (a.rule[i] == "tail/errors") errors += a.weight[i];
    }
  }
  EXPECT_EQ(errors, 60 * 100);  // a certain policy decides: no trace of it stands for another
  EXPECT_LT(kept, 60 * 210);
  EXPECT_NEAR(weights, 60'000, 1'000);  // what the last second still owes
}

}  // namespace
}  // namespace weft
