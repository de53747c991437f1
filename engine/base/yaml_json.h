// ToJson: a YAML value as compact JSON, for the part of a configuration that belongs to a plugin.
//
// Quoted scalars are strings; plain ones are null, true, false, numbers or else strings, as in YAML
// 1.2. Bounded in depth and size, because aliases can make a small file endlessly large.
#pragma once

#include <string>

#include "engine/base/result.h"

namespace YAML {
class Node;
}

namespace weft {

Result<std::string> ToJson(const YAML::Node& node);

}  // namespace weft
