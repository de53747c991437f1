// A disk that is full under the spool.
#include <sched.h>
#include <sys/mount.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>

#include "tests/support/requirement.h"
#include "tests/unit/transport/spool_fixture.h"

namespace weft::transport {
namespace {

class LinesLogger final : public Logger {
 public:
  void Write(LogLevel level, std::string_view line) override {
    if (level == LogLevel::kError) errors.emplace_back(line);
  }
  std::vector<std::string> errors;
};

class SpoolDiskTest : public SpoolFixture {
 protected:
  void SetUp() override {
    std::filesystem::create_directories(Options().folder);
    // A mount namespace of its own: nobody else sees the mount, and it ends with the process.
    if (unshare(CLONE_NEWNS) != 0 ||
        mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
        mount("tmpfs", Options().folder.c_str(), "tmpfs", 0, "size=256k") != 0)
      WEFT_SKIP_OR_FAIL("root", std::string("a tmpfs cannot be mounted: ") + std::strerror(errno));
    mounted_ = true;
    log_ = std::make_unique<LinesLogger>();
  }
  void TearDown() override {
    if (mounted_) umount2(Options().folder.c_str(), MNT_DETACH);
  }
  SpoolOptions Small() {
    SpoolOptions options = Options();
    options.segment_bytes = 50'000;
    options.memory_bytes = 50'000;
    return options;
  }
  std::vector<std::string>& Errors() { return static_cast<LinesLogger&>(*log_).errors; }

  bool mounted_ = false;
};

TEST_F(SpoolDiskTest, GoesOnInMemoryAndSaysSoOnce) {
  auto spool = Open(Small());
  for (uint64_t n = 1; n <= 290; ++n) spool->Append(Numbered(n, 900));
  ASSERT_EQ(Errors().size(), 1u);
  EXPECT_NE(Errors()[0].find("No space left on device"), std::string::npos) << Errors()[0];
  EXPECT_NE(Errors()[0].find("stays in memory"), std::string::npos) << Errors()[0];
  EXPECT_GT(Count("spool.unstored_records"), 0u);
  EXPECT_GE(Count("spool.write_errors"), 1u);
  EXPECT_EQ(Count("spool.dropped_records"), 0u);
  EXPECT_EQ(Drain(*spool), Range(1, 291));
}

TEST_F(SpoolDiskTest, DropsTheOldestThatOnlyMemoryHasWhenThatIsFullTooAndCountsIt) {
  auto spool = Open(Small());
  for (uint64_t n = 1; n <= 1000; ++n) spool->Append(Numbered(n, 900));
  EXPECT_GT(Count("spool.dropped_records"), 0u);
  const auto left = Drain(*spool);
  EXPECT_TRUE(std::is_sorted(left.begin(), left.end()));
  EXPECT_EQ(left.back(), 1000u);
  EXPECT_EQ(left.size() + Count("spool.dropped_records"), 1000u);
  EXPECT_EQ(tally_->delivered + tally_->dropped, 4500u);
  EXPECT_EQ(Count("spool.dropped{partition=0}"), tally_->dropped);
}

TEST_F(SpoolDiskTest, WritesAgainWhenThereIsRoomAndASuccessorReadsBothParts) {
  const std::string hog = Options().folder / "somebody-elses";
  auto spool = Open(Small());
  for (uint64_t n = 1; n <= 10; ++n) spool->Append(Numbered(n, 900));
  {
    std::ofstream file(hog);
    const std::string block(4096, 'x');
    while (file.write(block.data(), 4096).flush()) {
    }
  }
  for (uint64_t n = 11; n <= 20; ++n) spool->Append(Numbered(n, 900));
  EXPECT_GT(Count("spool.unstored_records"), 0u);
  std::filesystem::remove(hog);
  clock_.Advance(2 * kSecond);
  for (uint64_t n = 21; n <= 30; ++n) spool->Append(Numbered(n, 900));
  const uint64_t unstored = Count("spool.unstored_records");
  EXPECT_LE(unstored, 10u);
  spool.reset();
  spool = Open(Small());
  const auto left = Drain(*spool);
  EXPECT_EQ(left.size(), 30 - unstored);
  EXPECT_EQ(left.front(), 1u);
  EXPECT_EQ(left.back(), 30u);
  EXPECT_EQ(Count("spool.torn_tails") + Count("spool.damaged_records"), 0u);
}

}  // namespace
}  // namespace weft::transport
