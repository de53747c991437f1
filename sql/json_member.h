// A member of a flat JSON object, found without parsing the rest: attributes of spans.
//
// Pure; `json` may be anything, and answers kNone where it is no object. Views are into `json`.
#pragma once

#include <functional>
#include <string>
#include <string_view>

namespace weft::sql {

struct JsonMember {
  enum Kind { kNone, kText, kNumber, kTrue, kFalse, kNull, kNested };
  Kind kind = kNone;
  std::string_view raw;  // of kText without the quotes, escapes as they are
};

JsonMember FindMember(std::string_view json, std::string_view key);
// All of them in order, up to what is no JSON. Keys are as they are in the text, escapes and all.
void EachMember(std::string_view json,
                const std::function<void(std::string_view key, const JsonMember&)>& visit);
// The text that the inside of a JSON string stands for; what makes no sense is left as it is.
std::string Unescape(std::string_view raw);

}  // namespace weft::sql
