#include "engine/plugin/table_check.h"

#include <cstddef>

#include <fmt/format.h>

namespace weft::plugin {
namespace {

// Sizes of the tables as minor version 0 had them: what every plugin has at least.
constexpr uint32_t kPluginSizeV0 = offsetof(weft_plugin, operations) + sizeof(void*);
constexpr uint32_t kCorrelatorSizeV0 = offsetof(weft_correlator, correlate) + sizeof(void*);
constexpr uint32_t kSamplerSizeV0 = offsetof(weft_sampler, decide) + sizeof(void*);
constexpr uint32_t kExporterSizeV0 = offsetof(weft_exporter, export_spans) + sizeof(void*);

bool ValidName(const char* name) {
  if (name == nullptr || *name == '\0') return false;
  for (const char* c = name; *c != '\0'; ++c) {
    const bool ok = (*c >= 'a' && *c <= 'z') || (*c >= '0' && *c <= '9') || *c == '-';
    if (!ok || c - name >= 64) return false;
  }
  return true;
}

std::unexpected<Error> Missing(std::string_view function) {
  return Fail(Code::kInvalid, fmt::format("functions: {} is required and missing", function));
}

std::unexpected<Error> TooShort(std::string_view what, uint32_t has, uint32_t needs) {
  return Fail(Code::kInvalid, fmt::format("sizes: {} says {} bytes, the smallest valid one has {}",
                                          what, has, needs));
}

Result<void> CheckCorrelator(const weft_correlator& table) {
  if (table.struct_size < kCorrelatorSizeV0)
    return TooShort("weft_correlator", table.struct_size, kCorrelatorSizeV0);
  if (table.correlate == nullptr) return Missing("correlate");
  const bool has_save =
      table.struct_size >= offsetof(weft_correlator, save) + sizeof(void*) && table.save != nullptr;
  const bool has_load =
      table.struct_size >= offsetof(weft_correlator, load) + sizeof(void*) && table.load != nullptr;
  if (has_save != has_load)
    return Fail(Code::kInvalid, "functions: save and load belong together; one is missing");
  return {};
}

Result<void> CheckSampler(const weft_sampler& table) {
  if (table.struct_size < kSamplerSizeV0)
    return TooShort("weft_sampler", table.struct_size, kSamplerSizeV0);
  if (table.decide == nullptr) return Missing("decide");
  const bool has_save =
      table.struct_size >= offsetof(weft_sampler, save) + sizeof(void*) && table.save != nullptr;
  const bool has_load =
      table.struct_size >= offsetof(weft_sampler, load) + sizeof(void*) && table.load != nullptr;
  if (has_save != has_load)
    return Fail(Code::kInvalid, "functions: save and load belong together; one is missing");
  return {};
}

Result<void> CheckExporter(const weft_exporter& table) {
  if (table.struct_size < kExporterSizeV0)
    return TooShort("weft_exporter", table.struct_size, kExporterSizeV0);
  if (table.export_spans == nullptr) return Missing("export_spans");
  return {};
}

Result<void> CheckVersions(const weft_plugin& table) {
  if (table.struct_size < kPluginSizeV0)
    return TooShort("weft_plugin", table.struct_size, kPluginSizeV0);
  if (table.abi_major != WEFT_ABI_MAJOR)
    return Fail(Code::kUnsupported,
                fmt::format("version: built for ABI {}.{}, this weft speaks {}.{}; rebuild the "
                            "plugin against this weft's headers",
                            table.abi_major, table.abi_minor, WEFT_ABI_MAJOR, WEFT_ABI_MINOR));
  if (table.abi_minor > WEFT_ABI_MINOR)
    return Fail(Code::kUnsupported,
                fmt::format("version: needs ABI {}.{}, this weft has {}.{}; a newer weft is needed",
                            table.abi_major, table.abi_minor, WEFT_ABI_MAJOR, WEFT_ABI_MINOR));
  return {};
}

Result<void> CheckOperations(const weft_plugin& table) {
  if (table.create == nullptr) return Missing("create");
  if (table.destroy == nullptr) return Missing("destroy");
  if (table.operations == nullptr) return Missing("the operations table");
  switch (table.kind) {
    case WEFT_PLUGIN_CORRELATOR:
      return CheckCorrelator(*static_cast<const weft_correlator*>(table.operations));
    case WEFT_PLUGIN_SAMPLER:
      return CheckSampler(*static_cast<const weft_sampler*>(table.operations));
    case WEFT_PLUGIN_EXPORTER:
      return CheckExporter(*static_cast<const weft_exporter*>(table.operations));
    default:
      return Fail(Code::kInvalid, fmt::format("kind: {} is none of 1 (correlator), 2 (sampler), "
                                              "3 (exporter)",
                                              table.kind));
  }
}

}  // namespace

std::string_view KindName(Kind kind) {
  switch (kind) {
    case Kind::kCorrelator: return "correlator";
    case Kind::kSampler: return "sampler";
    case Kind::kExporter: return "exporter";
  }
  return "unknown";
}

Result<LoadedPlugin> CheckTable(const weft_plugin* table, std::string_view origin) {
  if (table == nullptr) return Fail(Code::kInvalid, "table: weft_plugin_v1 returned no table");
  WEFT_TRY(CheckVersions(*table));
  if (!ValidName(table->name))
    return Fail(Code::kInvalid, "name: must be 1 to 64 characters of [a-z0-9-]");
  if (table->version == nullptr)
    return Fail(Code::kInvalid, "version: the version text is missing");
  WEFT_TRY(CheckOperations(*table));
  return LoadedPlugin{table->name, static_cast<Kind>(table->kind), table, std::string(origin)};
}

}  // namespace weft::plugin
