#include "engine/base/quiet_warnings.h"

#include <vector>

#include <gtest/gtest.h>

namespace weft {
namespace {

class Lines final : public Logger {
 public:
  void Write(LogLevel, std::string_view line) override { lines.emplace_back(line); }
  std::vector<std::string> lines;
};

TEST(QuietWarnings, SaysTheFirstAndThenHowManyThereWere) {
  Lines log;
  QuietWarnings warnings(log);
  for (int i = 0; i < 1000; ++i) warnings.Warn(i * kMillisecond, "bad");
  EXPECT_EQ(log.lines, std::vector<std::string>{"bad"});
  warnings.Warn(10 * kSecond, "worse");
  warnings.Warn(30 * kSecond, "bad");
  EXPECT_EQ(log.lines[1], "worse (999 like it before)");
  EXPECT_EQ(log.lines[2], "bad");
}

}  // namespace
}  // namespace weft
