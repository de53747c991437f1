// PluginLoader: finds plugins by kind and name in one folder and brings them up to a checked table.
//
// Order: resolve inside the folder, dlopen, symbol, version and sizes, required functions. Then
// PluginInstance::Create: configuration against the schema, create. Any failure is an Error that
// names plugin, step and cause, and the caller refuses the pipeline. Libraries stay loaded until
// exit. One thread; what it returns may be used anywhere.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "engine/plugin/table_check.h"

namespace weft::plugin {

class PluginLoader {
 public:
  // Nothing outside `folder` is ever opened.
  explicit PluginLoader(std::filesystem::path folder) : folder_(std::move(folder)) {}

  // The plugin of that kind and name: one added with Add, else weft-<kind>-<name>.so in the folder.
  Result<LoadedPlugin> Load(Kind kind, std::string_view name);

  // Makes a table in memory loadable, before any file of the same kind and name.
  Result<void> Add(const weft_plugin* table);

  // "correlator delay" for each library in the folder, by file name; nothing is opened.
  std::vector<std::string> List() const;

 private:
  Result<std::filesystem::path> Resolve(Kind kind, std::string_view name) const;

  std::filesystem::path folder_;
  std::map<std::string, LoadedPlugin, std::less<>> loaded_;
};

// Where the plugins are when nothing is configured: $WEFT_PLUGIN_PATH, else "plugins" beside the
// running program (a build tree), else ../lib*/weft/plugins from it (an installation).
std::filesystem::path DefaultPluginFolder();

}  // namespace weft::plugin
