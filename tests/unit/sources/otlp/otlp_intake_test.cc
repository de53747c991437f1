#include "sources/otlp/otlp_intake.h"

#include <map>

#include <gtest/gtest.h>

#include "engine/api/ledger_record.h"
#include "engine/base/hash.h"
#include "tests/support/otlp_message.h"

namespace weft::otlp {
namespace {

using transport::OutRecord;
using transport::Stream;

constexpr uint32_t kPartitions = 2;

class OtlpIntakeTest : public testing::Test {
 protected:
  void Add(uint64_t trace, uint64_t spans) {
    for (uint64_t id = 1; id <= spans; ++id)
      intake_.Add(test::OtlpMessage("shop", {test::OtlpSpan({.trace_lo = trace, .span_id = id})}),
                  {});
  }
  // What weft.state has when this is committed, compacted.
  void Commit(const std::vector<OutRecord>& records) {
    for (const OutRecord& record : records) {
      if (record.stream != Stream::kState) continue;
      const auto ledger = api::DecodeStageLedger(record.payload);
      ASSERT_TRUE(ledger.has_value());
      EXPECT_EQ(ledger->stage, api::kOthersStage);
      EXPECT_EQ(ledger->partition, record.partition);
      state_[{record.partition, record.key}] = ledger->Count("reported");
    }
  }
  uint64_t Reported() const {
    uint64_t sum = 0;
    for (const auto& [key, count] : state_) sum += count;
    return sum;
  }

  Metrics metrics_;
  OtlpIntake intake_{kPartitions, "one", metrics_};
  std::map<std::pair<uint32_t, uint64_t>, uint64_t> state_;
};

TEST_F(OtlpIntakeTest, SpansGoOutWithWhatTheirPartitionHasInAll) {
  Add(1, 3);
  Commit(intake_.Take());
  intake_.Sent();
  EXPECT_EQ(Reported(), 3u);
  Add(1, 2);
  Add(2, 4);
  Commit(intake_.Take());
  intake_.Sent();
  EXPECT_EQ(Reported(), 9u);
}

TEST_F(OtlpIntakeTest, WhatWasAbortedIsNotCounted) {
  Add(1, 3);
  (void)intake_.Take();
  intake_.Forget();
  Add(1, 3);
  Commit(intake_.Take());
  intake_.Sent();
  EXPECT_EQ(Reported(), 3u);
}

TEST_F(OtlpIntakeTest, ACommitInDoubtCountsIfItTookEffectAndOnlyThen) {
  for (const bool took_effect : {false, true}) {
    const uint64_t before = Reported();
    Add(1, 3);
    Commit(intake_.Take());
    intake_.Sent();
    Add(1, 2);
    const auto doubtful = intake_.Take();
    if (took_effect) Commit(doubtful);
    intake_.Doubt();
    if (!took_effect) {
      Add(1, 2);  // read again
      Commit(intake_.Take());
      intake_.Sent();
    }
    EXPECT_EQ(Reported(), before + 5) << took_effect;
  }
}

TEST_F(OtlpIntakeTest, TwoSourcesCountBesideEachOther) {
  OtlpIntake other(kPartitions, "two", metrics_);
  Add(1, 3);
  Commit(intake_.Take());
  other.Add(test::OtlpMessage("shop", {test::OtlpSpan({.trace_lo = 1, .span_id = 9})}), {});
  Commit(other.Take());
  EXPECT_EQ(Reported(), 4u);
}

// A protobuf message begins with '\n' as well.
TEST_F(OtlpIntakeTest, WhiteSpaceMayPrecedeJson) {
  const std::string json =
      R"({"resourceSpans":[{"scopeSpans":[{"spans":[{"traceId":"000102030405060708090a0b0c0d0e0f",)"
      R"("spanId":"0001020304050607","startTimeUnixNano":"1","endTimeUnixNano":"2"}]}]}]})";
  for (const char* space : {"", " ", "\n", "\r\n\t", "\n\n  "}) intake_.Add(space + json, {});
  Add(7, 1);
  EXPECT_EQ(intake_.rows(), 6u);
  for (const OutRecord& record : intake_.Take()) EXPECT_NE(record.stream, Stream::kDead);
}

}  // namespace
}  // namespace weft::otlp
