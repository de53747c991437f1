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

  auto tables = std::make_unique<Tables>(plugin, services);
  void* handle = nullptr;
  weft_error error{};
  const int32_t result = CallCreate(*plugin.table, tables->host.table(), *config, &handle, &error);
  if (result != WEFT_OK) {
    error.message[sizeof error.message - 1] = '\0';
    const char* cause = error.message[0] != '\0' ? error.message : "no reason given";
    return Fail(result == WEFT_INVALID ? Code::kInvalid : Code::kInternal,
                fmt::format("{}: create: {}", where, cause));
  }
  return PluginInstance(plugin, std::move(tables), handle);
}

PluginInstance::Tables::Tables(const LoadedPlugin& plugin, const Services& services)
    : host(plugin.name, services) {
  const void* operations = plugin.table->operations;
  switch (plugin.kind) {
    case Kind::kCorrelator: correlator = CopyOperations<weft_correlator>(operations); break;
    case Kind::kSampler: sampler = CopyOperations<weft_sampler>(operations); break;
    case Kind::kExporter: exporter = CopyOperations<weft_exporter>(operations); break;
  }
}

PluginInstance::PluginInstance(LoadedPlugin plugin, std::unique_ptr<Tables> tables, void* handle)
    : plugin_(std::move(plugin)), tables_(std::move(tables)), handle_(handle) {}

PluginInstance::PluginInstance(PluginInstance&& other) noexcept
    : plugin_(other.plugin_),
      tables_(std::move(other.tables_)),
      handle_(std::exchange(other.handle_, nullptr)) {}

PluginInstance& PluginInstance::operator=(PluginInstance&& other) noexcept {
  std::swap(plugin_, other.plugin_);
  std::swap(tables_, other.tables_);
  std::swap(handle_, other.handle_);
  return *this;
}

PluginInstance::~PluginInstance() {
  if (tables_ != nullptr) plugin_.table->destroy(handle_);
}

const weft_correlator& PluginInstance::correlator() const {
  WEFT_CHECK(plugin_.kind == Kind::kCorrelator);
  return tables_->correlator;
}

const weft_sampler& PluginInstance::sampler() const {
  WEFT_CHECK(plugin_.kind == Kind::kSampler);
  return tables_->sampler;
}

const weft_exporter& PluginInstance::exporter() const {
  WEFT_CHECK(plugin_.kind == Kind::kExporter);
  return tables_->exporter;
}

}  // namespace weft::plugin
