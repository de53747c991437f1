// The zoo: one source, built once per way in which a plugin can be wrong (ZOO names it). Everything
// else about the plugin is right, so that exactly one check can refuse it.
#include <cstdio>
#include <stdexcept>

#include "engine/api/plugin_abi.h"

enum Case {
  kHealthy,
  kMissingSymbol,
  kOtherMajorSymbol,
  kNullTable,
  kWrongMajor,
  kLargerMinor,
  kShortStruct,
  kShortOperations,
  kMissingCreate,
  kMissingDestroy,
  kMissingOperations,
  kMissingFunction,
  kSaveWithoutLoad,
  kBadKind,
  kBadName,
  kOtherName,
  kBadSchema,
  kSchemaBeyondSubset,
  kCreateFails,
  kCreateFailsSilently,
  kCreateThrows,
  kUndefinedSymbol,
  kCorrelateFails,
  kGarbageRows,
};
constexpr Case kCase = ZOO;

#if ZOO_UNDEFINED
extern "C" void weft_nobody_defines_this(void);
#endif

namespace {

int32_t Create(const weft_host* host, weft_str, void** instance, weft_error* error) {
  if (kCase == kCreateThrows) throw std::runtime_error("no such luck");
  if (kCase == kCreateFailsSilently) return WEFT_FAILED;
  if (kCase == kCreateFails) {
    std::snprintf(error->message, sizeof error->message, "the moon is in the wrong phase");
    return WEFT_FAILED;
  }
#if ZOO_UNDEFINED
  weft_nobody_defines_this();
#endif
  *instance = const_cast<weft_host*>(host);
  return WEFT_OK;
}

void Destroy(void*) {}

int32_t Correlate(void*, const weft_spans* window, weft_candidates* io, weft_error* error) {
  if (kCase == kCorrelateFails) {
    std::snprintf(error->message, sizeof error->message, "lost the plot");
    return WEFT_FAILED;
  }
  if (kCase != kGarbageRows) return WEFT_OK;
  const uint32_t rows[] = {window->n, window->n + 7, WEFT_NONE, 0x80000000u};
  for (const uint32_t child : rows)
    for (const uint32_t candidate : rows) {
      if (io->n == io->capacity && io->grow(io, io->n + 16) != WEFT_OK) return WEFT_FAILED;
      io->child[io->n] = child;
      io->candidate[io->n] = candidate;
      io->log_odds[io->n] = 0.0f / (child == WEFT_NONE ? 0.0f : 1.0f);  // some are not numbers
      io->evidence[io->n++] = 0xffffffffu;
    }
  return WEFT_OK;
}

int32_t Save(void*, uint64_t, weft_buffer*, weft_error*) { return WEFT_OK; }

weft_correlator Operations() {
  weft_correlator ops{};
  ops.struct_size = kCase == kShortOperations ? sizeof(uint32_t) : sizeof ops;
  if (kCase != kMissingFunction) ops.correlate = &Correlate;
  if (kCase == kSaveWithoutLoad) ops.save = &Save;
  return ops;
}

const weft_correlator kOperations = Operations();

weft_plugin Table() {
  weft_plugin table{};
  table.struct_size = kCase == kShortStruct ? 16 : sizeof table;
  table.abi_major = kCase == kWrongMajor ? WEFT_ABI_MAJOR + 1 : WEFT_ABI_MAJOR;
  table.abi_minor = kCase == kLargerMinor ? WEFT_ABI_MINOR + 1 : WEFT_ABI_MINOR;
  table.kind = kCase == kBadKind ? 9u : uint32_t{WEFT_PLUGIN_CORRELATOR};
  table.name = kCase == kBadName ? "Not A Name" : kCase == kOtherName ? "imposter" : ZOO_NAME;
  table.version = "1.0.0";
  table.config_schema = kCase == kBadSchema ? "{\"type\": "
                        : kCase == kSchemaBeyondSubset
                            ? R"({"type": "object", "properties": {"a": {"pattern": "x"}}})"
                            : R"({"type": "object", "properties": {"depth": {"type": "integer"}}})";
  if (kCase != kMissingCreate) table.create = &Create;
  if (kCase != kMissingDestroy) table.destroy = &Destroy;
  if (kCase != kMissingOperations) table.operations = &kOperations;
  return table;
}

const weft_plugin kTable = Table();

}  // namespace

#if ZOO_SYMBOL
extern "C" WEFT_EXPORT const weft_plugin* weft_plugin_v1(void) {
  return kCase == kNullTable ? nullptr : &kTable;
}
#else
extern "C" WEFT_EXPORT const weft_plugin* ZOO_SYMBOL_NAME(void) { return &kTable; }
#endif
