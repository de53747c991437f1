#include "sources/otlp/gunzip.h"

#include <algorithm>
#include <memory>

#include <fmt/format.h>
#include <zlib.h>

namespace weft::otlp {
namespace {

constexpr size_t kFirstBytes = 64 << 10;

struct InflateEnd {
  void operator()(z_stream* stream) const { inflateEnd(stream); }
};

}  // namespace

Result<std::string> Gunzip(std::string_view bytes, size_t max_bytes) {
  z_stream stream{};
  constexpr int kGzipOrZlib = 15 + 32;
  if (inflateInit2(&stream, kGzipOrZlib) != Z_OK) return Fail(Code::kFull, "gzip: no memory");
  const std::unique_ptr<z_stream, InflateEnd> end(&stream);
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
  stream.avail_in = static_cast<uInt>(std::min<size_t>(bytes.size(), UINT32_MAX));
  std::string out;
  // One byte more than is allowed shows that there is more.
  for (size_t room = std::min(kFirstBytes, max_bytes + 1);;
       room = std::min(room * 2, max_bytes + 1)) {
    out.resize(room);
    stream.next_out = reinterpret_cast<Bytef*>(out.data() + stream.total_out);
    stream.avail_out = static_cast<uInt>(room - stream.total_out);
    const int done = inflate(&stream, Z_NO_FLUSH);
    if (stream.total_out > max_bytes)
      return Fail(Code::kFull,
                  fmt::format("gzip: the message has more than {} bytes uncompressed", max_bytes));
    if (done == Z_STREAM_END) break;
    if (done != Z_OK && done != Z_BUF_ERROR)
      return Fail(Code::kCorrupt, fmt::format("gzip: {}", stream.msg ? stream.msg : "damaged"));
    if (stream.avail_out > 0) return Fail(Code::kCorrupt, "gzip: ends early");
  }
  out.resize(stream.total_out);
  return out;
}

}  // namespace weft::otlp
