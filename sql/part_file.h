// PartFile: a file that gets its name when it is whole; for `weft snapshot` and `weft recover`.
//
// One thread. Until Publish it is called "NAME-weft-part-" and something random, which nobody can
// have put there before, with mode 0600. It may be opened by path meanwhile; close that first, then
// publish. The destructor removes what was not published, SQLite's files beside it too. As long as
// this lives, a file beside it ("...-lock") is locked: Create removes what processes that were
// killed have left of the same NAME. Not the file itself: on NFS and SMB that lock and those of
// SQLite are of one kind, and would keep SQLite out.
#pragma once

#include <string>

#include "engine/base/result.h"

namespace weft::sql {

// What names the folder of `path` has is on disk.
Result<void> SyncFolderOf(const std::string& path);

class PartFile {
 public:
  // kInvalid: `name` is there already; else as the folder says.
  static Result<PartFile> Create(const std::string& name);
  PartFile(PartFile&& other) noexcept;
  PartFile& operator=(PartFile&&) = delete;
  ~PartFile();

  const std::string& path() const { return path_; }

  // On disk, and by its name in the folder there. kInvalid where somebody has taken the name
  // meanwhile: nothing is overwritten.
  Result<void> Publish();

 private:
  PartFile(std::string name, std::string path, int lock);

  std::string name_, path_;  // path_ empty: nothing to remove
  std::string lock_path_;
  int lock_ = -1;
};

}  // namespace weft::sql
