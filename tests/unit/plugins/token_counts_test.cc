#include "plugins/correlator-token/token_counts.h"

#include <random>

#include <gtest/gtest.h>

#include "plugins/correlator-token/process_tokens.h"

namespace weft::plugins::token {
namespace {

TEST(TokenCounts, CountsExactlyWhileThereIsRoom) {
  TokenCounts counts;
  EXPECT_EQ(counts.Get(TokenCounts::Key(1, 2)), 0);
  for (uint64_t i = 0; i < 1000; ++i)
    for (uint64_t n = 0; n <= i % 3; ++n) counts.Add(TokenCounts::Key(1, i));
  for (uint64_t i = 0; i < 1000; ++i)
    EXPECT_EQ(counts.Get(TokenCounts::Key(1, i)), static_cast<float>(i % 3 + 1));
}

TEST(TokenCounts, StayBoundedAndRememberWhatIsFrequent) {
  TokenCounts counts;
  for (uint64_t i = 0; i < 200'000; ++i) {
    counts.Add(TokenCounts::Key(1, i));
    counts.Add(TokenCounts::Key(2, i % 10));
    counts.Add(TokenCounts::Key(3, 0));
    ASSERT_LE(counts.size(), TokenCounts::kMaxEntries);
  }
  const float share = counts.Get(TokenCounts::Key(2, 7)) / counts.Get(TokenCounts::Key(3, 0));
  EXPECT_NEAR(share, 0.1, 0.01);
}

TEST(TokenReliability, IsHighWhereTheCauseAlwaysShares) {
  TokenReliability r;
  for (int i = 0; i < 300; ++i) {
    // Of 20 open requests one has the value, of which one request in 100 has it.
    const float shares = r.Shares(0.01f), none = 19 * r.SharesNone();
    r.Learn(shares / (shares + none), r.Explained(0.01f));
    r.Learn(none / (shares + none), 0);
  }
  EXPECT_GT(r.Rate(), 0.9f);
}

// Nobody shares anything; among 20 open requests there is a coincidence for every fifth call.
TEST(TokenReliability, IsLowWhereAllSharingIsChance) {
  TokenReliability r;
  for (int i = 0; i < 2000; ++i) {
    const float shares = i % 5 == 0 ? r.Shares(0.01f) : 0;
    const float none = (i % 5 == 0 ? 19 : 20) * r.SharesNone();
    if (shares > 0) r.Learn(shares / (shares + none), r.Explained(0.01f));
    r.Learn(none / (shares + none), 0);
  }
  EXPECT_LT(r.Rate(), 0.05f);
}

TEST(ProcessTokens, TellARareValueFromACommonOne) {
  ProcessTokens p;
  EXPECT_NEAR(p.Frequency(1, kRequest, 10, false), 0.1, 0.01);
  for (uint32_t i = 0; i < 1000; ++i) {
    p.CountRequest(1, kRequest);
    p.CountToken(1, kRequest, 10);
    p.CountToken(1, kRequest, 100 + 2 * (i % 100));
  }
  EXPECT_GT(p.Frequency(1, kRequest, 10, true), 0.99);
  EXPECT_NEAR(p.Frequency(1, kRequest, 110, false), 0.01, 0.002);
  EXPECT_LT(p.Frequency(1, kRequest, 9998, false), 0.001);
  EXPECT_NEAR(p.Frequency(2, kRequest, 10, false), 0.1, 0.01);   // another operation
  EXPECT_NEAR(p.Frequency(1, kResponse, 10, false), 0.1, 0.01);  // another way
}

TEST(ProcessTokens, KeepWhatTheyKnowWhenSavedAndRefuseWhatIsNoState) {
  ProcessTokens p;
  for (uint32_t i = 0; i < 100'000; ++i) {
    p.CountRequest(i % 300, kRequest);
    p.CountToken(i % 300, kRequest, 2 * (i % 7919));
    p.Reliability(i % 3000, i % 7, kRequest).Learn(1, 1);
  }
  std::string bytes;
  p.Save(bytes);
  EXPECT_LT(bytes.size(), 256u * 1024);
  ProcessTokens q;
  ASSERT_TRUE(q.Load(bytes));
  EXPECT_EQ(q.Reliability(5, 5, kRequest).Rate(), p.Reliability(5, 5, kRequest).Rate());
  EXPECT_EQ(q.Frequency(5, kRequest, 4, false), p.Frequency(5, kRequest, 4, false));
  for (const size_t size : {size_t{0}, size_t{3}, size_t{9}, bytes.size() - 3})
    EXPECT_FALSE(q.Load(bytes.substr(0, size))) << size;
  bytes[0] = 9;
  EXPECT_FALSE(q.Load(bytes));
}

}  // namespace
}  // namespace weft::plugins::token
