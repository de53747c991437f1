// gzip of strangers: never more than the bound is made of it.
#include <cstddef>
#include <cstdint>

#include "engine/base/check.h"
#include "sources/otlp/gunzip.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  constexpr size_t kMost = 100'000;
  const auto plain = weft::otlp::Gunzip({reinterpret_cast<const char*>(data), size}, kMost);
  if (plain) WEFT_CHECK(plain->size() <= kMost);
  return 0;
}
