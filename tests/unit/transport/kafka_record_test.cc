#include "engine/transport/kafka_record.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "engine/transport/kafka_fence.h"

namespace weft::transport {
namespace {

std::string Refusal(std::string_view schema, std::string_view content_type) {
  auto read = ReadHeaders(schema, content_type);
  const auto* reason = std::get_if<std::string>(&read);
  return reason != nullptr ? *reason : "";
}

TEST(KafkaRecord, KnowsItsTypes) {
  EXPECT_EQ(std::get<RecordType>(ReadHeaders("1", "application/x-capnp; type=SpanBatch")),
            RecordType::kSpanBatch);
}

TEST(KafkaRecord, SaysWhyAMessageIsNotForUs) {
  EXPECT_THAT(Refusal("2", "application/x-capnp; type=SpanBatch"), testing::HasSubstr("newer"));
  EXPECT_THAT(Refusal("", ""), testing::HasSubstr("not a version"));
  EXPECT_THAT(Refusal("1x", ""), testing::HasSubstr("'1x' is not a version"));
  EXPECT_THAT(Refusal("1", "application/x-capnp; type=Novelty"), testing::HasSubstr("Novelty"));
  EXPECT_THAT(Refusal("1", "text/plain"), testing::HasSubstr("text/plain"));
}

TEST(KafkaRecord, ShowsSomebodyElsesBytesAsText) {
  EXPECT_THAT(Refusal("1", "a\nb\x1b[31m"), testing::HasSubstr("'a?b?[31m'"));
}

TEST(OffsetMetadata, SaysWhoWroteItAndWhatLinksTheNextOwnerNeeds) {
  const std::string text = OffsetMetadata(7, "shop of links 3", 1'700'000'000'000'000'000);
  EXPECT_EQ(StoredGeneration(text), 7u);
  EXPECT_EQ(StoredOwner(text), "shop of links 3");
  EXPECT_EQ(StoredLinksFrom(text), 1'700'000'000'000'000'000);
}

TEST(OffsetMetadata, SaysWhatIsOnDeadAlready) {
  const DeadEnds dead = {{Stream::kEvents, {12, 1'700'000'000'000'000'000}},
                         {Stream::kLabels, {UINT64_MAX, 1}}};
  for (const int64_t links : {INT64_MAX, int64_t{5}}) {
    const std::string text = OffsetMetadata(7, "shop dead 1:1:1", links, dead);
    EXPECT_EQ(StoredDead(text), dead);
    EXPECT_EQ(StoredOwner(text), "shop dead 1:1:1");
    EXPECT_EQ(StoredLinksFrom(text), links);
  }
}

TEST(OffsetMetadata, OfAnEarlierVersionOrOfOthersSaysNothingOfDeadRecords) {
  for (const char* text : {"", "weft generation 7 of a", "weft generation 7 of a dead 1:1:1",
                           " dead 1:1:1", "weft generation 7 dead 1:x:1 of a",
                           "weft generation 7 dead 99:1:1", "weft generation 7 dead 1:2"})
    EXPECT_TRUE(StoredDead(text).empty()) << text;
}

TEST(OffsetMetadata, OfAnEarlierVersionOrOfOthersSaysNothingOfLinks) {
  for (const char* text : {"", "weft generation 7", "weft generation 7 of a links 3", "links 3"})
    EXPECT_EQ(StoredLinksFrom(text), INT64_MAX) << text;
}

}  // namespace
}  // namespace weft::transport
