#include "sinks/sqlite/store_lock.h"

#include <cerrno>
#include <cstring>
#include <utility>

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fmt/format.h>

namespace weft::sinks {
namespace {

Error Failed(const std::string& path) {
  return {errno == EACCES || errno == EPERM || errno == EROFS ? Code::kDenied : Code::kIo,
          fmt::format("{}: {}", path, std::strerror(errno))};
}

// Whether the name still leads to the open file: its last holder removes it.
bool IsAt(int fd, const std::string& path) {
  struct stat here {
  }, there{};
  return ::fstat(fd, &here) == 0 && ::stat(path.c_str(), &there) == 0 &&
         here.st_ino == there.st_ino && here.st_dev == there.st_dev;
}

// Empty where it cannot be told.
std::string Holder(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return {};
  char text[16] = {};
  const ssize_t n = ::pread(fd, text, sizeof text - 1, 0);
  ::close(fd);
  return n > 0 ? fmt::format(" (process {})", text) : "";
}

std::string PathOf(const std::string& store) { return store + "-lock"; }

}  // namespace

Result<StoreLock> StoreLock::Take(const std::string& store) {
  Result<std::optional<StoreLock>> lock = TryTake(store);
  if (!lock) return std::unexpected(lock.error());
  if (*lock) return std::move(**lock);
  return Fail(Code::kIo,
              fmt::format("{}: another weft writes to this store{}; stop it or name another file",
                          store, Holder(PathOf(store))));
}

Result<std::optional<StoreLock>> StoreLock::TryTake(const std::string& store) {
  const std::string path = PathOf(store);
  while (true) {
    const int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0) return std::unexpected(Failed(path));
    if (::flock(fd, LOCK_EX | LOCK_NB) != 0) {
      const int error = errno;
      ::close(fd);
      errno = error;
      if (error == EWOULDBLOCK) return std::nullopt;
      return std::unexpected(Failed(path));
    }
    StoreLock lock(path, fd);
    if (!IsAt(fd, path)) continue;  // closed, not removed again: it is another's by now
    const std::string pid = std::to_string(::getpid());
    // Only for the message of who comes second; a full disk must not refuse the first.
    (void)!::ftruncate(fd, 0);
    (void)!::pwrite(fd, pid.data(), pid.size(), 0);
    return lock;
  }
}

StoreLock::StoreLock(StoreLock&& other) noexcept
    : path_(std::move(other.path_)), fd_(std::exchange(other.fd_, -1)) {}

StoreLock& StoreLock::operator=(StoreLock&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(fd_, other.fd_);
  return *this;
}

StoreLock::~StoreLock() {
  if (fd_ < 0) return;
  if (IsAt(fd_, path_)) ::unlink(path_.c_str());  // while locked, so nobody else's file
  ::close(fd_);
}

}  // namespace weft::sinks
