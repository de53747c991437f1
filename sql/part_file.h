// PartFile: a file that gets its name when it is whole; for `weft snapshot` and `weft recover`.
//
// One thread. Until Publish it is called "NAME-weft-part-" and something random, which nobody can
// have put there before, with mode 0600. It may be opened by path meanwhile; close that first, then
// publish. The destructor removes what was not published, SQLite's files beside it too. It is
// locked as long as this lives: Create removes those of the same NAME that were left by a process
// that was killed.
#pragma once

#include <string>

#include "engine/base/result.h"

namespace weft::sql {

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
  int lock_ = -1;
};

}  // namespace weft::sql
