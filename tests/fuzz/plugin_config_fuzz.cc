// A plugin's configuration against a schema: the first line is the schema, the rest the
// configuration. What is accepted must be readable by the reader that plugins have, and be accepted
// again unchanged.
#include <cstdint>
#include <cstdlib>

#include "engine/api/plugin_config.h"
#include "engine/plugin/config_schema.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const size_t line = input.find('\n');
  const std::string_view schema = input.substr(0, line);
  const std::string_view config =
      line == std::string_view::npos ? std::string_view() : input.substr(line + 1);

  const weft::sdk::PluginConfig anything(config);  // reads bytes that nobody has checked
  anything.Number("ratio", 1);
  anything.Text("name", "");

  const auto first = weft::plugin::CompleteConfig(schema, config);
  if (!first) return 0;
  const weft::sdk::PluginConfig reader(*first);
  reader.Flag("on", false);
  reader.Text("name", "");
  const auto second = weft::plugin::CompleteConfig(schema, *first);
  // A default may break the schema's own limits; only then is the result refused.
  if (second && *second != *first) std::abort();
  return 0;
}
