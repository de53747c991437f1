#include "engine/cli/memory_keeper.h"

#include <filesystem>
#include <fstream>
#include <memory>
#include <string>

#include <gtest/gtest.h>

#include "tests/support/temp_folder.h"

namespace weft::cli {
namespace {

constexpr uint64_t kMb = uint64_t{1} << 20;

MemoryUse Used(double share, double stalled = 0) {
  return {static_cast<uint64_t>(share * 1'000'000), 1'000'000, stalled};
}

TEST(NextShare, FallsWhileMemoryIsShortAndGrowsWhileThereIsRoom) {
  EXPECT_EQ(NextShare(1, Used(0.95)), 0.5);
  EXPECT_EQ(NextShare(0.5, Used(0.85)), 0.4);
  EXPECT_EQ(NextShare(0.5, Used(0.75)), 0.5);
  EXPECT_GT(NextShare(0.5, Used(0.6)), 0.5);
  EXPECT_EQ(NextShare(0.995, Used(0.6)), 1);
}

TEST(NextShare, NeverFallsToNothing) {
  double share = 1;
  for (int i = 0; i < 100; ++i) share = NextShare(share, Used(1));
  EXPECT_GT(share, 0.01);
}

TEST(NextShare, FallsWhereSomebodyWaitsForMemoryThatIsInUse) {
  EXPECT_EQ(NextShare(1, Used(0.6, 30)), 0.5);
  EXPECT_EQ(NextShare(1, Used(0.2, 30)), 1) << "that is the cache of files";
}

TEST(NextShare, IsWholeWithoutALimit) { EXPECT_EQ(NextShare(0.1, {}), 1); }

class MemoryKeeperTest : public ::testing::Test {
 protected:
  MemoryKeeperTest() {
    File("/proc/self/cgroup", "0::/weft\n");
    Limit(4096);
    Use(100);
  }
  void File(const std::string& path, const std::string& text) {
    const std::filesystem::path whole = root_ + path;
    std::filesystem::create_directories(whole.parent_path());
    std::ofstream(whole) << text;
  }
  void Limit(uint64_t mb) {
    File("/sys/fs/cgroup/weft/memory.max", std::to_string(mb * kMb) + "\n");
  }
  void Use(uint64_t mb, uint64_t cache_mb = 0, const std::string& cache = "inactive_file") {
    File("/sys/fs/cgroup/weft/memory.current", std::to_string((mb + cache_mb) * kMb) + "\n");
    File("/sys/fs/cgroup/weft/memory.stat",
         "anon 5\n" + cache + " " + std::to_string(cache_mb * kMb) + "\nactive_file 0\n");
  }
  // Weft's group in another one, which has the limit.
  void UseInPod(uint64_t own_mb, uint64_t pod_mb, int stalled = 0) {
    File("/proc/self/cgroup", "0::/pod/weft\n");
    const std::string pod = "/sys/fs/cgroup/pod/";
    File(pod + "weft/memory.max", "max\n");
    File(pod + "weft/memory.current", std::to_string(own_mb * kMb) + "\n");
    File(pod + "memory.max", std::to_string(1000 * kMb) + "\n");
    File(pod + "memory.current", std::to_string(pod_mb * kMb) + "\n");
    File(pod + "memory.pressure", "some avg10=" + std::to_string(stalled) + ".00 avg60=0.00\n");
  }
  void Look(int times) {
    for (int i = 0; i < times; ++i) {
      clock_.Advance(kSecond);
      keeper_.Keep();
    }
  }

  test::TempFolder folder_;
  std::string root_ = folder_.File("root");
  ManualClock clock_{0};
  Metrics metrics_;
  std::unique_ptr<Logger> log_ = NullLogger();
  MemoryShare share_;
  MemoryKeeper keeper_{share_, {*log_, metrics_, clock_}, root_};
};

TEST_F(MemoryKeeperTest, QueuesShrinkWhileMemoryIsShortAndGrowAgain) {
  keeper_.Begin({256 * kMb, 64 * kMb, 64 * kMb}, Config());
  EXPECT_EQ(share_.Get(), 1);
  const uint64_t whole = metrics_.Get("memory.queue_bytes").Get();
  Use(4000);
  Look(3);
  EXPECT_LT(share_.Get(), 0.2);
  EXPECT_LT(metrics_.Get("memory.queue_bytes").Get(), whole / 5);
  EXPECT_EQ(metrics_.Get("memory.shrunk").Get(), 3u);
  Use(1000);
  Look(100);
  EXPECT_EQ(share_.Get(), 1);
  EXPECT_EQ(metrics_.Get("memory.queue_bytes").Get(), whole);
}

TEST_F(MemoryKeeperTest, TheCacheOfFilesIsNoNeed) {
  keeper_.Begin({256 * kMb, 64 * kMb, 64 * kMb}, Config());
  Use(1000, 3090);
  Look(3);
  EXPECT_EQ(share_.Get(), 1);
  EXPECT_EQ(metrics_.Get("memory.used_bytes").Get(), 1000 * kMb);
}

TEST_F(MemoryKeeperTest, NorAreTheKernelsCachesOfNames) {
  keeper_.Begin({256 * kMb, 64 * kMb, 64 * kMb}, Config());
  Use(1000, 3090, "slab_reclaimable");
  Look(3);
  EXPECT_EQ(share_.Get(), 1);
  EXPECT_EQ(metrics_.Get("memory.used_bytes").Get(), 1000 * kMb);
}

TEST_F(MemoryKeeperTest, AGroupThatOthersFillIsNotRelievedBySmallerQueues) {
  UseInPod(50, 300);
  keeper_.Begin({256 * kMb, 64 * kMb, 64 * kMb}, Config());
  const double share = share_.Get();
  UseInPod(50, 990);
  Look(3);
  EXPECT_EQ(share_.Get(), share);
  UseInPod(50, 600, 40);
  Look(3);
  EXPECT_EQ(share_.Get(), share) << "nor where they wait for memory";
  UseInPod(300, 990);
  Look(3);
  EXPECT_LT(share_.Get(), share / 4);
}

TEST_F(MemoryKeeperTest, FollowsALimitThatIsSetWhileItRuns) {
  keeper_.Begin({256 * kMb, 64 * kMb, 64 * kMb}, Config());
  Limit(288);
  Look(1);
  EXPECT_LE(metrics_.Get("memory.queue_bytes").Get(), 144 * kMb);
  Limit(4096);
  Look(100);
  EXPECT_EQ(share_.Get(), 1);
}

TEST_F(MemoryKeeperTest, ASoftLimitCountsAsWell) {
  File("/sys/fs/cgroup/weft/memory.high", std::to_string(512 * kMb) + "\n");
  keeper_.Begin({256 * kMb, 64 * kMb, 64 * kMb}, Config());
  EXPECT_LE(metrics_.Get("memory.queue_bytes").Get(), 256 * kMb);
  Use(500);
  Look(1);
  EXPECT_EQ(metrics_.Get("memory.shrunk").Get(), 1u);
}

}  // namespace
}  // namespace weft::cli
