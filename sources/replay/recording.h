// Recordings: weft.events on disk, to be replayed later or elsewhere.
//
// File: a header, then records, little endian, appended only:
//   header: magic "WEFTREC1", u32 version, u32 partitions, i64 created (Unix ns), u64 hash
//   record: u32 stored bytes, u32 raw bytes, u32 partition, u8 type, u8 compression (0 none, 1
//   zstd),
//           u16 zero, i64 append time (ns), u64 hash of the stored bytes, u64 hash of the 32 bytes
//           before; then the stored bytes
// Hashes are XXH3. A body that fails its hash costs that record; a head that does, or a file that
// ends early, ends the reading there: what was read is good, the rest is counted.
// One thread each.
#pragma once

#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/base/result.h"
#include "engine/transport/transport.h"

namespace weft::sources {

struct FileCloser {
  void operator()(std::FILE* file) const { std::fclose(file); }
};
using FilePtr = std::unique_ptr<std::FILE, FileCloser>;

struct RecordingHeader {
  uint32_t version = 1;
  uint32_t partitions = 0;
  int64_t created_unix_ns = 0;
};

class RecordingWriter {
 public:
  // Replaces the file. Fails where it cannot be written.
  static Result<RecordingWriter> Create(const std::filesystem::path& path,
                                        const RecordingHeader& header);
  // After a failure (a full disk) every further call fails the same way.
  Result<void> Write(uint32_t partition, transport::RecordType type, int64_t append_ns,
                     std::string_view payload);
  // Everything written so far reaches the file; the error of an earlier write, if any.
  Result<void> Close();
  uint64_t records() const { return records_; }
  uint64_t bytes() const { return bytes_; }  // on disk

 private:
  RecordingWriter(FilePtr file, std::string name)
      : file_(std::move(file)), name_(std::move(name)) {}
  Result<void> Put(std::string_view bytes);

  FilePtr file_;
  std::string name_;
  std::optional<Error> failure_;
  std::string scratch_;
  uint64_t records_ = 0, bytes_ = 0;
};

class RecordingReader {
 public:
  struct Totals {
    uint64_t records = 0;          // given out
    uint64_t corrupt_records = 0;  // skipped: a body failed its hash or did not decompress
    uint64_t unread_bytes = 0;     // behind the place where reading had to end
    std::string damage;            // the first damage in words with its offset; empty: none
  };

  // Whether it begins like one.
  static bool IsRecording(const std::filesystem::path& path);
  // kCorrupt where the file is no recording, kUnsupported where it is of a newer version.
  static Result<RecordingReader> Open(const std::filesystem::path& path);
  // The same over an open file; `name` is for messages.
  static Result<RecordingReader> Read(FilePtr file, std::string name);

  const RecordingHeader& header() const { return header_; }
  // The next record (stream kEvents, offset = its number); nothing at the end. Damage is no error
  // here: see totals().
  std::optional<transport::Record> Next();
  const Totals& totals() const { return totals_; }

 private:
  RecordingReader(FilePtr file, std::string name)
      : file_(std::move(file)), name_(std::move(name)) {}
  void Damage(std::string_view what, uint64_t at);
  void GiveUp(std::string_view what, uint64_t at);
  bool Body(uint32_t raw_bytes, uint8_t compression, transport::Payload& out) const;

  FilePtr file_;
  std::string name_;
  RecordingHeader header_;
  uint64_t size_ = 0, position_ = 0;
  bool ended_ = false;
  std::vector<char> stored_;
  Totals totals_;
};

}  // namespace weft::sources
