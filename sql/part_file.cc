#include "sql/part_file.h"

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
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

constexpr std::string_view kMark = "-weft-part-";
constexpr size_t kRandom = 6;

// What processes that were killed have left: ours, a file, and locked by nobody.
void RemoveLeftOver(const std::string& name) {
  const size_t slash = name.rfind('/');
  const std::string begin =
      (slash == name.npos ? name : name.substr(slash + 1)) + std::string(kMark);
  std::error_code failed;
  for (const auto& entry : std::filesystem::directory_iterator(FolderOf(name), failed)) {
    const std::string file = entry.path().filename().string();
    if (!file.starts_with(begin) || file.size() != begin.size() + kRandom) continue;
    const int fd = ::open(entry.path().c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    struct stat st {};
    if (fd >= 0 && ::fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_uid == ::geteuid() &&
        ::flock(fd, LOCK_EX | LOCK_NB) == 0)
      RemoveWithSiblings(entry.path().string());
    if (fd >= 0) ::close(fd);
  }
}

}  // namespace

PartFile::PartFile(std::string name, std::string path, int lock)
    : name_(std::move(name)), path_(std::move(path)), lock_(lock) {}

PartFile::PartFile(PartFile&& other) noexcept
    : name_(std::move(other.name_)),
      path_(std::exchange(other.path_, {})),
      lock_(std::exchange(other.lock_, -1)) {}

PartFile::~PartFile() {
  if (!path_.empty()) RemoveWithSiblings(path_);
  if (lock_ >= 0) ::close(lock_);
}

Result<PartFile> PartFile::Create(const std::string& name) {
  if (::faccessat(AT_FDCWD, name.c_str(), F_OK, AT_SYMLINK_NOFOLLOW) == 0)
    return std::unexpected(Taken(name));
  RemoveLeftOver(name);
  while (true) {
    std::string path = name + std::string(kMark) + "XXXXXX";
    const int fd = ::mkostemp(path.data(), O_CLOEXEC);  // O_EXCL, 0600
    if (fd < 0) return std::unexpected(Failed(name, errno));
    struct stat st {};
    // Who was quicker to lock it took it for left over, and has removed it.
    if (::flock(fd, LOCK_EX) != 0 || ::fstat(fd, &st) != 0 || st.st_nlink != 0)
      return PartFile(name, std::move(path), fd);
    ::close(fd);
  }
}

Result<void> PartFile::Publish() {
  if (const auto synced = Sync(path_, 0); !synced) return synced;
  if (const int error = RenameToNew(path_, name_); error != 0)
    return std::unexpected(error == EEXIST ? Taken(name_) : Failed(name_, error));
  path_.clear();
  return Sync(FolderOf(name_), O_DIRECTORY);
}

}  // namespace weft::sql
