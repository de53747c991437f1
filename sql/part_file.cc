#include "sql/part_file.h"

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <set>
#include <string_view>
#include <utility>

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fmt/format.h>

namespace weft::sql {
namespace {

Error Failed(const std::string& path, int error) {
  const Code code = error == ENOSPC || error == EDQUOT                    ? Code::kFull
                    : error == EACCES || error == EPERM || error == EROFS ? Code::kDenied
                                                                          : Code::kIo;
  return {code, fmt::format("{}: {}", path, std::strerror(error))};
}

Error Taken(const std::string& name) {
  return {Code::kInvalid, fmt::format("{} is there already; name another file", name)};
}

Result<void> Sync(const std::string& path, int flags) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | flags);
  if (fd < 0) return std::unexpected(Failed(path, errno));
  const int error = ::fsync(fd) == 0 ? 0 : errno;
  ::close(fd);
  if (error != 0) return std::unexpected(Failed(path, error));
  return {};
}

std::string FolderOf(const std::string& path) {
  const size_t slash = path.rfind('/');
  return slash == path.npos ? "." : path.substr(0, slash + 1);
}

// Never over a file that is there. Not every file system knows the flag; all that have links can
// do without.
int RenameToNew(const std::string& from, const std::string& to) {
  if (::renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), RENAME_NOREPLACE) == 0) return 0;
  if (errno != EINVAL && errno != ENOSYS) return errno;
  if (::link(from.c_str(), to.c_str()) != 0) return errno;
  return ::unlink(from.c_str()) == 0 ? 0 : errno;
}

void RemoveWithSiblings(const std::string& path) {
  for (const char* suffix : {"", "-wal", "-shm", "-journal"}) ::unlink((path + suffix).c_str());
}

constexpr std::string_view kMark = "-weft-part-", kLock = "-lock";
constexpr size_t kRandom = 6;

struct CloseFile {
  ~CloseFile() {
    if (fd >= 0) ::close(fd);
  }
  const int fd;
};

bool IsOwnFile(const std::string& path) {
  struct stat st {};
  return ::lstat(path.c_str(), &st) == 0 && S_ISREG(st.st_mode) && st.st_uid == ::geteuid();
}

bool IsAt(int fd, const std::string& path) {
  struct stat here {
  }, there{};
  return ::fstat(fd, &here) == 0 && ::lstat(path.c_str(), &there) == 0 &&
         here.st_ino == there.st_ino && here.st_dev == there.st_dev;
}

// Unless it is being written: then its lock is there before it is, and is held.
void RemoveIfLeft(const std::string& part) {
  const std::string lock = part + std::string(kLock);
  const CloseFile file{::open(lock.c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK)};
  if (file.fd < 0 && errno != ENOENT) return;
  if (file.fd >= 0 && (!IsOwnFile(lock) || ::flock(file.fd, LOCK_EX | LOCK_NB) != 0)) return;
  if (IsOwnFile(part)) RemoveWithSiblings(part);
  if (file.fd >= 0 && IsAt(file.fd, lock)) ::unlink(lock.c_str());
}

void RemoveLeftOver(const std::string& name) {
  const size_t slash = name.rfind('/');
  const std::string begin =
      (slash == name.npos ? name : name.substr(slash + 1)) + std::string(kMark);
  std::set<std::string> parts;  // a lock may be alone
  std::error_code failed;
  for (const auto& entry : std::filesystem::directory_iterator(FolderOf(name), failed)) {
    std::string file = entry.path().string();
    if (file.ends_with(kLock)) file.resize(file.size() - kLock.size());
    const std::string base = std::filesystem::path(file).filename().string();
    if (base.starts_with(begin) && base.size() == begin.size() + kRandom) parts.insert(file);
  }
  for (const std::string& part : parts) RemoveIfLeft(part);
}

}  // namespace

Result<void> SyncFolderOf(const std::string& path) { return Sync(FolderOf(path), O_DIRECTORY); }

PartFile::PartFile(std::string name, std::string path, int lock)
    : name_(std::move(name)),
      path_(std::move(path)),
      lock_path_(path_ + std::string(kLock)),
      lock_(lock) {}

PartFile::PartFile(PartFile&& other) noexcept
    : name_(std::move(other.name_)),
      path_(std::exchange(other.path_, {})),
      lock_path_(std::move(other.lock_path_)),
      lock_(std::exchange(other.lock_, -1)) {}

PartFile::~PartFile() {
  if (!path_.empty()) RemoveWithSiblings(path_);
  if (lock_ < 0) return;
  ::unlink(lock_path_.c_str());  // last: a part without a lock is nobody's
  ::close(lock_);
}

Result<PartFile> PartFile::Create(const std::string& name) {
  if (::faccessat(AT_FDCWD, name.c_str(), F_OK, AT_SYMLINK_NOFOLLOW) == 0)
    return std::unexpected(Taken(name));
  RemoveLeftOver(name);
  while (true) {
    std::string lock = name + std::string(kMark) + "XXXXXX" + std::string(kLock);
    const int fd = ::mkostemps(lock.data(), static_cast<int>(kLock.size()), O_CLOEXEC);
    if (fd < 0) return std::unexpected(Failed(name, errno));
    // Who was quicker to lock it took it for left over, and has removed it.
    if (::flock(fd, LOCK_EX) == 0 && !IsAt(fd, lock)) {
      ::close(fd);
      continue;
    }
    PartFile part(name, lock.substr(0, lock.size() - kLock.size()), fd);
    const int file = ::open(part.path_.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (file >= 0) {
      ::close(file);
      return part;
    }
    const int error = errno;
    part.path_.clear();
    if (error != EEXIST) return std::unexpected(Failed(name, error));
  }
}

Result<void> PartFile::Publish() {
  if (const auto synced = Sync(path_, 0); !synced) return synced;
  if (const int error = RenameToNew(path_, name_); error != 0)
    return std::unexpected(error == EEXIST ? Taken(name_) : Failed(name_, error));
  path_.clear();
  return SyncFolderOf(name_);
}

}  // namespace weft::sql
