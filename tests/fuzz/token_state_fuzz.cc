// Feeds bytes to the token correlator's Load; what is accepted is used and saved again.
#include <cstdint>
#include <cstdlib>
#include <string>

#include "plugins/correlator-token/process_tokens.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace weft::plugins::token;
  ProcessTokens tokens;
  if (!tokens.Load({reinterpret_cast<const char*>(data), size})) return 0;
  for (uint32_t i = 0; i < 32; ++i) {
    const float f = tokens.Frequency(i, kRequest, 2 * i, true);
    const TokenReliability r = tokens.Reliability(i, i + 1, kResponse);
    if (!(f > 0 && f <= 1) || !(r.Shares(f) > 0) || !(r.SharesNone() > 0)) std::abort();
    tokens.CountToken(i, kEarlier, 2 * i);
  }
  std::string bytes;
  tokens.Save(bytes);
  if (bytes.size() > 256 * 1024 || !tokens.Load(bytes)) std::abort();
  return 0;
}
