#include "sources/ebpf/cgroup_root.h"

#include <cerrno>
#include <cstring>
#include <utility>

#include <fcntl.h>
#include <linux/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <fmt/format.h>

#include "sources/ebpf/probe_report.h"

namespace weft::ebpf {
namespace {

constexpr int kFolder = O_RDONLY | O_DIRECTORY | O_CLOEXEC;
constexpr ino_t kRootInode = 1;

// The C library knows these calls from 2.36 on.
int OpenPrivately() {
  const auto type = static_cast<int>(syscall(SYS_fsopen, "cgroup2", FSOPEN_CLOEXEC));
  if (type < 0) return -1;
  int folder = -1;
  if (syscall(SYS_fsconfig, type, FSCONFIG_CMD_CREATE, nullptr, nullptr, 0) == 0) {
    const auto mount = static_cast<int>(syscall(SYS_fsmount, type, FSMOUNT_CLOEXEC, 0));
    if (mount >= 0) {
      folder = openat(mount, ".", kFolder);
      const int error = errno;
      close(mount);
      errno = error;
    }
  }
  const int error = errno;
  close(type);
  errno = error;
  return folder;
}

}  // namespace

Result<CgroupRoot> CgroupRoot::Open(const std::string& path) {
  const std::string where = path.empty() ? FindMount("cgroup2") : path;
  const int fd = where.empty() ? OpenPrivately() : open(where.c_str(), kFolder);
  if (fd >= 0) return CgroupRoot(fd, where.empty() ? "from a private mount" : "at " + where);
  const int error = errno;
  return Fail(path.empty() ? Code::kUnsupported : Code::kNotFound,
              fmt::format("{}: {}", where.empty() ? "cgroup2 is not mounted and cannot be" : where,
                          strerror(error)));
}

CgroupRoot::CgroupRoot(CgroupRoot&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)), how_(std::move(other.how_)) {}

CgroupRoot::~CgroupRoot() {
  if (fd_ >= 0) close(fd_);
}

bool CgroupRoot::whole_host() const {
  struct stat status {};
  return fstat(fd_, &status) == 0 && status.st_ino == kRootInode;
}

}  // namespace weft::ebpf
