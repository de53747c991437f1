#include "sinks/sqlite/store_path.h"

#include <gtest/gtest.h>

#include "tests/support/temp_folder.h"

namespace weft::sinks {
namespace {

TEST(StorePath, APlainPathIsTakenAsItIs) {
  EXPECT_EQ(StorePath::Claim("some/weft.db", "a")->path(), "some/weft.db");
}

TEST(StorePath, NamesBecomePartsOfFileNames) {
  EXPECT_EQ(StorePath::Claim("weft-{instance}.db", "eu/1")->path(), "weft-eu-1.db");
  const std::string host = StorePath::Claim("{host}", "")->path();
  EXPECT_FALSE(host.empty());
  EXPECT_EQ(host.find('/'), host.npos);
}

TEST(StorePath, EachProcessGetsASlotAndTheNextOneTakesItUpAgain) {
  const test::TempFolder folder;
  const std::string pattern = folder.File("weft-{slot}.db");
  auto first = StorePath::Claim(pattern, "");
  auto second = StorePath::Claim(pattern, "");
  ASSERT_TRUE(first && second) << first.error().message;
  EXPECT_EQ(first->path(), folder.File("weft-1.db"));
  EXPECT_EQ(second->path(), folder.File("weft-2.db"));
  *first = StorePath{};
  EXPECT_EQ(StorePath::Claim(pattern, "")->path(), folder.File("weft-1.db"));
}

TEST(StorePath, AProcessWithoutANameIsItsHostAndASlot) {
  const test::TempFolder folder;
  const auto claimed = StorePath::Claim(folder.File("{instance}.db"), "");
  ASSERT_TRUE(claimed) << claimed.error().message;
  EXPECT_TRUE(claimed->path().ends_with("-1.db")) << claimed->path();
}

TEST(StorePath, SaysWhatItCannotDo) {
  const auto unknown = StorePath::Claim("weft-{pid}.db", "");
  ASSERT_FALSE(unknown);
  EXPECT_EQ(unknown.error().code, Code::kInvalid);
  EXPECT_NE(unknown.error().message.find("{pid}"), std::string::npos);
  EXPECT_FALSE(StorePath::Claim("/nonexistent/weft-{slot}.db", ""));
}

}  // namespace
}  // namespace weft::sinks
