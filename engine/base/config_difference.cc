#include "engine/base/config.h"
#include "engine/base/config_keys.h"

namespace weft {

std::vector<std::string> ChangedKeys(const Config& before, const Config& after) {
  // The members are found through a Config that might be changed.
  Config a = before, b = after;
  std::vector<std::string> changed;
  for (const ConfigKey& key : ConfigKeys())
    if (!std::visit([&](auto member) { return *member(a) == *member(b); }, key.member))
      changed.emplace_back(key.path);
  return changed;
}

}  // namespace weft
