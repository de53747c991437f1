#include "sources/ebpf/probe_report.h"

#include <gtest/gtest.h>

namespace weft::ebpf {
namespace {

TEST(ProbeHost, SaysSomethingAboutEveryCheckAndHowToMendWhatFails) {
  const auto checks = ProbeHost();
  ASSERT_FALSE(checks.empty());
  for (const Check& check : checks) {
    EXPECT_FALSE(check.name.empty());
    EXPECT_FALSE(check.detail.empty()) << check.name;
    EXPECT_TRUE(check.state != CheckState::kFail || check.name == "kernel" || !check.remedy.empty())
        << check.name;
  }
}

TEST(ProbeHost, IsUsableUnlessACheckFails) {
  EXPECT_TRUE(Usable({{"a", CheckState::kOk, "", ""}, {"b", CheckState::kWarn, "", ""}}));
  EXPECT_FALSE(Usable({{"a", CheckState::kOk, "", ""}, {"b", CheckState::kFail, "", ""}}));
}

TEST(ProbeHost, FindsMountsByType) {
  EXPECT_EQ(FindMount("proc"), "/proc");
  EXPECT_EQ(FindMount("no-such-file-system"), "");
}

}  // namespace
}  // namespace weft::ebpf
