// A segment file of a spool: every frame that is given is whole, what is not is told, together they
// are the whole file, and there are no more records than fit.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "engine/transport/spool_segment.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace weft::transport;
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  SpoolSegmentReader reader(bytes);
  size_t at = size < kSpoolHeadBytes ? size : kSpoolHeadBytes;
  while (const auto item = reader.Next()) {
    if (const auto* frame = std::get_if<SpoolFrame>(&*item)) {
      if (frame->offset != at) std::abort();
      at += SpoolFrameBytes(frame->payload.size());
      if (frame->payload.data() < bytes.data() ||
          frame->payload.data() + frame->payload.size() > bytes.data() + bytes.size())
        std::abort();
    } else {
      const auto& damage = std::get<SpoolDamage>(*item);
      if (damage.offset != at || damage.bytes == 0 || damage.what.empty()) std::abort();
      at += damage.bytes;
    }
    if (at > size + 7) std::abort();  // the last frame's padding may be missing
  }
  if (at < size) std::abort();
  return 0;
}
