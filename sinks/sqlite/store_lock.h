// StoreLock: one process writes a store at a time; the second is refused instead of colliding.
//
// The sink numbers its rows in memory, so two writers would take the same numbers, and each would
// lose what the other had stored first. SqliteSink holds the lock as long as it lives; readers need
// none. It is an flock on `FILE-lock`, which a killed process leaves behind without harm. Not on
// the database itself: closing a descriptor of that file would drop SQLite's own locks on it.
#pragma once

#include <optional>
#include <string>

#include "engine/base/result.h"

namespace weft::sinks {

class StoreLock {
 public:
  // kIo, with the number of the process that has it, if the store is being written to.
  static Result<StoreLock> Take(const std::string& store);
  // nullopt if somebody has it.
  static Result<std::optional<StoreLock>> TryTake(const std::string& store);
  StoreLock() = default;
  StoreLock(StoreLock&& other) noexcept;
  StoreLock& operator=(StoreLock&& other) noexcept;
  ~StoreLock();

 private:
  StoreLock(std::string path, int fd) : path_(std::move(path)), fd_(fd) {}

  std::string path_;
  int fd_ = -1;
};

}  // namespace weft::sinks
