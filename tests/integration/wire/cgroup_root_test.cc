#include "sources/ebpf/cgroup_root.h"

#include <sched.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include <gtest/gtest.h>

#include "sources/ebpf/probe_report.h"
#include "tests/support/requirement.h"

namespace weft::ebpf {
namespace {

// What `body` returns, run where cgroup2 is mounted nowhere; -1: that cannot be had.
template <typename Body>
int WithoutMount(const Body& body) {
  const pid_t child = fork();
  if (child == 0) {
    if (unshare(CLONE_NEWNS) != 0 || mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0)
      _exit(100);
    for (std::string at = FindMount("cgroup2"); !at.empty(); at = FindMount("cgroup2"))
      if (umount2(at.c_str(), MNT_DETACH) != 0) _exit(100);
    _exit(body());
  }
  int status = 0;
  waitpid(child, &status, 0);
  return WIFEXITED(status) && WEXITSTATUS(status) != 100 ? WEXITSTATUS(status) : -1;
}

TEST(CgroupRoot, IsReachedWhereItIsNotMounted) {
  const int outcome = WithoutMount([] {
    const auto root = CgroupRoot::Open();
    return !root.has_value()                                     ? 1
           : root->how() != "from a private mount"               ? 2
           : faccessat(root->fd(), "cgroup.procs", F_OK, 0) != 0 ? 3
                                                                 : 0;
  });
  if (outcome < 0) WEFT_SKIP_OR_FAIL("bpf", "no mount namespace of one's own here");
  EXPECT_EQ(outcome, 0);
}

TEST(CgroupRoot, NamesTheFolderThatIsNotThere) {
  const auto root = CgroupRoot::Open("/sys/fs/cgroup/there-is-no-such-group");
  ASSERT_FALSE(root.has_value());
  EXPECT_EQ(root.error().code, Code::kNotFound);
  EXPECT_NE(root.error().message.find("no-such-group"), std::string::npos);
}

}  // namespace
}  // namespace weft::ebpf
