// zipkin: kept traces to Zipkin and what takes its API v2 (sinks/zipkin).
#include "plugins/exporting/sending_exporter.h"
#include "sinks/zipkin/zipkin_target.h"

namespace {

class ZipkinExporter : public weft::exporting::SendingExporter {
 public:
  static constexpr const char* kName = "zipkin";
  static constexpr const char* kVersion = "0.1.0";
  static constexpr auto kSchema = weft::exporting::SendingSchema(R"(
      "endpoint": {"type": "string", "default": "http://127.0.0.1:9411",
                   "description": "[http://|https://]HOST[:PORT][/PATH]; path /api/v2/spans"},
      "timeout_ms": {"type": "integer", "minimum": 10, "maximum": 600000, "default": 10000,
                     "description": "of connecting, and of each read and write"})");
  static constexpr const char* kConfigSchema = kSchema.data();

  ZipkinExporter(const weft::sdk::Host&, const weft::sdk::PluginConfig& config) {
    SendTo(Checked(weft::sinks::ZipkinTarget::Open(ReadOptions(config, 9411))), config);
  }
};

}  // namespace

WEFT_EXPORTER(ZipkinExporter)
