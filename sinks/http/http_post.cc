#include "sinks/http/http_post.h"

#include <cerrno>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <utility>

#include <fmt/format.h>
#include <httplib.h>

#include "sinks/http/gzip.h"

namespace weft::sinks {
namespace {

constexpr size_t kMaxAnswerBytes = 64 << 10;

std::unique_ptr<httplib::Client> MakeClient(const HttpPostOptions& o) {
  const std::string url =
      fmt::format("{}://{}", o.endpoint.tls ? "https" : "http", o.endpoint.Authority());
  auto client = o.tls.certificate.empty()
                    ? std::make_unique<httplib::Client>(url)
                    : std::make_unique<httplib::Client>(url, o.tls.certificate, o.tls.key);
  const auto timeout =
      std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::nanoseconds(o.timeout_ns));
  client->set_connection_timeout(timeout);
  client->set_read_timeout(timeout);
  client->set_write_timeout(timeout);
  client->set_keep_alive(true);
  client->set_tcp_nodelay(true);
  if (!o.tls.ca.empty()) client->set_ca_cert_path(o.tls.ca);
  return client;
}

// Requires: errno was 0 before the request.
std::string WhyNoAnswer(httplib::Error error) {
  // The library connects without waiting, and asks for the outcome where errno does not tell.
  if (errno == EINPROGRESS && error == httplib::Error::Connection) return "nobody listens there";
  if (errno != 0 && errno != EINPROGRESS && error == httplib::Error::Connection)
    return std::strerror(errno);
  switch (error) {
    case httplib::Error::Read: return "no answer (timeout, or the connection ended)";
    case httplib::Error::Write: return "the request could not be written";
    case httplib::Error::SSLServerVerification: return "its certificate is not trusted (tls.ca)";
    default: return httplib::to_string(error);
  }
}

}  // namespace

class HttpPost::Impl {
 public:
  explicit Impl(HttpPostOptions options)
      : options_(std::move(options)), client_(MakeClient(options_)) {}

  bool valid() const { return client_->is_valid(); }

  Result<HttpAnswer> Post(std::string_view body, const std::string& content_type) {
    httplib::Request request;
    request.method = "POST";
    request.path = options_.endpoint.path.empty() ? "/" : options_.endpoint.path;
    for (const auto& [name, value] : options_.headers) request.set_header(name.c_str(), value);
    request.set_header("Content-Type", content_type);
    request.set_header("User-Agent", "weft");
    if (options_.gzip) {
      request.set_header("Content-Encoding", "gzip");
      Gzip(body, &request.body);
    } else {
      request.body = body;
    }
    HttpAnswer answer;
    request.content_receiver = [&](const char* data, size_t size, uint64_t, uint64_t) {
      answer.body.append(data, std::min(size, kMaxAnswerBytes - answer.body.size()));
      return answer.body.size() < kMaxAnswerBytes;
    };
    httplib::Response response;
    auto error = httplib::Error::Success;
    errno = 0;
    const bool answered = client_->send(request, response, error);
    const bool cut = answer.body.size() == kMaxAnswerBytes && response.status != 0;
    if (!answered && !cut)
      return Fail(Code::kIo,
                  fmt::format("{}: {}", options_.endpoint.Authority(), WhyNoAnswer(error)));
    answer.status = response.status;
    answer.content_type = response.get_header_value("Content-Type");
    answer.retry_after = response.get_header_value("Retry-After");
    return answer;
  }

 private:
  const HttpPostOptions options_;
  const std::unique_ptr<httplib::Client> client_;
};

HttpPost::HttpPost(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
HttpPost::~HttpPost() = default;

Result<std::unique_ptr<HttpPost>> HttpPost::Open(HttpPostOptions options) {
  for (const std::string* file : {&options.tls.ca, &options.tls.certificate, &options.tls.key})
    if (std::error_code none; !file->empty() && !std::filesystem::exists(*file, none))
      return Fail(Code::kInvalid, fmt::format("tls: {}: no such file", *file));
  if (options.tls.certificate.empty() != options.tls.key.empty())
    return Fail(Code::kInvalid, "tls: certificate and key go together; one is missing");
  auto impl = std::make_unique<Impl>(std::move(options));
  if (!impl->valid()) return Fail(Code::kInvalid, "tls: certificate or key cannot be used");
  return std::unique_ptr<HttpPost>(new HttpPost(std::move(impl)));
}

Result<HttpAnswer> HttpPost::Post(std::string_view body, const std::string& content_type) {
  return impl_->Post(body, content_type);
}

}  // namespace weft::sinks
