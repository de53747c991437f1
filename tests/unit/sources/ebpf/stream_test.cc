#include "sources/ebpf/stream.h"

#include <gtest/gtest.h>

namespace weft::ebpf {
namespace {

constexpr uint64_t kWrap = uint64_t{1} << 32;

TEST(Stream, KeepsTheSequenceNumberInTheLowBitsOfAPosition) {
  Stream stream;
  const auto placed = stream.Place(4'000'000'000u, 10);
  EXPECT_EQ(static_cast<uint32_t>(placed.position), 4'000'000'000u);
  EXPECT_EQ(placed.length, 10u);
  EXPECT_EQ(placed.missing, 0u);
}

TEST(Stream, GoesOnOverTheEndOfTheSequenceSpace) {
  Stream stream;
  const auto before = stream.Place(0xfffffff0u, 32);
  const auto after = stream.Place(0x10u, 8);
  EXPECT_EQ(after.position, before.position + 32);
  EXPECT_EQ(after.missing, 0u);
}

TEST(Stream, MeasuresWhatIsMissing) {
  Stream stream;
  stream.Place(100, 10);
  const auto placed = stream.Place(150, 10);
  EXPECT_EQ(placed.missing, 40u);
  EXPECT_EQ(placed.position, kWrap + 150);
}

TEST(Stream, IgnoresASendThatTheKernelRefusedAndThatWasTriedAgain) {
  Stream stream;
  stream.Place(100, 10);
  const auto again = stream.Place(100, 10);
  EXPECT_EQ(again.length, 0u);
  EXPECT_EQ(again.repeated, 10u);
}

TEST(Stream, TakesTheNewPartOfASendThatBeginsInsideAnEarlierOne) {
  Stream stream;
  stream.Place(100, 50);
  const auto placed = stream.Place(120, 100);
  EXPECT_EQ(placed.repeated, 30u);
  EXPECT_EQ(placed.position, kWrap + 150);
  EXPECT_EQ(placed.length, 70u);
  EXPECT_EQ(placed.missing, 0u);
}

TEST(Stream, PlacesARecordFromBeforeTheFirstOneAsRepeated) {
  Stream stream;
  stream.Place(5, 10);
  EXPECT_EQ(stream.Place(0xfffffff0u, 16).length, 0u);
}

TEST(Stream, ExpectsWhatTheOtherDirectionSays) {
  Stream stream;
  stream.Hint(500);
  EXPECT_EQ(stream.ExpectedSeq(), 500u);
  stream.Place(500, 10);
  EXPECT_EQ(stream.ExpectedSeq(), 510u);
  stream.Hint(505);
  EXPECT_EQ(stream.ExpectedSeq(), 510u);
  stream.Hint(520);
  EXPECT_EQ(stream.ExpectedSeq(), 520u);
}

TEST(Stream, LosesNothingToAHintThatRunsAhead) {
  Stream stream;
  stream.Hint(600);
  const auto placed = stream.Place(500, 100);
  EXPECT_EQ(placed.length, 100u);
  EXPECT_EQ(placed.missing, 0u);
}

}  // namespace
}  // namespace weft::ebpf
