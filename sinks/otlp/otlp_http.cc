#include <utility>

#include "sinks/http/http_post.h"
#include "sinks/otlp/otlp_answer.h"
#include "sinks/otlp/otlp_channel.h"

namespace weft::sinks {
namespace {

class OtlpHttp final : public OtlpChannel {
 public:
  OtlpHttp(std::unique_ptr<HttpPost> post, bool json) : post_(std::move(post)), json_(json) {}

  Delivery Send(std::string_view request) override {
    const auto answer = post_->Post(request, json_ ? "application/json" : "application/x-protobuf");
    if (!answer) return Delivery::Retry(answer.error().message);
    // Proxies on the way answer in words of their own.
    const bool json = answer->content_type.starts_with("application/json");
    const bool proto = answer->content_type.starts_with("application/x-protobuf");
    if (answer->status < 200 || answer->status >= 300)
      return JudgeStatus(*answer, json || proto ? ReadStatus(answer->body, json).message : "");
    Delivery out;
    if (!json && !proto) return out;
    const OtlpAnswer said = ReadResponse(answer->body, json);
    out.refused = said.rejected;
    out.why = said.message;
    return out;
  }

 private:
  const std::unique_ptr<HttpPost> post_;
  const bool json_;
};

}  // namespace

Result<std::unique_ptr<OtlpChannel>> OpenOtlpHttp(OtlpChannelOptions options) {
  if (options.endpoint.path.empty() || options.endpoint.path == "/")
    options.endpoint.path = "/v1/traces";
  auto post = HttpPost::Open(std::move(options));
  if (!post) return std::unexpected(std::move(post.error()));
  return std::make_unique<OtlpHttp>(std::move(*post), options.json);
}

}  // namespace weft::sinks
