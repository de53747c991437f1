// SendingExporter: what exporters that send over a network have in common. An exporter derives from
// it, reads its settings with the functions here and gives it the sender; Export, Delivery and
// Taken are the plugin's. One thread.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "engine/api/plugin.h"
#include "sinks/http/batch_sender.h"
#include "sinks/http/http_post.h"

namespace weft::exporting {

inline constexpr std::string_view kSendingProperties = R"(
      "compression": {"type": "string", "enum": ["auto", "gzip", "none"], "default": "auto",
                      "description": "auto: gzip to other hosts"},
      "max_request_bytes": {"type": "integer", "minimum": 10000, "default": 4000000,
                            "description": "a larger batch becomes several requests"},
      "headers": {"type": "object", "description": "of each request; ${NAME} in a value is that environment variable"},
      "tls": {"type": "object", "description": "with https://",
              "properties": {
                "ca": {"type": "string", "description": "PEM file; default: the system's authorities"},
                "certificate": {"type": "string", "description": "PEM file of this client"},
                "key": {"type": "string", "description": "PEM file of its private key"}}})";

// A configuration's schema, ending in NUL: an exporter's own properties, and those of all here.
template <size_t kSize>
consteval auto SendingSchema(const char (&own)[kSize]) {
  constexpr std::string_view kHead = R"({"type": "object", "properties": {)";
  constexpr std::string_view kTail = "}}";
  std::array<char, kHead.size() + kSize + kSendingProperties.size() + kTail.size() + 1> schema{};
  char* end = std::ranges::copy(kHead, schema.data()).out;
  end = std::copy_n(own, kSize - 1, end);
  *end++ = ',';
  end = std::ranges::copy(kSendingProperties, end).out;
  std::ranges::copy(kTail, end);
  return schema;
}

class SendingExporter {
 public:
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
  uint64_t Taken() const { return sender_->taken(); }

 protected:
  // The value, or the end of `create` with the reason.
  template <typename T>
  static T Checked(Result<T> result) {
    if (!result) sdk::Refuse(result.error().code == Code::kInvalid, result.error().message);
    return std::move(*result);
  }
  // Where and how, but for the protocol.
  static sinks::HttpPostOptions ReadOptions(const sdk::PluginConfig& config, uint16_t port) {
    sinks::HttpPostOptions options;
    options.endpoint =
        Checked(sinks::Endpoint::Parse(config.Text("endpoint", "http://127.0.0.1"), port));
    const std::string compression = config.Text("compression", "auto");
    options.gzip =
        compression == "gzip" || (compression == "auto" && !options.endpoint.OnThisHost());
    options.timeout_ns = static_cast<int64_t>(config.Number("timeout_ms", 10'000)) * 1'000'000;
    options.headers = Checked(sinks::ParseHeaders(config.Raw("headers")));
    const sdk::PluginConfig tls(config.Raw("tls").empty() ? "{}" : config.Raw("tls"));
    options.tls = {tls.Text("ca", ""), tls.Text("certificate", ""), tls.Text("key", "")};
    return options;
  }
  template <typename Target>
  void SendTo(std::unique_ptr<Target> target, const sdk::PluginConfig& config) {
    sender_ = std::make_unique<sinks::BatchSender>(
        std::move(target), static_cast<uint64_t>(config.Number("max_request_bytes", 4e6)));
  }

 private:
  std::unique_ptr<sinks::BatchSender> sender_;
  sinks::Delivery last_;
};

}  // namespace weft::exporting
