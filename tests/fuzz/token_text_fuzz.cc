// Feeds text to TokenText, whole, cut and percent-encoded. A cut text gives no token that the whole
// one, with room for all, has not.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "sources/ebpf/token_text.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const weft::ebpf::TokenText text("salt", {"badge"});
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  weft::ebpf::TokenSet whole, again, cut, decoded;
  const bool secret = text.Scan(bytes, false, &whole);
  if (text.Scan(bytes, false, &again) != secret) std::abort();
  text.Scan(bytes, true, &cut);
  text.ScanEncoded(bytes, false, &decoded);
  if (whole.hashes().size() != again.hashes().size()) std::abort();
  for (size_t i = 0; i < whole.hashes().size(); ++i)
    if (whole.hashes()[i] != again.hashes()[i] || (whole.hashes()[i] & 1) != 0) std::abort();
  if (whole.hashes().size() < weft::ebpf::TokenSet::kMax)
    for (const uint32_t token : cut.hashes())
      if (std::ranges::find(whole.hashes(), token) == whole.hashes().end()) std::abort();
  return 0;
}
