#include "sinks/http/gzip.h"

#include <zlib.h>

#include "engine/base/check.h"

namespace weft::sinks {

void Gzip(std::string_view bytes, std::string* out) {
  z_stream stream{};
  constexpr int kGzip = 15 + 16;  // the largest window, in gzip's wrapping
  WEFT_CHECK(deflateInit2(&stream, Z_BEST_SPEED, Z_DEFLATED, kGzip, 8, Z_DEFAULT_STRATEGY) == Z_OK);
  out->resize(deflateBound(&stream, bytes.size()));
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
  stream.avail_in = static_cast<uInt>(bytes.size());
  stream.next_out = reinterpret_cast<Bytef*>(out->data());
  stream.avail_out = static_cast<uInt>(out->size());
  WEFT_CHECK(deflate(&stream, Z_FINISH) == Z_STREAM_END);
  out->resize(stream.total_out);
  deflateEnd(&stream);
}

}  // namespace weft::sinks
