#include "engine/plugin/host.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "engine/api/dictionary.h"

namespace weft::plugin {
PluginHost::PluginHost(std::string plugin_name, const Services& services)
    : name_(std::move(plugin_name)), services_(services), table_{} {
  table_.struct_size = sizeof(weft_host);
  table_.ctx = this;
  // noexcept: an exception of ours must never unwind through a plugin's C frames.
  table_.log = [](void* ctx, int32_t level, weft_str text) noexcept {
    auto* self = static_cast<PluginHost*>(ctx);
    const auto clamped = static_cast<LogLevel>(std::clamp(level, 0, 3));
    self->services_.log.Write(clamped, fmt::format("plugin {}: {}", self->name_, api::View(text)));
  };
  table_.count = [](void* ctx, weft_str metric, uint64_t delta) noexcept {
    auto* self = static_cast<PluginHost*>(ctx);
    self->services_.metrics.Get(fmt::format("plugin.{}.{}", self->name_, api::View(metric)))
        .Add(delta);
  };
  table_.now_ns = [](void* ctx) noexcept {
    return static_cast<uint64_t>(static_cast<PluginHost*>(ctx)->services_.clock.MonotonicNs());
  };
}

}  // namespace weft::plugin
