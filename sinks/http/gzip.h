// gzip of whole messages: HTTP bodies out, and bodies of others in. Any thread.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "engine/base/result.h"

namespace weft::sinks {

// Replaces *out. The fastest level: the rest is the network's.
void Gzip(std::string_view bytes, std::string* out);

}  // namespace weft::sinks
