// CgroupRoot: the cgroup2 hierarchy's folder, for programs that are attached to a cgroup.
//
// Used by TcpOption and by ProbeHost. Mounted or not: where no mount is found it is opened through
// a mount of its own that appears nowhere (kernel 5.2) and goes with the descriptor.
#pragma once

#include <string>

#include "engine/base/result.h"

namespace weft::ebpf {

class CgroupRoot {
 public:
  // `path` empty: the root, as far as this process may see. kUnsupported; kNotFound: no such
  // folder.
  static Result<CgroupRoot> Open(const std::string& path = {});
  CgroupRoot(CgroupRoot&& other) noexcept;
  CgroupRoot& operator=(CgroupRoot&&) = delete;
  ~CgroupRoot();

  int fd() const { return fd_; }
  // "at /sys/fs/cgroup", "from a private mount"
  const std::string& how() const { return how_; }
  // False in a cgroup namespace: only its own sockets are reached.
  bool whole_host() const;

 private:
  CgroupRoot(int fd, std::string how) : fd_(fd), how_(std::move(how)) {}
  int fd_;
  std::string how_;
};

}  // namespace weft::ebpf
