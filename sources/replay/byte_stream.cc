#include "sources/replay/byte_stream.h"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <zlib.h>
#include <zstd.h>

namespace weft::sources {
namespace {

constexpr size_t kPiece = 64 << 10;

class PlainBytes final : public ByteStream {
 public:
  PlainBytes(std::FILE* file, std::string name) : file_(file), name_(std::move(name)) {}
  Result<size_t> Read(char* out, size_t size) override {
    if (!peeked_.empty()) {
      const size_t n = peeked_.copy(out, size);
      peeked_.erase(0, n);
      return n;
    }
    const size_t n = std::fread(out, 1, size, file_.get());
    if (n == 0 && std::ferror(file_.get()) != 0)
      return Fail(Code::kIo, fmt::format("{}: {}", name_, std::strerror(errno)));
    return n;
  }
  // The first bytes, which Read gives again: a pipe cannot be rewound.
  const std::string& Peek(size_t size) {
    peeked_.resize(size);
    peeked_.resize(std::fread(peeked_.data(), 1, size, file_.get()));
    return peeked_;
  }
  const std::string& name() const { return name_; }

 private:
  struct Close {
    void operator()(std::FILE* f) const { std::fclose(f); }
  };
  std::unique_ptr<std::FILE, Close> file_;
  std::string name_;
  std::string peeked_;
};

// What both decompressors share: a piece of the file, read when it is used up.
class Pieces {
 public:
  explicit Pieces(std::unique_ptr<PlainBytes> file) : file_(std::move(file)), piece_(kPiece) {}
  // False at the end of the file.
  Result<bool> Fill() {
    const auto n = file_->Read(piece_.data(), piece_.size());
    if (!n) return std::unexpected(n.error());
    size_ = *n;
    return size_ > 0;
  }
  char* data() { return piece_.data(); }
  size_t size() const { return size_; }
  auto Damaged(std::string_view what) const {
    return Fail(Code::kCorrupt, fmt::format("{}: {}", file_->name(), what));
  }

 private:
  std::unique_ptr<PlainBytes> file_;
  std::vector<char> piece_;
  size_t size_ = 0;
};

class GzipBytes final : public ByteStream {
 public:
  explicit GzipBytes(std::unique_ptr<PlainBytes> file) : in_(std::move(file)) {
    ok_ = inflateInit2(&z_, 15 + 16) == Z_OK;  // 16: with a gzip header
  }
  ~GzipBytes() override { inflateEnd(&z_); }
  GzipBytes(const GzipBytes&) = delete;
  GzipBytes& operator=(const GzipBytes&) = delete;

  Result<size_t> Read(char* out, size_t size) override {
    if (!ok_) return in_.Damaged("damaged gzip data");
    z_.next_out = reinterpret_cast<Bytef*>(out);
    z_.avail_out = static_cast<uInt>(size);
    while (z_.avail_out == size) {
      if (z_.avail_in == 0) {
        const auto more = in_.Fill();
        if (!more) return std::unexpected(more.error());
        if (!*more) break;
        z_.next_in = reinterpret_cast<Bytef*>(in_.data());
        z_.avail_in = static_cast<uInt>(in_.size());
      }
      // Files may be put one behind the other.
      if (at_end_) inflateReset(&z_);
      at_end_ = false;
      const int result = inflate(&z_, Z_NO_FLUSH);
      at_end_ = result == Z_STREAM_END;
      ok_ = at_end_ || result == Z_OK || result == Z_BUF_ERROR;
      if (!ok_) break;
    }
    const size_t n = size - z_.avail_out;
    if (n == 0 && !ok_) return in_.Damaged("damaged gzip data");
    if (n == 0 && !at_end_) return in_.Damaged("the gzip data is cut off");
    return n;
  }

 private:
  Pieces in_;
  z_stream z_{};
  bool ok_ = false, at_end_ = false;
};

class ZstdBytes final : public ByteStream {
 public:
  explicit ZstdBytes(std::unique_ptr<PlainBytes> file) : in_(std::move(file)) {}
  ~ZstdBytes() override { ZSTD_freeDStream(z_); }
  ZstdBytes(const ZstdBytes&) = delete;
  ZstdBytes& operator=(const ZstdBytes&) = delete;

  Result<size_t> Read(char* out, size_t size) override {
    ZSTD_outBuffer to{out, size, 0};
    while (to.pos == 0 && ok_) {
      // A full output may have left bytes inside: those come before the file is asked.
      if (from_.pos == from_.size && !full_) {
        const auto more = in_.Fill();
        if (!more) return std::unexpected(more.error());
        if (!*more) break;
        from_ = {in_.data(), in_.size(), 0};
      }
      left_ = ZSTD_decompressStream(z_, &to, &from_);
      ok_ = ZSTD_isError(left_) == 0;
      full_ = to.pos == to.size;
    }
    if (to.pos == 0 && !ok_) return in_.Damaged("damaged zstd data");
    if (to.pos == 0 && left_ != 0) return in_.Damaged("the zstd data is cut off");
    return to.pos;
  }

 private:
  Pieces in_;
  ZSTD_DStream* z_ = ZSTD_createDStream();
  ZSTD_inBuffer from_{nullptr, 0, 0};
  size_t left_ = 0;
  bool ok_ = true, full_ = false;
};

}  // namespace

Result<std::unique_ptr<ByteStream>> ByteStream::Open(const std::filesystem::path& path) {
  if (std::filesystem::is_directory(path))
    return Fail(Code::kInvalid, fmt::format("{}: is a folder", path.string()));
  std::FILE* file = std::fopen(path.c_str(), "rbe");
  if (file == nullptr)
    return Fail(errno == ENOENT ? Code::kNotFound : Code::kIo,
                fmt::format("{}: {}", path.string(), std::strerror(errno)));
  return Over(file, path.string());
}

std::unique_ptr<ByteStream> ByteStream::Over(std::FILE* file, std::string name) {
  auto plain = std::make_unique<PlainBytes>(file, std::move(name));
  const std::string head = plain->Peek(4);
  if (head.starts_with("\x1f\x8b")) return std::make_unique<GzipBytes>(std::move(plain));
  if (head == "\x28\xb5\x2f\xfd") return std::make_unique<ZstdBytes>(std::move(plain));
  return plain;
}

}  // namespace weft::sources
