// Rules for what spans carry as JSON text in otel.events and otel.links: attributes that have keys
// of their own, to which the rules apply as to those of spans. Names of events are looked at as
// operations are, trace states as those of spans; times and ids stay. Of lists and maps in values
// the texts and the secret names are hidden. Text that is none of this is hidden whole. Pure; any
// thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "engine/redact/rules.h"

namespace weft::redact {

struct Changes {
  uint64_t hidden = 0, hashed = 0, dropped = 0;
  bool any() const { return hidden + hashed + dropped > 0; }
};

// What is left to *out; unspecified where nothing has changed.
Changes RewriteEvents(const Rules& rules, std::string_view json, std::string* out);

}  // namespace weft::redact
