#include "sources/ebpf/privileges.h"

#include <linux/capability.h>

#include <gtest/gtest.h>

namespace weft::ebpf {
namespace {

constexpr int kCapPerfmon = 38, kCapBpf = 39;
constexpr const char* kRemedy =
    "run as root, or with all it needs: sudo setcap "
    "cap_bpf,cap_perfmon,cap_net_admin,cap_sys_ptrace,cap_dac_read_search+ep /opt/weft";

uint64_t Bit(int capability) { return uint64_t{1} << capability; }

Privileges Five() {
  Privileges have;
  have.capabilities = Bit(kCapBpf) | Bit(kCapPerfmon) | Bit(CAP_NET_ADMIN) | Bit(CAP_SYS_PTRACE) |
                      Bit(CAP_DAC_READ_SEARCH);
  have.locked_memory = 8u << 20;
  have.executable = "/opt/weft";
  return have;
}

// What is said about five capabilities but one.
Check Without(int capability) {
  Privileges have = Five();
  have.capabilities &= ~Bit(capability);
  const auto checks = CheckPrivileges(have);
  EXPECT_EQ(checks.size(), 1u);
  return checks.front();
}

TEST(Privileges, FiveCapabilitiesAreAllThatIsNeeded) {
  const auto checks = CheckPrivileges(Five());
  ASSERT_EQ(checks.size(), 1u);
  EXPECT_EQ(checks[0].state, CheckState::kOk);
  EXPECT_EQ(checks[0].name, "capabilities");
}

TEST(Privileges, WithoutCapBpfNothingStarts) {
  const Check check = Without(kCapBpf);
  EXPECT_EQ(check.name, "CAP_BPF");
  EXPECT_EQ(check.state, CheckState::kFail);
  EXPECT_EQ(check.detail, "missing: the kernel takes no programs from weft");
  EXPECT_EQ(check.remedy, kRemedy);
}

TEST(Privileges, WithoutCapPerfmonNothingStarts) {
  const Check check = Without(kCapPerfmon);
  EXPECT_EQ(check.name, "CAP_PERFMON");
  EXPECT_EQ(check.state, CheckState::kFail);
  EXPECT_EQ(check.detail, "missing: the kernel's programs may not read what other programs send");
  EXPECT_EQ(check.remedy, kRemedy);
}

TEST(Privileges, WithoutCapNetAdminThereAreNoIdsInTcpOptions) {
  const Check check = Without(CAP_NET_ADMIN);
  EXPECT_EQ(check.name, "CAP_NET_ADMIN");
  EXPECT_EQ(check.state, CheckState::kWarn);
  EXPECT_TRUE(check.detail.starts_with("missing: no ids in TCP options")) << check.detail;
  EXPECT_EQ(check.remedy, kRemedy);
}

TEST(Privileges, WithoutCapSysPtraceNamesComeFromCommandLines) {
  const Check check = Without(CAP_SYS_PTRACE);
  EXPECT_EQ(check.name, "CAP_SYS_PTRACE");
  EXPECT_EQ(check.state, CheckState::kWarn);
  EXPECT_TRUE(check.detail.starts_with("missing: executables of other users'")) << check.detail;
  EXPECT_EQ(check.remedy, kRemedy);
}

TEST(Privileges, WithoutCapDacReadSearchEnvironmentsStayHidden) {
  const Check check = Without(CAP_DAC_READ_SEARCH);
  EXPECT_EQ(check.name, "CAP_DAC_READ_SEARCH");
  EXPECT_EQ(check.state, CheckState::kWarn);
  EXPECT_TRUE(check.detail.starts_with("missing: environments")) << check.detail;
  EXPECT_EQ(check.remedy, kRemedy);
}

TEST(Privileges, CapSysAdminIncludesBpfAndPerfmon) {
  Privileges have = Five();
  have.capabilities &= ~(Bit(kCapBpf) | Bit(kCapPerfmon));
  have.capabilities |= Bit(CAP_SYS_ADMIN);
  EXPECT_EQ(CheckPrivileges(have).front().state, CheckState::kOk);
}

TEST(Privileges, EachMissingCapabilityIsNamed) {
  Privileges have = Five();
  have.capabilities = 0;
  EXPECT_EQ(CheckPrivileges(have).size(), 5u);
}

TEST(Privileges, OldKernelsNeedMemoryThatMayBeLocked) {
  Privileges have = Five();
  have.maps_refused = true;
  const auto checks = CheckPrivileges(have);
  ASSERT_EQ(checks.size(), 2u);
  EXPECT_EQ(checks[1].name, "locked memory");
  EXPECT_EQ(checks[1].state, CheckState::kFail);
  EXPECT_EQ(checks[1].detail,
            "8192 KB: this kernel (older than 5.11) charges the buffers to it, 32 MB");
  EXPECT_FALSE(checks[1].remedy.empty());
}

}  // namespace
}  // namespace weft::ebpf
