// What redaction looks into: any text of a traced program.
#include <cstdint>
#include <string>
#include <string_view>

#include "engine/base/check.h"
#include "engine/base/secrets.h"
#include "engine/redact/hidden_text.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  const bool query = (data[0] & 16) != 0;
  std::string out;
  const bool found = weft::redact::HideSecrets(data[0] & 15, text, query, &out);
  WEFT_CHECK(found == (out.find(weft::kRedacted) != out.npos));
  return 0;
}
