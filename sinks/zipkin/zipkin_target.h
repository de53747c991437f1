// ZipkinTarget: batches as lists of Zipkin's API v2, by POST (default path /api/v2/spans). One
// thread.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <utility>

#include "sinks/http/batch_sender.h"
#include "sinks/http/http_post.h"

namespace weft::sinks {

class ZipkinTarget final : public BatchTarget {
 public:
  static Result<std::unique_ptr<BatchTarget>> Open(HttpPostOptions options);

  void Begin(const weft_spans& spans) override { spans_ = &spans; }
  void Encode(std::span<const uint32_t> rows, std::string* request) override;
  Delivery Send(std::string_view request) override;

 private:
  explicit ZipkinTarget(std::unique_ptr<HttpPost> post) : post_(std::move(post)) {}

  const std::unique_ptr<HttpPost> post_;
  const weft_spans* spans_ = nullptr;
};

}  // namespace weft::sinks
