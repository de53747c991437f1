#include "engine/cli/stop_signal.h"

#include <csignal>

#include <sys/wait.h>
#include <unistd.h>

#include <gtest/gtest.h>

#include "engine/base/clock.h"

namespace weft::cli {
namespace {

TEST(StopSignal, WaitsUntilTheTimeIsOver) {
  StopSignal stop;
  EXPECT_FALSE(stop.Wait(1));
  EXPECT_FALSE(stop.requested());
}

TEST(StopSignal, TheFirstSignalAsksForAnEnd) {
  StopSignal stop;
  kill(getpid(), SIGTERM);
  EXPECT_TRUE(stop.Wait(60 * kSecond));
  EXPECT_TRUE(stop.requested());
}

TEST(StopSignal, TheSecondEndsTheProcessAtOnce) {
  const pid_t child = fork();
  if (child == 0) {
    StopSignal stop;
    kill(getpid(), SIGTERM);
    stop.Wait(60 * kSecond);
    kill(getpid(), SIGINT);
    while (true) pause();
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 128 + SIGINT);
}

}  // namespace
}  // namespace weft::cli
