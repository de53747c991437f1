// FirstGuess: the owners with which a cold start begins.
#include "plugins/correlator-delay/first_guess.h"

#include <random>

#include <gtest/gtest.h>

namespace weft::plugins::delay {
namespace {

class FirstGuessTest : public testing::Test {
 protected:
  uint32_t Begin(int64_t start_us, int64_t end_us) {
    Request r;
    r.exchange = r.span_id = history_.requests.size() + 1;
    r.start_ns = start_us * 1000;
    r.end_ns = end_us * 1000;
    history_.requests.push_back(r);
    return static_cast<uint32_t>(history_.requests.size() - 1);
  }
  void Call(uint32_t owner, int64_t start_us, int64_t end_us, uint16_t callee) {
    delay::Call c;
    c.start_ns = start_us * 1000;
    c.end_ns = end_us * 1000;
    c.callee = callee;
    history_.calls.push_back(c);
    truth_.push_back(owner);
  }
  int64_t About(int64_t us) {
    return us + std::uniform_int_distribution<int64_t>(-us / 10, us / 10)(random_);
  }
  double Guess() {
    Timeline timeline;
    timeline.Take(history_, INT64_MIN, INT64_MAX, 0);
    FirstGuess().Run(history_, timeline, GapBins(), 0);
    size_t right = 0;
    for (size_t c = 0; c < truth_.size(); ++c) right += history_.calls[c].owner == truth_[c];
    return static_cast<double>(right) / static_cast<double>(truth_.size());
  }

  ProcessHistory history_;
  std::vector<uint32_t> truth_;
  std::mt19937_64 random_{1};
};

TEST_F(FirstGuessTest, FindsWhatFollowsWhatAmongManyOpenRequests) {
  int64_t at = 0;
  for (int i = 0; i < 250; ++i) {
    at += std::uniform_int_distribution<int64_t>(0, 800)(random_);
    const int64_t first = at + About(300), answer = first + About(2'000);
    const int64_t second = answer + About(100), end = second + About(2'000) + 100;
    const uint32_t request = Begin(at, end);
    Call(request, first, answer, 0);
    Call(request, second, end - 100, 1);
  }
  EXPECT_GT(Guess(), 0.85);  // eleven are open: by chance 0.1
}

TEST_F(FirstGuessTest, KeepsWhatIsKnown) {
  const uint32_t first = Begin(0, 1'000);
  const uint32_t second = Begin(10, 1'000);
  Call(first, 20, 30, 0);
  Call(second, 40, 50, 0);
  history_.calls[0].owner = second;
  history_.calls[0].settled = true;
  Guess();
  EXPECT_EQ(history_.calls[0].owner, second);
  EXPECT_NE(history_.calls[1].owner, kNone);
}

TEST_F(FirstGuessTest, LeavesWhatComesAfterMoreThanItLooksAt) {
  constexpr int kCalls = 20'000;
  for (int i = 0; i < 40; ++i) Begin(i, 1'000'000);
  for (int i = 0; i < kCalls; ++i)
    Call(0, 100 + 10 * i, 105 + 10 * i, static_cast<uint16_t>(i % 8));
  Guess();
  EXPECT_NE(history_.calls.front().owner, kNone);
  EXPECT_EQ(history_.calls.back().owner, kNone);
}

TEST_F(FirstGuessTest, LeavesACallThatNobodyCanHaveMade) {
  Begin(0, 100);
  Call(kNone, 90, 200, 0);
  Guess();
  EXPECT_EQ(history_.calls[0].owner, kNone);
}

}  // namespace
}  // namespace weft::plugins::delay
