// What only other kernels than this one run: it is loaded here at least, so that the verifier has
// seen it, and some of it runs here too.

#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <bpf/bpf.h>
#include <sys/socket.h>
#include <unistd.h>

#include "sources/ebpf/hook_family.h"
#include "sources/ebpf/kernel_programs.h"
#include "sources/ebpf/kernel_types.h"
#include "tests/integration/sockets/socket_fixture.h"
#include "tests/support/requirement.h"

namespace weft::ebpf {
namespace {

ProgramSettings Settings() { return {.capture_bytes = WEFT_CAPTURE_MOST, .cpu_ring_bytes = 4096}; }

TEST(PreemptiblePrograms, PassTheVerifierInBothFamilies) {
  if (const std::string why = test::WhyNotTraceable(); !why.empty()) WEFT_SKIP_OR_FAIL("bpf", why);
  const KernelTypes kernel = KernelTypes::Load();
  for (const HookFamily family : {HookFamily::kSyscalls, HookFamily::kSocket}) {
    if (!MissingTracepoints(family, kernel).empty()) continue;
    for (const bool direct_loads : {false, kernel.HasFunction("bpf_rdonly_cast")}) {
      const auto programs = KernelPrograms::Open(family, direct_loads);
      ASSERT_NE(programs, nullptr);
      ProgramSettings settings = Settings();
      settings.preemptible = true;
      programs->Set(settings);
      EXPECT_EQ(programs->Load(), 0) << NameOf(family) << " " << direct_loads;
    }
  }
}

uint64_t Unmeasured(const KernelPrograms& programs) {
  std::vector<weft_stats> per_cpu(static_cast<size_t>(libbpf_num_possible_cpus()));
  const uint32_t zero = 0;
  EXPECT_EQ(bpf_map_lookup_elem(programs.map_fd("stats"), &zero, per_cpu.data()), 0);
  uint64_t sum = 0;
  for (const weft_stats& stats : per_cpu) sum += stats.unmeasured;
  return sum;
}

// Kernels before 6.2 do not get so far; a Unix socket has no sequence numbers that would tell.
TEST(OlderKernels, CountACallOfMoreMessagesThanTheyCanAddUp) {
  if (const std::string why = test::WhyNotTraceable(); !why.empty()) WEFT_SKIP_OR_FAIL("bpf", why);
  const auto programs = KernelPrograms::Open(HookFamily::kSyscalls, false);
  ASSERT_NE(programs, nullptr);
  programs->Set(Settings());
  ASSERT_EQ(programs->Load(), 0);
  ASSERT_EQ(programs->Attach(), 0);
  int fds[2];
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
  char byte = 'x';
  iovec part{&byte, 1};
  std::vector<mmsghdr> messages(129);
  for (mmsghdr& message : messages) {
    message.msg_hdr.msg_iov = &part;
    message.msg_hdr.msg_iovlen = 1;
  }
  EXPECT_EQ(sendmmsg(fds[0], messages.data(), 128, 0), 128);
  EXPECT_EQ(Unmeasured(*programs), 0u);
  EXPECT_EQ(sendmmsg(fds[0], messages.data(), 129, 0), 129);
  EXPECT_EQ(Unmeasured(*programs), 1u);
  close(fds[0]);
  close(fds[1]);
}

}  // namespace
}  // namespace weft::ebpf
