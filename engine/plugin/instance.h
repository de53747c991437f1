// PluginInstance: one living instance of a plugin, made by `create` and ended by `destroy`.
//
// The engine makes one per shard (correlators, samplers) or one per exporter. One caller at a time.
// Operations come as full tables of this engine's size: functions that the plugin's shorter table
// does not have are null. Movable; the tables stay where they are.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "engine/api/plugin_abi.h"
#include "engine/base/result.h"
#include "engine/plugin/host.h"
#include "engine/plugin/table_check.h"

namespace weft::plugin {

class PluginInstance {
 public:
  // Checks the configuration (a JSON object; "" is {}) against the plugin's schema, fills in its
  // defaults and calls create. A failure names plugin, step and cause. `services` must outlive it.
  static Result<PluginInstance> Create(const LoadedPlugin& plugin, std::string_view config_json,
                                       const Services& services);

  PluginInstance(PluginInstance&& other) noexcept;
  PluginInstance& operator=(PluginInstance&& other) noexcept;
  ~PluginInstance();

  const std::string& name() const { return plugin_.name; }
  Kind kind() const { return plugin_.kind; }
  const LoadedPlugin& plugin() const { return plugin_; }
  // First argument of every operation.
  void* handle() const { return handle_; }

  // Requires: kind() fits.
  const weft_correlator& correlator() const;
  const weft_sampler& sampler() const;
  const weft_exporter& exporter() const;

 private:
  // What others hold addresses of.
  struct Tables {
    explicit Tables(const LoadedPlugin& plugin, const Services& services);
    PluginHost host;
    weft_correlator correlator{};
    weft_sampler sampler{};
    weft_exporter exporter{};
  };
  PluginInstance(LoadedPlugin plugin, std::unique_ptr<Tables> tables, void* handle);

  LoadedPlugin plugin_;
  std::unique_ptr<Tables> tables_;
  void* handle_ = nullptr;
};

}  // namespace weft::plugin
