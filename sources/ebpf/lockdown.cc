#include "sources/ebpf/lockdown.h"

#include <cerrno>
#include <cstring>

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sources/ebpf/probe_report.h"

namespace weft::ebpf {
namespace {

constexpr const char* kMountPoint = "/sys/kernel/security";

std::string ReadSmallFile(const char* path) {
  char text[256];
  const int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return {};
  const ssize_t n = read(fd, text, sizeof text);
  close(fd);
  return n > 0 ? std::string(text, static_cast<size_t>(n)) : std::string();
}

// The part in brackets: "none [integrity] confidentiality".
std::string Selected(const std::string& line) {
  const size_t open = line.find('['), close = line.find(']');
  if (open == std::string::npos || close == std::string::npos || close < open) return {};
  return line.substr(open + 1, close - open - 1);
}

// In a child, because a mount namespace belongs to a whole process. System calls only: the parent
// has threads.
std::string ReadInOwnNamespace() {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return {};
  const pid_t child = fork();
  if (child == 0) {
    char text[256];
    if (unshare(CLONE_NEWNS) != 0 ||
        mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
        mount("securityfs", kMountPoint, "securityfs", MS_RDONLY, nullptr) != 0)
      _exit(1);
    const int fd = open("/sys/kernel/security/lockdown", O_RDONLY);
    const ssize_t n = fd < 0 ? 0 : read(fd, text, sizeof text);
    _exit(n > 0 && write(ends[1], text, static_cast<size_t>(n)) == n ? 0 : 1);
  }
  close(ends[1]);
  std::string line;
  if (child > 0) {
    char text[256];
    const ssize_t n = read(ends[0], text, sizeof text);
    if (n > 0) line.assign(text, static_cast<size_t>(n));
    waitpid(child, nullptr, 0);
  }
  close(ends[0]);
  return line;
}

}  // namespace

Lockdown ReadLockdown() {
  const std::string mounted = FindMount("securityfs");
  if (!mounted.empty()) {
    const std::string line = ReadSmallFile((mounted + "/lockdown").c_str());
    if (line.empty()) return {"", "this kernel has no lockdown"};
    return {Selected(line), "from " + mounted + "/lockdown"};
  }
  const std::string line = ReadInOwnNamespace();
  if (line.empty()) return {"", "securityfs is not mounted and cannot be; not needed"};
  return {Selected(line), "securityfs is not mounted; read from a private mount"};
}

}  // namespace weft::ebpf
