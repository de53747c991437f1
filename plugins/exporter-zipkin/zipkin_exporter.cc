// zipkin: kept traces to Zipkin and what takes its API v2 (sinks/zipkin).
#include <memory>
#include <string>

#include "engine/api/plugin.h"
#include "sinks/http/endpoint.h"
#include "sinks/zipkin/zipkin_target.h"

namespace {

class ZipkinExporter {
 public:
  static constexpr const char* kName = "zipkin";
  static constexpr const char* kVersion = "0.1.0";
  static constexpr const char* kConfigSchema = R"({
    "type": "object",
    "properties": {
      "endpoint": {"type": "string", "default": "http://127.0.0.1:9411",
                   "description": "[http://|https://]HOST[:PORT][/PATH]; path /api/v2/spans"},
      "compression": {"type": "string", "enum": ["auto", "gzip", "none"], "default": "auto",
                      "description": "auto: gzip to other hosts"},
      "timeout_ms": {"type": "integer", "minimum": 10, "maximum": 600000, "default": 10000,
                     "description": "of connecting, and of each read and write"},
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

  ZipkinExporter(const weft::sdk::Host&, const weft::sdk::PluginConfig& config) {
    weft::sinks::HttpPostOptions options;
    options.endpoint = Checked(
        weft::sinks::Endpoint::Parse(config.Text("endpoint", "http://127.0.0.1:9411"), 9411));
    const std::string compression = config.Text("compression", "auto");
    options.gzip =
        compression == "gzip" || (compression == "auto" && !options.endpoint.OnThisHost());
    options.timeout_ns = static_cast<int64_t>(config.Number("timeout_ms", 10'000)) * 1'000'000;
    options.headers = Checked(weft::sinks::ParseHeaders(config.Raw("headers")));
    const weft::sdk::PluginConfig tls(config.Raw("tls").empty() ? "{}" : config.Raw("tls"));
    options.tls = {tls.Text("ca", ""), tls.Text("certificate", ""), tls.Text("key", "")};
    sender_ = std::make_unique<weft::sinks::BatchSender>(
        Checked(weft::sinks::ZipkinTarget::Open(std::move(options))),
        static_cast<uint64_t>(config.Number("max_request_bytes", 4e6)));
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
    if (!result)
      weft::sdk::Refuse(result.error().code == weft::Code::kInvalid, result.error().message);
    return std::move(*result);
  }

  std::unique_ptr<weft::sinks::BatchSender> sender_;
  weft::sinks::Delivery last_;
};

}  // namespace

WEFT_EXPORTER(ZipkinExporter)
