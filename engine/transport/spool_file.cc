#include "engine/transport/spool_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace weft::transport {
namespace {

Error FailureOf(const std::string& path, int error) {
  const bool full = error == ENOSPC || error == EDQUOT;
  return {full ? Code::kFull : Code::kIo, path + ": " + std::strerror(error)};
}

}  // namespace

Error SpoolFile::Failure(int error) const { return FailureOf(path_, error); }

Result<std::unique_ptr<SpoolFile>> SpoolFile::Create(const std::filesystem::path& path,
                                                     uint64_t first_index, int64_t unix_ns) {
  const int fd = open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (fd < 0) return std::unexpected(FailureOf(path, errno));
  std::unique_ptr<SpoolFile> file(new SpoolFile(fd, path));
  const std::string head = EncodeSpoolHead(first_index, unix_ns);
  const ssize_t written = pwrite(fd, head.data(), head.size(), 0);
  if (written != static_cast<ssize_t>(head.size())) {
    const Error error = file->Failure(written < 0 ? errno : ENOSPC);
    unlink(path.c_str());
    return std::unexpected(error);
  }
  file->bytes_ = head.size();
  return file;
}

Result<std::unique_ptr<SpoolFile>> SpoolFile::Open(const std::filesystem::path& path) {
  const int fd = open(path.c_str(), O_RDWR | O_CLOEXEC);
  if (fd < 0) return std::unexpected(FailureOf(path, errno));
  return std::unique_ptr<SpoolFile>(new SpoolFile(fd, path));
}

SpoolFile::~SpoolFile() { close(fd_); }

Result<void> SpoolFile::Append(uint64_t index, SpoolKind kind, const OutRecord& record) {
  const std::string_view body = record.payload->bytes();
  std::string head = EncodeSpoolFrameHead(index, kind, record);
  char zeros[8] = {};
  iovec parts[3] = {{head.data(), head.size()},
                    {const_cast<char*>(body.data()), body.size()},
                    {zeros, SpoolPadding(body.size())}};
  const size_t all = SpoolFrameBytes(body.size());
  ssize_t written = 0;
  do written = pwritev(fd_, parts, 3, static_cast<off_t>(bytes_));
  while (written < 0 && errno == EINTR);
  if (written == static_cast<ssize_t>(all)) {
    bytes_ += all;
    return {};
  }
  // A write that stopped short met the end of the room.
  const Error error = Failure(written < 0 ? errno : ENOSPC);
  if (ftruncate(fd_, static_cast<off_t>(bytes_)) != 0) return std::unexpected(error);
  return std::unexpected(error);
}

Result<void> SpoolFile::Acknowledge(uint64_t below) {
  const std::string cursor = EncodeSpoolCursor(below);
  if (pwrite(fd_, cursor.data(), cursor.size(), kSpoolCursorOffset) ==
      static_cast<ssize_t>(cursor.size()))
    return {};
  return std::unexpected(Failure(errno));
}

Result<void> SpoolFile::Sync() const {
  if (fdatasync(fd_) == 0) return {};
  return std::unexpected(Failure(errno));
}

Result<std::string> SpoolFile::ReadAll(const std::filesystem::path& path) {
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return std::unexpected(FailureOf(path, errno));
  struct stat info {};
  std::string bytes;
  int error = fstat(fd, &info) == 0 ? 0 : errno;
  if (error == 0) bytes.resize(static_cast<size_t>(info.st_size));
  size_t at = 0;
  while (error == 0 && at < bytes.size()) {
    const ssize_t n = pread(fd, bytes.data() + at, bytes.size() - at, static_cast<off_t>(at));
    if (n == 0) break;
    if (n > 0) at += static_cast<size_t>(n);
    if (n < 0 && errno != EINTR) error = errno;
  }
  close(fd);
  if (error != 0) return std::unexpected(FailureOf(path, error));
  bytes.resize(at);
  return bytes;
}

}  // namespace weft::transport
