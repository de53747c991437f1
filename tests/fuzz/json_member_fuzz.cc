// Attributes of a store that may be anybody's: whatever the text, what is found lies inside it.
#include <cstddef>
#include <cstdint>

#include "engine/base/check.h"
#include "sql/json_member.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  weft::sql::EachMember(text, [&](std::string_view key, const weft::sql::JsonMember& member) {
    WEFT_CHECK(key.data() >= text.data() && key.data() + key.size() <= text.data() + size);
    WEFT_CHECK(member.raw.data() >= text.data());
    WEFT_CHECK(member.raw.data() + member.raw.size() <= text.data() + size);
    WEFT_CHECK(weft::sql::FindMember(text, weft::sql::Unescape(key)).kind !=
               weft::sql::JsonMember::kNone);
  });
  return 0;
}
