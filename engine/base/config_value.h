// SetConfigValue: one YAML value into one member of the Config, checked against its key.
//
// The loader calls it for each known key of a file. The error says what was expected and what was
// there, without file or key: the loader adds those.
#pragma once

#include "engine/base/config_keys.h"

namespace YAML {
class Node;
}

namespace weft {

Result<void> SetConfigValue(const ConfigKey& key, const YAML::Node& value, Config& config);

}  // namespace weft
