#include "sql/store_rights.h"

#include <cerrno>
#include <cstring>
#include <vector>

#include <fcntl.h>
#include <grp.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fmt/format.h>

namespace weft::sql {
namespace {

constexpr mode_t kShared = 0640;

Result<gid_t> GroupId(const std::string& name) {
  std::vector<char> text(16 << 10);
  struct group group {};
  struct group* found = nullptr;
  if (::getgrnam_r(name.c_str(), &group, text.data(), text.size(), &found) == 0 && found != nullptr)
    return found->gr_gid;
  return Fail(Code::kInvalid,
              fmt::format("store.group: this host has no group {0}; groupadd --system {0}", name));
}

Result<void> Share(const std::string& path, gid_t gid, const std::string& group) {
  struct stat now {};
  if (::stat(path.c_str(), &now) != 0) return {};  // no such file: nothing to read
  if (now.st_gid == gid && (now.st_mode & 07777) == kShared) return {};
  // The rights come last: until then they would be another group's.
  if (now.st_gid != gid && ::chown(path.c_str(), static_cast<uid_t>(-1), gid) != 0)
    return Fail(
        Code::kDenied,
        fmt::format("{}: cannot be given to the group {}: {}; only root and its members may", path,
                    group, std::strerror(errno)));
  if (::chmod(path.c_str(), kShared) != 0)
    return Fail(Code::kDenied, fmt::format("{}: {}", path, std::strerror(errno)));
  return {};
}

}  // namespace

Result<void> ShareStore(const std::string& path, const std::string& group) {
  if (group.empty()) return {};
  const auto gid = GroupId(group);
  if (!gid) return std::unexpected(gid.error());
  const int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (fd >= 0) ::close(fd);  // new, so nobody else has it open
  for (const char* suffix : {"", "-wal", "-shm"}) WEFT_TRY(Share(path + suffix, *gid, group));
  return {};
}

Result<void> ShareOpenStore(const Database& db, const std::string& group) {
  int keep = 1;
  const int rc = sqlite3_file_control(db.get(), "main", SQLITE_FCNTL_PERSIST_WAL, &keep);
  if (rc != SQLITE_OK) return std::unexpected(db.LastError("keep the log"));
  // The log and its index are there once something was read.
  const auto read = db.QueryInt("SELECT count(*) FROM sqlite_master");
  if (!read) return std::unexpected(read.error());
  return ShareStore(db.path(), group);
}

}  // namespace weft::sql
