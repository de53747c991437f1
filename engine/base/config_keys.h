// ConfigKey: one line of the table of all configuration keys.
//
// The table is what makes the loader, the checks, the suggestions and --print-defaults agree: a new
// key is one member in config.h and one line in config_keys.cc. Static storage; any thread.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "engine/base/config.h"

namespace weft {

enum class Unit : uint8_t { kNone, kDuration, kSize };

// Which member of the Config a key sets; the type decides what the file may say.
using ConfigMember =
    std::variant<bool* (*)(Config&), int64_t* (*)(Config&), uint64_t* (*)(Config&),
                 double* (*)(Config&), std::string* (*)(Config&),
                 std::vector<std::string>* (*)(Config&), std::vector<int64_t>* (*)(Config&),
                 std::vector<PluginChoice>* (*)(Config&),
                 std::map<std::string, std::string>* (*)(Config&)>;

struct ConfigKey {
  std::string_view path;  // "stitch.window"
  ConfigMember member;
  std::string_view doc;     // may have several lines
  double min = 0, max = 0;  // inclusive; for lists of numbers, of each; 0, 0: any
  Unit unit = Unit::kNone;
  std::string_view choices = "";  // "debug info warn error"
};

std::span<const ConfigKey> ConfigKeys();

// What the section is for: a comment above it in --print-defaults. "" if it has none.
std::string_view SectionDoc(std::string_view path);

}  // namespace weft
