#include "engine/cli/memory_limit.h"

#include <filesystem>
#include <fstream>
#include <string>

#include <gtest/gtest.h>

#include "tests/support/temp_folder.h"

namespace weft::cli {
namespace {

constexpr uint64_t kMb = uint64_t{1} << 20;

class MemoryLimitTest : public ::testing::Test {
 protected:
  void File(const std::string& path, const std::string& text) {
    const std::filesystem::path whole = root_ + path;
    std::filesystem::create_directories(whole.parent_path());
    std::ofstream(whole) << text;
  }
  test::TempFolder folder_;
  std::string root_ = folder_.File("root");
};

TEST_F(MemoryLimitTest, IsTheSmallestOfTheGroupAndThoseThatItIsIn) {
  File("/proc/self/cgroup", "0::/system.slice/weft.service\n");
  File("/sys/fs/cgroup/system.slice/weft.service/memory.max", "max\n");
  File("/sys/fs/cgroup/system.slice/memory.max", "2147483648\n");
  EXPECT_EQ(MemoryLimit(root_), 2048 * kMb);
  File("/sys/fs/cgroup/system.slice/weft.service/memory.max", "1073741824\n");
  EXPECT_EQ(MemoryLimit(root_), 1024 * kMb);
}

TEST_F(MemoryLimitTest, OfVersionOneToo) {
  File("/proc/self/cgroup", "5:cpu:/\n4:memory:/docker/abc\n0::/\n");
  File("/sys/fs/cgroup/memory/docker/abc/memory.limit_in_bytes", "268435456\n");
  File("/sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
  EXPECT_EQ(MemoryLimit(root_), 256 * kMb);
}

TEST_F(MemoryLimitTest, IsNoneWhereNobodySaysSo) {
  EXPECT_EQ(MemoryLimit(root_), 0u);
  File("/proc/self/cgroup", "0::/\n");
  EXPECT_EQ(MemoryLimit(root_), 0u);
}

TEST(FitQueues, LeavesWhatFits) {
  const QueueBounds wanted{256 * kMb, 512 * kMb, 64 * kMb};
  for (const uint64_t limit : {uint64_t{0}, uint64_t{16'384} * kMb}) {
    const QueueBounds fit = FitQueues(wanted, Config(), limit);
    EXPECT_FALSE(fit.shrunk);
    EXPECT_EQ(fit.transport_bytes, wanted.transport_bytes);
    EXPECT_EQ(fit.sum, (256 + 4 * 512 + 64) * kMb);
  }
}

TEST(FitQueues, CountsWhatStageOneHoldsInEachPartition) {
  const QueueBounds wanted{256 * kMb, 512 * kMb, 64 * kMb, 512 * kMb};
  EXPECT_EQ(FitQueues(wanted, Config(), 0).sum, (256 + 4 * (512 + 512) + 64) * kMb);
  const QueueBounds fit = FitQueues(wanted, Config(), 1024 * kMb);
  EXPECT_LE(fit.sum, 513 * kMb);
  EXPECT_EQ(fit.stitch_bytes, fit.partition_bytes);
}

TEST(FitQueues, CountsWhatIsFetchedAheadOfEachPartition) {
  const QueueBounds wanted{0, 512 * kMb, 64 * kMb, 512 * kMb, 48 * kMb};
  EXPECT_EQ(FitQueues(wanted, Config(), 0).sum, (4 * (512 + 512 + 48) + 64) * kMb);
  EXPECT_LT(FitQueues(wanted, Config(), 1024 * kMb).read_ahead_bytes, 6 * kMb);
}

TEST(FitQueues, ShrinksAllAlikeToHalfOfTheLimit) {
  const QueueBounds fit = FitQueues({256 * kMb, 512 * kMb, 64 * kMb}, Config(), 1024 * kMb);
  EXPECT_TRUE(fit.shrunk);
  EXPECT_LE(fit.sum, 513 * kMb);
  EXPECT_GE(fit.sum, 500 * kMb);
  EXPECT_NEAR(static_cast<double>(fit.partition_bytes) / static_cast<double>(fit.transport_bytes),
              2.0, 0.01);
}

TEST(FitQueues, LeavesEachEnoughForSomethingToFlow) {
  const QueueBounds fit = FitQueues({256 * kMb, 512 * kMb, 64 * kMb}, Config(), 16 * kMb);
  EXPECT_GE(fit.export_queue_bytes, 4 * kMb);
  EXPECT_GE(fit.transport_bytes, 4 * kMb);
}

}  // namespace
}  // namespace weft::cli
