// Two lines, weft-schema and content-type of a message; what is refused must say so in printable
// text.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "engine/transport/kafka_record.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const size_t line = text.find('\n');
  const auto read = weft::transport::ReadHeaders(
      text.substr(0, line), line == text.npos ? std::string_view() : text.substr(line + 1));
  if (const auto* reason = std::get_if<std::string>(&read)) {
    if (reason->empty() || reason->size() > 200) std::abort();
    for (const char c : *reason)
      if (c < ' ' || c > '~') std::abort();
  }
  return 0;
}
