// PluginHost: what the engine offers to one plugin instance (weft_host), bound to the logger,
// metrics and clock that were passed in.
//
// Lines of a plugin are prefixed with "plugin <name>: ", its counters live under
// "plugin.<name>.<metric>". The weft_host is valid as long as this object, which does not move.
// The functions may be called from any thread.
#pragma once

#include <string>

#include "engine/api/plugin_abi.h"
#include "engine/base/clock.h"
#include "engine/base/log.h"
#include "engine/base/metrics.h"

namespace weft::plugin {

// Lent to every instance; all three outlive the instances.
struct Services {
  Logger& log;
  Metrics& metrics;
  const Clock& clock;
};

class PluginHost {
 public:
  PluginHost(std::string plugin_name, const Services& services);
  PluginHost(const PluginHost&) = delete;
  PluginHost& operator=(const PluginHost&) = delete;

  const weft_host* table() const { return &table_; }

 private:
  std::string name_;
  Services services_;
  weft_host table_;
};

}  // namespace weft::plugin
