// HttpPost: POSTs messages to one URL over a connection that is kept, and reads short answers.
//
// For exporters; one thread, which waits. Answers are bounded: what a backend says beyond 64 KiB is
// not read.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "engine/base/result.h"
#include "sinks/http/delivery.h"
#include "sinks/http/endpoint.h"

namespace weft::sinks {

struct HttpPostOptions {
  Endpoint endpoint;  // with its path
  TlsFiles tls;
  Headers headers;
  bool gzip = false;
  int64_t timeout_ns = 10'000'000'000;  // of connecting, and of each read and write
};

struct HttpAnswer {
  int status = 0;
  std::string content_type, body, retry_after;
};

class HttpPost {
 public:
  // kInvalid where a TLS file cannot be used.
  static Result<std::unique_ptr<HttpPost>> Open(HttpPostOptions options);
  ~HttpPost();

  // kIo: there was no answer; the message says why.
  Result<HttpAnswer> Post(std::string_view body, const std::string& content_type);

 private:
  class Impl;
  explicit HttpPost(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

// By what OTLP's specification says of statuses: 2xx is OK, 429, 502, 503 and 504 may be tried
// again (after what Retry-After says), anything else never. `said`: the body's own words, or "".
Delivery JudgeStatus(const HttpAnswer& answer, std::string_view said);

// Retry-After (RFC 9110, 10.2.3): seconds, or a date; 0 where it says nothing sensible, at most an
// hour. `unix_ns`: now.
int64_t RetryAfterNs(std::string_view header, int64_t unix_ns);

}  // namespace weft::sinks
