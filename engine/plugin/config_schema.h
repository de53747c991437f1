// CompleteConfig: checks a plugin's configuration against the plugin's JSON schema and fills in the
// defaults, so that `create` sees every key that has one, in compact JSON.
//
// The subset of JSON Schema: type, properties, required, additionalProperties (true or false),
// enum, minimum, maximum, default, items; title, description, examples and $schema are allowed and
// ignored. Any other keyword refuses the schema: a rule that is not checked would be a lie.
// Unlike JSON Schema, an object with `properties` refuses other keys unless additionalProperties is
// true: a misspelt key must not pass silently. Any thread.
#pragma once

#include <string>
#include <string_view>

#include "engine/base/result.h"

namespace weft::plugin {

// `schema` may be empty: then only an empty configuration is valid. Messages name the key by its
// path ("policies[2].rate") and, for an unknown key, the nearest known one.
Result<std::string> CompleteConfig(std::string_view schema, std::string_view config_json);

}  // namespace weft::plugin
