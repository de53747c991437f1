#include "sinks/zipkin/zipkin_target.h"

#include "sinks/zipkin/zipkin_json.h"

namespace weft::sinks {

Result<std::unique_ptr<BatchTarget>> ZipkinTarget::Open(HttpPostOptions options) {
  if (options.endpoint.path.empty() || options.endpoint.path == "/")
    options.endpoint.path = "/api/v2/spans";
  auto post = HttpPost::Open(std::move(options));
  if (!post) return std::unexpected(std::move(post.error()));
  return std::unique_ptr<BatchTarget>(new ZipkinTarget(std::move(*post)));
}

void ZipkinTarget::Encode(std::span<const uint32_t> rows, std::string* request) {
  request->clear();
  for (const uint32_t row : rows) {
    request->push_back(request->empty() ? '[' : ',');
    AppendZipkinSpan(*request, *spans_, row);
  }
  request->push_back(']');
}

Delivery ZipkinTarget::Send(std::string_view request) {
  const auto answer = post_->Post(request, "application/json");
  if (!answer) return Delivery::Retry(answer.error().message);
  return JudgeStatus(*answer, answer->content_type.starts_with("text/plain") ? answer->body : "");
}

}  // namespace weft::sinks
