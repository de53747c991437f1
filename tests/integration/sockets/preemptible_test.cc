// Kernels whose tracing programs may be preempted are rare: what only they run is loaded here at
// least, so that the verifier has seen it.

#include <string>

#include <gtest/gtest.h>
#include <unistd.h>

#include "sources/ebpf/hook_family.h"
#include "sources/ebpf/kernel_programs.h"
#include "sources/ebpf/kernel_types.h"
#include "tests/integration/sockets/socket_fixture.h"
#include "tests/support/requirement.h"

namespace weft::ebpf {
namespace {

TEST(PreemptiblePrograms, PassTheVerifierInBothFamilies) {
  if (const std::string why = test::WhyNotTraceable(); !why.empty()) WEFT_SKIP_OR_FAIL("bpf", why);
  const KernelTypes kernel = KernelTypes::Load();
  for (const HookFamily family : {HookFamily::kSyscalls, HookFamily::kSocket}) {
    if (!MissingTracepoints(family, kernel).empty()) continue;
    const auto programs = KernelPrograms::Open(family, kernel.HasFunction("bpf_rdonly_cast"));
    ASSERT_NE(programs, nullptr);
    programs->Set({.agent_pid = static_cast<uint32_t>(getpid()),
                   .capture_bytes = WEFT_CAPTURE_MOST,
                   .cpu_ring_bytes = 4096,
                   .preemptible = true,
                   .filter_pids = true});
    EXPECT_EQ(programs->Load(), 0) << NameOf(family);
  }
}

}  // namespace
}  // namespace weft::ebpf
