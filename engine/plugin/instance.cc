#include "engine/plugin/instance.h"

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <exception>
#include <utility>

#include <fmt/format.h>

#include "engine/api/dictionary.h"
#include "engine/base/check.h"
#include "engine/plugin/config_schema.h"

namespace weft::plugin {
namespace {

// Reads no further than the plugin's size; what it does not have stays null.
template <typename Table>
Table CopyOperations(const void* operations) {
  Table table{};
  uint32_t size = 0;
  std::memcpy(&size, operations, sizeof size);
  std::memcpy(static_cast<void*>(&table), operations, std::min<size_t>(size, sizeof table));
  table.struct_size = sizeof table;
  return table;
}

// A well-behaved plugin lets no exception out; one that does is refused instead of ending us.
int32_t CallCreate(const weft_plugin& table, const weft_host* host, std::string_view config,
                   void** handle, weft_error* error) {
  try {
    return table.create(host, api::Str(config), handle, error);
  } catch (const std::exception& e) {
    std::snprintf(error->message, sizeof error->message, "threw an exception: %s", e.what());
  } catch (...) {
    std::snprintf(error->message, sizeof error->message, "threw an exception");
  }
  return WEFT_FAILED;
}

}  // namespace

Result<PluginInstance> PluginInstance::Create(const LoadedPlugin& plugin,
                                              std::string_view config_json,
                                              const Services& services) {
  const std::string where = fmt::format("plugin {} {}", KindName(plugin.kind), plugin.name);
  const char* schema = plugin.table->config_schema;
  auto config = CompleteConfig(schema == nullptr ? "" : schema, config_json);
  if (!config) return Context(std::move(config.error()), where);

  auto host = std::make_unique<PluginHost>(plugin.name, services);
  void* handle = nullptr;
  weft_error error{};
  const int32_t result = CallCreate(*plugin.table, host->table(), *config, &handle, &error);
  if (result != WEFT_OK) {
    error.message[sizeof error.message - 1] = '\0';
    const char* cause = error.message[0] != '\0' ? error.message : "no reason given";
    return Fail(result == WEFT_INVALID ? Code::kInvalid : Code::kInternal,
                fmt::format("{}: create: {}", where, cause));
  }
  return PluginInstance(plugin, std::move(host), handle);
}

PluginInstance::PluginInstance(LoadedPlugin plugin, std::unique_ptr<PluginHost> host, void* handle)
    : plugin_(std::move(plugin)), host_(std::move(host)), handle_(handle) {
  const void* operations = plugin_.table->operations;
  switch (plugin_.kind) {
    case Kind::kCorrelator: correlator_ = CopyOperations<weft_correlator>(operations); break;
    case Kind::kSampler: sampler_ = CopyOperations<weft_sampler>(operations); break;
    case Kind::kExporter: exporter_ = CopyOperations<weft_exporter>(operations); break;
  }
}

PluginInstance::PluginInstance(PluginInstance&& other) noexcept
    : plugin_(other.plugin_),
      host_(std::move(other.host_)),
      handle_(std::exchange(other.handle_, nullptr)),
      correlator_(other.correlator_),
      sampler_(other.sampler_),
      exporter_(other.exporter_) {}

PluginInstance& PluginInstance::operator=(PluginInstance&& other) noexcept {
  if (this != &other) {
    std::destroy_at(this);
    std::construct_at(this, std::move(other));
  }
  return *this;
}

PluginInstance::~PluginInstance() {
  if (host_ != nullptr) plugin_.table->destroy(handle_);
}

const weft_correlator& PluginInstance::correlator() const {
  WEFT_CHECK(plugin_.kind == Kind::kCorrelator);
  return correlator_;
}

const weft_sampler& PluginInstance::sampler() const {
  WEFT_CHECK(plugin_.kind == Kind::kSampler);
  return sampler_;
}

const weft_exporter& PluginInstance::exporter() const {
  WEFT_CHECK(plugin_.kind == Kind::kExporter);
  return exporter_;
}

}  // namespace weft::plugin
