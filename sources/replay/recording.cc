#include "sources/replay/recording.h"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include <fmt/format.h>
#include <xxhash.h>
#include <zstd.h>

#include "engine/api/codec.h"

namespace weft::sources {
namespace {

constexpr char kMagic[8] = {'W', 'E', 'F', 'T', 'R', 'E', 'C', '1'};
constexpr uint32_t kVersion = 1;
constexpr int kZstdLevel = 1;  // a recording must not cost more than what it records
constexpr size_t kLeastCompressed = 256;

struct FileHead {
  char magic[8];
  uint32_t version, partitions;
  int64_t created_unix_ns;
  uint64_t hash;
};
static_assert(sizeof(FileHead) == 32);

struct RecordHead {
  uint32_t stored_bytes, raw_bytes, partition;
  uint8_t type, compression;
  uint16_t zero;
  int64_t append_ns;
  uint64_t body_hash, head_hash;
};
static_assert(sizeof(RecordHead) == 40);

template <typename T>
uint64_t HashHead(const T& head) {
  return XXH3_64bits(&head, sizeof(T) - sizeof(uint64_t));
}

template <typename T>
std::string_view Bytes(const T& value) {
  return {reinterpret_cast<const char*>(&value), sizeof(T)};
}

}  // namespace

Result<RecordingWriter> RecordingWriter::Create(const std::filesystem::path& path,
                                                const RecordingHeader& header) {
  FilePtr file(std::fopen(path.c_str(), "wbe"));
  if (!file) return Fail(Code::kIo, fmt::format("{}: {}", path.string(), std::strerror(errno)));
  RecordingWriter writer(std::move(file), path.string());
  FileHead head{};
  std::memcpy(head.magic, kMagic, sizeof kMagic);
  head.version = kVersion;
  head.partitions = header.partitions;
  head.created_unix_ns = header.created_unix_ns;
  head.hash = HashHead(head);
  WEFT_TRY(writer.Put(Bytes(head)));
  return writer;
}

Result<void> RecordingWriter::Put(std::string_view bytes) {
  if (failure_) return std::unexpected(*failure_);
  if (std::fwrite(bytes.data(), 1, bytes.size(), file_.get()) != bytes.size()) {
    failure_ = Error{Code::kIo, fmt::format("{}: {}", name_, std::strerror(errno))};
    return std::unexpected(*failure_);
  }
  bytes_ += bytes.size();
  return {};
}

Result<void> RecordingWriter::Write(uint32_t partition, transport::RecordType type,
                                    int64_t append_ns, std::string_view payload) {
  std::string_view stored = payload;
  RecordHead head{};
  if (payload.size() >= kLeastCompressed) {
    scratch_.resize(ZSTD_compressBound(payload.size()));
    const size_t n =
        ZSTD_compress(scratch_.data(), scratch_.size(), payload.data(), payload.size(), kZstdLevel);
    if (!ZSTD_isError(n) && n < payload.size()) {
      stored = {scratch_.data(), n};
      head.compression = 1;
    }
  }
  head.stored_bytes = static_cast<uint32_t>(stored.size());
  head.raw_bytes = static_cast<uint32_t>(payload.size());
  head.partition = partition;
  head.type = static_cast<uint8_t>(type);
  head.append_ns = append_ns;
  head.body_hash = XXH3_64bits(stored.data(), stored.size());
  head.head_hash = HashHead(head);
  WEFT_TRY(Put(Bytes(head)));
  WEFT_TRY(Put(stored));
  ++records_;
  return {};
}

Result<void> RecordingWriter::Close() {
  if (!file_) return {};
  if (std::fclose(file_.release()) != 0 && !failure_)
    failure_ = Error{Code::kIo, fmt::format("{}: {}", name_, std::strerror(errno))};
  if (failure_) return std::unexpected(*failure_);
  return {};
}

bool RecordingReader::IsRecording(const std::filesystem::path& path) {
  std::error_code ignored;
  if (!std::filesystem::is_regular_file(path, ignored)) return false;  // a pipe is read once
  const FilePtr file(std::fopen(path.c_str(), "rbe"));
  char magic[sizeof kMagic] = {};
  return file && std::fread(magic, 1, sizeof magic, file.get()) == sizeof magic &&
         std::memcmp(magic, kMagic, sizeof magic) == 0;
}

Result<RecordingReader> RecordingReader::Open(const std::filesystem::path& path) {
  FilePtr file(std::fopen(path.c_str(), "rbe"));
  if (!file) return Fail(Code::kIo, fmt::format("{}: {}", path.string(), std::strerror(errno)));
  return Read(std::move(file), path.string());
}

Result<RecordingReader> RecordingReader::Read(FilePtr file, std::string name) {
  RecordingReader reader(std::move(file), std::move(name));
  std::FILE* f = reader.file_.get();
  if (std::fseek(f, 0, SEEK_END) != 0 || std::ftell(f) < 0)
    return Fail(Code::kIo, fmt::format("{}: not a file that can be read twice", reader.name_));
  reader.size_ = static_cast<uint64_t>(std::ftell(f));
  std::rewind(f);
  FileHead head{};
  if (std::fread(&head, 1, sizeof head, f) != sizeof head ||
      std::memcmp(head.magic, kMagic, sizeof kMagic) != 0)
    return Fail(Code::kCorrupt, fmt::format("{}: not a recording of weft", reader.name_));
  if (head.version > kVersion)
    return Fail(Code::kUnsupported, fmt::format("{}: version {}; this weft reads up to {}",
                                                reader.name_, head.version, kVersion));
  if (head.hash != HashHead(head) || head.partitions == 0)
    return Fail(Code::kCorrupt, fmt::format("{}: offset 0: the header is damaged", reader.name_));
  reader.header_ = {head.version, head.partitions, head.created_unix_ns};
  reader.position_ = sizeof head;
  return reader;
}

void RecordingReader::Damage(std::string_view what, uint64_t at) {
  if (totals_.damage.empty()) totals_.damage = fmt::format("{}: offset {}: {}", name_, at, what);
}

void RecordingReader::GiveUp(std::string_view what, uint64_t at) {
  Damage(what, at);
  ended_ = true;
  totals_.unread_bytes = size_ - at;
}

std::optional<transport::Record> RecordingReader::Next() {
  while (!ended_ && position_ < size_) {
    const uint64_t at = position_;
    RecordHead head{};
    if (std::fread(&head, 1, sizeof head, file_.get()) != sizeof head) {
      GiveUp("the file ends inside a record", at);
      break;
    }
    if (head.head_hash != HashHead(head) || head.raw_bytes > api::kMaxRecordBytes ||
        head.stored_bytes > api::kMaxRecordBytes || head.partition >= header_.partitions) {
      GiveUp("a record's head is damaged", at);
      break;
    }
    // The size is known before anything is allocated for it.
    if (head.stored_bytes > size_ - at - sizeof head) {
      GiveUp("the file ends inside a record", at);
      break;
    }
    stored_.resize(head.stored_bytes);
    if (std::fread(stored_.data(), 1, stored_.size(), file_.get()) != stored_.size()) {
      GiveUp("the file cannot be read further", at);
      break;
    }
    position_ = at + sizeof head + stored_.size();
    auto payload = std::make_shared<transport::Payload>(head.raw_bytes);
    if (head.body_hash != XXH3_64bits(stored_.data(), stored_.size()) ||
        !Body(head.raw_bytes, head.compression, *payload)) {
      ++totals_.corrupt_records;
      Damage("a record's content is damaged; it is skipped", at);
      continue;
    }
    transport::Record record;
    record.partition = head.partition;
    record.type = static_cast<transport::RecordType>(head.type);
    record.offset = totals_.records++;
    record.append_ns = head.append_ns;
    record.payload = std::move(payload);
    return record;
  }
  return std::nullopt;
}

bool RecordingReader::Body(uint32_t raw_bytes, uint8_t compression, transport::Payload& out) const {
  if (compression == 0) {
    if (stored_.size() != raw_bytes) return false;
    std::copy(stored_.begin(), stored_.end(), out.data());
    return true;
  }
  return compression == 1 &&
         ZSTD_decompress(out.data(), raw_bytes, stored_.data(), stored_.size()) == raw_bytes;
}

}  // namespace weft::sources
