// SpoolFile: one segment file of a spool, open for writing.
//
// Appends whole frames, or nothing; keeps the cursor in its head. Nothing is synced but by Sync: a
// killed process loses nothing, a power failure what was not synced. One thread, but for Sync.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "engine/transport/spool_segment.h"

namespace weft::transport {

class SpoolFile {
 public:
  static Result<std::unique_ptr<SpoolFile>> Create(const std::filesystem::path& path,
                                                   uint64_t first_index, int64_t unix_ns);
  // An existing one, for its cursor only.
  static Result<std::unique_ptr<SpoolFile>> Open(const std::filesystem::path& path);
  ~SpoolFile();
  SpoolFile(const SpoolFile&) = delete;
  SpoolFile& operator=(const SpoolFile&) = delete;

  // kFull: no room on the disk. After a failure the file ends where it ended before.
  Result<void> Append(uint64_t index, SpoolKind kind, const OutRecord& record);
  Result<void> Acknowledge(uint64_t below);
  Result<void> Sync() const;
  uint64_t bytes() const { return bytes_; }

  static Result<std::string> ReadAll(const std::filesystem::path& path);

 private:
  SpoolFile(int fd, std::string path) : fd_(fd), path_(std::move(path)) {}
  Error Failure(int error) const;

  const int fd_;
  const std::string path_;
  uint64_t bytes_ = 0;
};

}  // namespace weft::transport
