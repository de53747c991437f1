// The configuration loader: any bytes give a Config or an error that names the file, nothing else.
#include <cstdint>
#include <string_view>

#include "engine/base/check.h"
#include "engine/base/config.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto config = weft::ParseConfig(text, "fuzz.yaml");
  if (config)
    WEFT_CHECK(weft::CheckConfig(*config).has_value());
  else
    WEFT_CHECK(config.error().message.starts_with("fuzz.yaml"));
  return 0;
}
