#include "engine/cli/commands.h"

#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace weft::cli {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

TEST(Commands, EachHasASummaryAndExamplesThatCallIt) {
  for (const auto& command : AllCommands()) {
    const CommandInfo info = command->Info();
    if (info.summary == "(not in this build)") continue;
    EXPECT_FALSE(info.summary.empty()) << info.name;
    EXPECT_LE(info.summary.size(), 72u) << info.name << ": the summary is one line of the list";
    EXPECT_THAT(std::string(info.examples), HasSubstr("weft " + std::string(info.name)));
  }
}

TEST(Commands, NamesAreUnique) {
  std::set<std::string> names;
  for (const auto& command : AllCommands())
    EXPECT_TRUE(names.insert(std::string(command->Info().name)).second) << command->Info().name;
}

TEST(Commands, EveryOptionIsExplained) {
  struct Collect final : Options {
    void Flag(std::string_view n, bool*, std::string_view h) override { Check(n, h); }
    void Text(std::string_view n, std::string*, std::string_view h, std::string_view) override {
      Check(n, h);
    }
    void List(std::string_view n, std::vector<std::string>*, std::string_view h,
              std::string_view) override {
      Check(n, h);
    }
    void Ints(std::string_view n, std::vector<int64_t>*, int64_t, int64_t,
              std::string_view h) override {
      Check(n, h);
    }
    void Int(std::string_view n, int64_t*, int64_t, int64_t, std::string_view h) override {
      Check(n, h);
    }
    void Number(std::string_view n, double*, double, double, std::string_view h) override {
      Check(n, h);
    }
    void Duration(std::string_view n, int64_t*, std::string_view h) override { Check(n, h); }
    void Size(std::string_view n, uint64_t*, std::string_view h) override { Check(n, h); }
    void Positional(std::string_view, std::string*, bool, std::string_view h) override {
      EXPECT_FALSE(h.empty());
    }
    void Positionals(std::string_view, std::vector<std::string>*, std::string_view h) override {
      EXPECT_FALSE(h.empty());
    }
    void Check(std::string_view n, std::string_view h) {
      EXPECT_NE(n.find("--"), n.npos) << n;
      EXPECT_FALSE(h.empty()) << n;
      EXPECT_FALSE(h.ends_with('.')) << n << ": option texts have no full stop";
    }
  } options;
  for (const auto& command : AllCommands()) command->Declare(options);
}

TEST(Commands, EveryErrorCodeHasItsExitCode) {
  EXPECT_EQ(ExitCodeOf({Code::kInvalid, ""}), kExitUsage);
  EXPECT_EQ(ExitCodeOf({Code::kDenied, ""}), kExitDenied);
  EXPECT_EQ(ExitCodeOf({Code::kUnsupported, ""}), kExitDenied);
  EXPECT_EQ(ExitCodeOf({Code::kNotFound, ""}), kExitNotFound);
  EXPECT_EQ(ExitCodeOf({Code::kIo, ""}), kExitFailure);
  EXPECT_EQ(ExitCodeOf({Code::kInternal, ""}), kExitFailure);
}

TEST(Commands, AMissingCommandSaysWhatToInstall) {
  const auto command = MakeMissing("traces", "SQLite", "libsqlite3-dev");
  const SystemClock clock;
  const auto log = NullLogger();
  CommandContext context{clock, *log, false, {}};
  const auto result = command->Run(context);
  ASSERT_FALSE(result.has_value());
  EXPECT_THAT(result.error().message, HasSubstr("libsqlite3-dev"));
}

}  // namespace
}  // namespace weft::cli
