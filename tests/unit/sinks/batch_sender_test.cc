#include "sinks/http/batch_sender.h"

#include <gtest/gtest.h>

#include "tests/support/trace_batch.h"

namespace weft::sinks {
namespace {

// One byte a row; answers from a list, then OK.
struct Backend {
  std::vector<Delivery> answers;
  size_t sent = 0;
  std::vector<std::string> taken;
};

class FakeTarget final : public BatchTarget {
 public:
  explicit FakeTarget(Backend& backend) : backend_(backend) {}
  void Begin(const weft_spans&) override {}
  void Encode(std::span<const uint32_t> rows, std::string* request) override {
    request->clear();
    for (const uint32_t row : rows) request->push_back(static_cast<char>('a' + row));
  }
  Delivery Send(std::string_view request) override {
    const size_t at = backend_.sent++;
    const Delivery answer = at < backend_.answers.size() ? backend_.answers[at] : Delivery{};
    if (answer.outcome == WEFT_EXPORT_OK) backend_.taken.emplace_back(request);
    return answer;
  }

 private:
  Backend& backend_;
};

class BatchSenderTest : public testing::Test {
 protected:
  BatchSenderTest() {
    batch_.BeginTrace(1, 2);
    for (uint64_t id = 1; id <= 8; ++id)
      batch_.AddSpan(id, 0, WEFT_KIND_SERVER, "cart", "GET /", 10, 20);
  }
  Delivery Write(uint64_t number = 1) {
    const api::SpanView view = batch_.table.View();
    return sender_.Write(view.spans(), test::TraceBatch::Source(number));
  }

  test::TraceBatch batch_;
  Backend backend_;
  BatchSender sender_{std::make_unique<FakeTarget>(backend_), 4};
};

TEST_F(BatchSenderTest, DividesABatchIntoRequestsThatAreSmallEnough) {
  EXPECT_EQ(Write().outcome, WEFT_EXPORT_OK);
  EXPECT_EQ(backend_.taken, (std::vector<std::string>{"abcd", "efgh"}));
}

TEST_F(BatchSenderTest, ABatchThatComesAgainGoesOnBehindWhatWasTaken) {
  backend_.answers = {Delivery{}, Delivery::Retry("busy", 5)};
  const Delivery first = Write();
  EXPECT_EQ(first.outcome, WEFT_EXPORT_RETRY);
  EXPECT_EQ(first.retry_after_ns, 5);
  EXPECT_EQ(sender_.taken(), 4u);
  EXPECT_EQ(Write().outcome, WEFT_EXPORT_OK);
  EXPECT_EQ(backend_.taken, (std::vector<std::string>{"abcd", "efgh"}));
}

TEST_F(BatchSenderTest, AnotherBatchBeginsAtItsBegin) {
  backend_.answers = {Delivery{}, Delivery::Retry("busy")};
  Write(1);
  EXPECT_EQ(Write(2).outcome, WEFT_EXPORT_OK);
  EXPECT_EQ(backend_.taken, (std::vector<std::string>{"abcd", "abcd", "efgh"}));
}

TEST_F(BatchSenderTest, ARequestThatIsRefusedHoldsNothingUpAndIsCounted) {
  backend_.answers = {Delivery::Drop("HTTP 400")};
  const Delivery out = Write();
  EXPECT_EQ(out.outcome, WEFT_EXPORT_OK);
  EXPECT_EQ(out.refused, 4u);
  EXPECT_EQ(out.why, "HTTP 400");
  EXPECT_EQ(backend_.taken, (std::vector<std::string>{"efgh"}));
}

TEST_F(BatchSenderTest, WhatIsRefusedBeforeARetryIsCountedOnce) {
  backend_.answers = {Delivery::Drop("HTTP 400"), Delivery::Retry("busy")};
  EXPECT_EQ(Write().outcome, WEFT_EXPORT_RETRY);
  EXPECT_EQ(Write().refused, 4u);
}

TEST_F(BatchSenderTest, ABatchOfWhichNothingIsTakenIsDropped) {
  backend_.answers = {Delivery::Drop("HTTP 401"), Delivery::Drop("HTTP 401")};
  EXPECT_EQ(Write().outcome, WEFT_EXPORT_DROP);
}

TEST_F(BatchSenderTest, PartialSuccessCountsWhatWasLeftOut) {
  backend_.answers = {Delivery{WEFT_EXPORT_OK, "two are too old", 0, 2}};
  const Delivery out = Write();
  EXPECT_EQ(out.outcome, WEFT_EXPORT_OK);
  EXPECT_EQ(out.refused, 2u);
}

TEST_F(BatchSenderTest, SpansThatHaveNotEndedComeLater) {
  batch_.AddSpan(9, 1, WEFT_KIND_CLIENT, "cart", "GET /", 10, 0);
  Write();
  EXPECT_EQ(backend_.taken, (std::vector<std::string>{"abcd", "efgh"}));
}

}  // namespace
}  // namespace weft::sinks
