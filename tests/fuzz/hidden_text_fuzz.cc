// What redaction looks into: any text of a traced program, any events.
#include <cstdint>
#include <string>
#include <string_view>

#include "engine/base/check.h"
#include "engine/base/secrets.h"
#include "engine/redact/event_text.h"
#include "engine/redact/hidden_text.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  const bool query = (data[0] & 16) != 0;
  std::string out;
  const bool found = weft::redact::HideSecrets(data[0] & 15, text, query, &out);
  WEFT_CHECK(found == (out.find(weft::kRedacted) != out.npos));
  static const auto rules = weft::redact::Rules::Make({}).value();
  if (weft::redact::RewriteEvents(*rules, text, &out).any() && out != weft::kRedacted) {
    std::string again;
    weft::redact::RewriteEvents(*rules, out, &again);
    WEFT_CHECK(again != weft::kRedacted);  // it is a list of events still
  }
  return 0;
}
