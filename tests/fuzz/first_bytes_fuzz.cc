// Any bytes and any length give a guess, or none, without reading beyond them.
#include <cstdint>
#include <cstdlib>
#include <vector>

#include "sources/ebpf/protocols/first_bytes.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::vector<char> bytes(data, data + size);
  for (const uint64_t length : {uint64_t{size}, uint64_t{size} + 1, uint64_t{1} << 40})
    if (weft::ebpf::GuessProtocol({bytes.data(), bytes.size()}, length).size() > 16) std::abort();
  return 0;
}
