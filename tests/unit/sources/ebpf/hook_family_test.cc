#include "sources/ebpf/hook_family.h"

#include <utility>

#include <gtest/gtest.h>

namespace weft::ebpf {
namespace {

TEST(ChooseHooks, SaysWhichSettingAKernelWithoutTypesLacks) {
  const auto chosen = ChooseHooks(Hooks::kAuto, KernelTypes());
  ASSERT_FALSE(chosen.has_value());
  EXPECT_EQ(chosen.error().code, Code::kUnsupported);
  EXPECT_NE(chosen.error().message.find("CONFIG_DEBUG_INFO_BTF"), std::string::npos);
}

TEST(ChooseHooks, TakesWhatIsAskedForWhereTheKernelHasIt) {
  const KernelTypes kernel = KernelTypes::Load();
  if (!kernel.known()) GTEST_SKIP() << "this kernel does not describe its types";
  for (const auto& [asked, family] : {std::pair{Hooks::kSocket, HookFamily::kSocket},
                                      std::pair{Hooks::kSyscalls, HookFamily::kSyscalls}}) {
    const auto chosen = ChooseHooks(asked, kernel);
    const std::string missing = MissingTracepoints(family, kernel);
    ASSERT_EQ(chosen.has_value(), missing.empty());
    if (chosen) {
      EXPECT_EQ(*chosen, family);
    } else {
      EXPECT_NE(chosen.error().message.find(missing), std::string::npos);
      EXPECT_NE(chosen.error().message.find(NameOf(family)), std::string::npos);
    }
  }
}

TEST(ChooseHooks, PrefersTheSocketLayer) {
  const KernelTypes kernel = KernelTypes::Load();
  const auto chosen = ChooseHooks(Hooks::kAuto, kernel);
  if (!chosen) GTEST_SKIP() << chosen.error().message;
  EXPECT_EQ(*chosen, MissingTracepoints(HookFamily::kSocket, kernel).empty()
                         ? HookFamily::kSocket
                         : HookFamily::kSyscalls);
}

}  // namespace
}  // namespace weft::ebpf
