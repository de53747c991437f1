// otlp: kept traces to Jaeger, Tempo, a Collector and whatever else takes OTLP (sinks/otlp).
#include <memory>
#include <string>

#include "engine/api/plugin.h"
#include "sinks/http/endpoint.h"
#include "sinks/otlp/otlp_channel.h"
#include "sinks/otlp/otlp_target.h"

namespace {

using weft::sdk::Refuse;

class OtlpExporter {
 public:
  static constexpr const char* kName = "otlp";
  static constexpr const char* kVersion = "0.1.0";
  static constexpr const char* kConfigSchema = R"({
    "type": "object",
    "properties": {
      "protocol": {"type": "string", "enum": ["grpc", "http/protobuf", "http/json"],
                   "default": "grpc", "description": "as OTEL_EXPORTER_OTLP_PROTOCOL has it"},
      "endpoint": {"type": "string",
                   "description": "[http://|https://]HOST[:PORT][/PATH]; default: this host, port 4317 or 4318, /v1/traces"},
      "compression": {"type": "string", "enum": ["auto", "gzip", "none"], "default": "auto",
                      "description": "auto: gzip to other hosts"},
      "timeout_ms": {"type": "integer", "minimum": 10, "maximum": 600000, "default": 10000,
                     "description": "for a request and its answer"},
      "max_request_bytes": {"type": "integer", "minimum": 10000, "default": 4000000,
                            "description": "a larger batch becomes several requests"},
      "headers": {"type": "object", "description": "of each request; ${NAME} in a value is that environment variable"},
      "tls": {"type": "object", "description": "with https://",
              "properties": {
                "ca": {"type": "string", "description": "PEM file; default: the system's authorities"},
                "certificate": {"type": "string", "description": "PEM file of this client"},
                "key": {"type": "string", "description": "PEM file of its private key"}}}
    }
  })";

  OtlpExporter(const weft::sdk::Host&, const weft::sdk::PluginConfig& config) {
    const std::string protocol = config.Text("protocol", "grpc");
    const bool grpc = protocol == "grpc";
    const bool json = protocol == "http/json";
    weft::sinks::OtlpChannelOptions options;
    const uint16_t port = grpc ? 4317 : 4318;
    options.endpoint =
        Checked(weft::sinks::Endpoint::Parse(config.Text("endpoint", "http://127.0.0.1"), port));
    const std::string compression = config.Text("compression", "auto");
    options.gzip =
        compression == "gzip" || (compression == "auto" && !options.endpoint.OnThisHost());
    options.timeout_ns = static_cast<int64_t>(config.Number("timeout_ms", 10'000)) * 1'000'000;
    options.headers = Checked(weft::sinks::ParseHeaders(config.Raw("headers")));
    const weft::sdk::PluginConfig tls(config.Raw("tls").empty() ? "{}" : config.Raw("tls"));
    options.tls = {tls.Text("ca", ""), tls.Text("certificate", ""), tls.Text("key", "")};
    options.json = json;
    auto channel = Checked(grpc ? OpenGrpc(std::move(options))
                                : weft::sinks::OpenOtlpHttp(std::move(options)));
    sender_ = std::make_unique<weft::sinks::BatchSender>(
        std::make_unique<weft::sinks::OtlpTarget>(std::move(channel), json),
        static_cast<uint64_t>(
            config.Number("max_request_bytes", double{weft::sinks::OtlpTarget::kRequestBytes})));
  }

  weft_outcome Export(const weft_spans& spans, const weft_traces&, const weft_source& source,
                      std::string& why) {
    last_ = sender_->Write(spans, source);
    why = last_.why;
    return last_.outcome;
  }
  void Delivery(uint64_t& retry_after_ns, uint64_t& refused) const {
    retry_after_ns = static_cast<uint64_t>(last_.retry_after_ns);
    refused = last_.refused;
  }

 private:
  template <typename T>
  static T Checked(weft::Result<T> result) {
    if (!result) Refuse(result.error().code == weft::Code::kInvalid, result.error().message);
    return std::move(*result);
  }

  using Channel = weft::Result<std::unique_ptr<weft::sinks::OtlpChannel>>;
  static Channel OpenGrpc([[maybe_unused]] weft::sinks::OtlpChannelOptions options) {
#if WEFT_HAVE_GRPC
    return weft::sinks::OpenOtlpGrpc(std::move(options));
#else
    return weft::Fail(weft::Code::kInvalid, "protocol: this build has no gRPC; use http/protobuf");
#endif
  }

  std::unique_ptr<weft::sinks::BatchSender> sender_;
  weft::sinks::Delivery last_;
};

}  // namespace

WEFT_EXPORTER(OtlpExporter)
