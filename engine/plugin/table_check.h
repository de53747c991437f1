// CheckTable: everything that can be said about a plugin's table before any of its code runs.
//
// The loader calls it on what weft_plugin_v1 returned; tests and compiled-in plugins hand their
// tables in directly. A LoadedPlugin only borrows the table, which has static storage in a library
// that stays loaded until exit. Any thread.
#pragma once

#include <string>
#include <string_view>

#include "engine/api/plugin_abi.h"
#include "engine/base/result.h"

namespace weft::plugin {

enum class Kind : uint32_t {
  kCorrelator = WEFT_PLUGIN_CORRELATOR,
  kSampler = WEFT_PLUGIN_SAMPLER,
  kExporter = WEFT_PLUGIN_EXPORTER,
};

std::string_view KindName(Kind kind);

// A plugin whose table has passed every check.
struct LoadedPlugin {
  std::string name;
  Kind kind = Kind::kCorrelator;
  const weft_plugin* table = nullptr;
  std::string origin;  // the library's path, or "built in"
};

// Checks sizes, versions, kind, name and the required functions. The message of a failure begins
// with the step and says what to change.
Result<LoadedPlugin> CheckTable(const weft_plugin* table, std::string_view origin = "built in");

}  // namespace weft::plugin
