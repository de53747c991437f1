#include "sql/part_file.h"

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <utility>

#include <fcntl.h>
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

}  // namespace

PartFile::PartFile(std::string name, std::string path)
    : name_(std::move(name)), path_(std::move(path)) {}

PartFile::PartFile(PartFile&& other) noexcept
    : name_(std::move(other.name_)), path_(std::exchange(other.path_, {})) {}

PartFile::~PartFile() {
  if (path_.empty()) return;
  for (const char* suffix : {"", "-wal", "-shm", "-journal"}) ::unlink((path_ + suffix).c_str());
}

Result<PartFile> PartFile::Create(const std::string& name) {
  if (::faccessat(AT_FDCWD, name.c_str(), F_OK, AT_SYMLINK_NOFOLLOW) == 0)
    return std::unexpected(Taken(name));
  std::string path = name + "-part-XXXXXX";
  const int fd = ::mkostemp(path.data(), O_CLOEXEC);  // O_EXCL, 0600
  if (fd < 0) return std::unexpected(Failed(name, errno));
  ::close(fd);
  return PartFile(name, std::move(path));
}

Result<void> PartFile::Publish() {
  if (const auto synced = Sync(path_, 0); !synced) return synced;
  if (const int error = RenameToNew(path_, name_); error != 0)
    return std::unexpected(error == EEXIST ? Taken(name_) : Failed(name_, error));
  path_.clear();
  return Sync(FolderOf(name_), O_DIRECTORY);
}

}  // namespace weft::sql
