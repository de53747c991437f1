// StorePath: the file that this process writes, where store.path leaves it open.
//
// Members of a group share a configuration but not a file. Places in the path are filled in:
// {host}; {instance}, the configured name of the process; {slot}, the first number from 1 whose
// file no other process has, which a restart finds again. Without a configured name {instance} is
// {host}-{slot}: a name made of the process id would leave a file behind at every restart.
//
// The engine claims the path before it opens the sink, and holds it as long as it runs; the lock of
// a slot is released by the kernel when the process dies.
#pragma once

#include <string>
#include <string_view>

#include "engine/base/result.h"
#include "sinks/sqlite/store_lock.h"

namespace weft::sinks {

class StorePath {
 public:
  // kInvalid: an unknown place. Else as StoreLock::Take; kFull: every slot is taken.
  static Result<StorePath> Claim(std::string_view pattern, std::string_view instance);
  const std::string& path() const { return path_; }

 private:
  std::string path_;
  StoreLock slot_;
};

}  // namespace weft::sinks
