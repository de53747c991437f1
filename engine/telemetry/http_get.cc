// The one file that knows cpp-httplib.
#include <cerrno>
#include <chrono>
#include <cstring>

#include <httplib.h>

#include <fmt/format.h>

#include "engine/telemetry/http_server.h"

namespace weft::telemetry {
namespace {

constexpr size_t kMaxAnswerBytes = 16 << 20;

// Requires: errno was 0 before the request.
std::string WhyNoAnswer(httplib::Error error) {
  // The library connects without waiting, and asks for the outcome where errno does not tell.
  if (errno == EINPROGRESS && error == httplib::Error::Connection) return "nobody listens there";
  if (errno != 0 && errno != EINPROGRESS) return std::strerror(errno);
  return httplib::to_string(error);
}

}  // namespace

Result<HttpResponse> HttpGet(const ListenAddress& address, std::string_view path,
                             std::string_view accept, int64_t timeout_ns) {
  httplib::Client client(address.host, address.port);
  const auto timeout = std::chrono::nanoseconds(timeout_ns);
  client.set_connection_timeout(std::chrono::duration_cast<std::chrono::microseconds>(timeout));
  client.set_read_timeout(std::chrono::duration_cast<std::chrono::microseconds>(timeout));
  errno = 0;
  std::string body;
  bool too_large = false;
  const auto keep = [&](const char* data, size_t size) {
    too_large = body.size() + size > kMaxAnswerBytes;
    if (!too_large) body.append(data, size);
    return !too_large;
  };
  const auto result = client.Get(std::string(path), {{"Accept", std::string(accept)}}, keep);
  if (too_large)
    return Fail(Code::kFull, fmt::format("{}: {} is larger than {} bytes", address.Text(), path,
                                         kMaxAnswerBytes));
  if (!result)
    return Fail(Code::kIo, fmt::format("{}: {}", address.Text(), WhyNoAnswer(result.error())));
  return HttpResponse{result->status, result->get_header_value("Content-Type"), std::move(body)};
}

}  // namespace weft::telemetry
