// otlp: kept traces to Jaeger, Tempo, a Collector and whatever else takes OTLP (sinks/otlp).
#include <memory>
#include <string>

#include "plugins/exporting/sending_exporter.h"
#include "sinks/otlp/otlp_channel.h"
#include "sinks/otlp/otlp_target.h"

namespace {

class OtlpExporter : public weft::exporting::SendingExporter {
 public:
  static constexpr const char* kName = "otlp";
  static constexpr const char* kVersion = "0.1.0";
  static constexpr auto kSchema = weft::exporting::SendingSchema(R"(
      "protocol": {"type": "string", "enum": ["grpc", "http/protobuf", "http/json"],
                   "default": "grpc", "description": "as OTEL_EXPORTER_OTLP_PROTOCOL has it"},
      "endpoint": {"type": "string",
                   "description": "[http://|https://]HOST[:PORT][/PATH]; default: this host, port 4317 or 4318, /v1/traces"},
      "timeout_ms": {"type": "integer", "minimum": 10, "maximum": 600000, "default": 10000,
                     "description": "for a request and its answer"})");
  static constexpr const char* kConfigSchema = kSchema.data();

  OtlpExporter(const weft::sdk::Host&, const weft::sdk::PluginConfig& config) {
    const std::string protocol = config.Text("protocol", "grpc");
    const bool grpc = protocol == "grpc";
    const bool json = protocol == "http/json";
    weft::sinks::OtlpChannelOptions options{ReadOptions(config, grpc ? 4317 : 4318), json};
    auto channel = Checked(grpc ? OpenGrpc(std::move(options))
                                : weft::sinks::OpenOtlpHttp(std::move(options)));
    SendTo(std::make_unique<weft::sinks::OtlpTarget>(std::move(channel), json), config);
  }

 private:
  using Channel = weft::Result<std::unique_ptr<weft::sinks::OtlpChannel>>;
  static Channel OpenGrpc([[maybe_unused]] weft::sinks::OtlpChannelOptions options) {
#if WEFT_HAVE_GRPC
    return weft::sinks::OpenOtlpGrpc(std::move(options));
#else
    return weft::Fail(weft::Code::kInvalid, "protocol: this build has no gRPC; use http/protobuf");
#endif
  }
};

}  // namespace

WEFT_EXPORTER(OtlpExporter)
