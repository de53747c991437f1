// The one file that knows cpp-httplib.
#include <cerrno>
#include <chrono>
#include <cstring>

#include <httplib.h>

#include <fmt/format.h>

#include "engine/telemetry/http_server.h"

namespace weft::telemetry {

Result<HttpResponse> HttpGet(const ListenAddress& address, std::string_view path,
                             std::string_view accept, int64_t timeout_ns) {
  httplib::Client client(address.host, address.port);
  const auto timeout = std::chrono::nanoseconds(timeout_ns);
  client.set_connection_timeout(std::chrono::duration_cast<std::chrono::microseconds>(timeout));
  client.set_read_timeout(std::chrono::duration_cast<std::chrono::microseconds>(timeout));
  errno = 0;
  const auto result = client.Get(std::string(path), {{"Accept", std::string(accept)}});
  if (!result)
    return Fail(Code::kIo, fmt::format("{}: {}", address.Text(),
                                       errno != 0 ? std::strerror(errno)
                                                  : httplib::to_string(result.error())));
  return HttpResponse{result->status, result->get_header_value("Content-Type"), result->body};
}

}  // namespace weft::telemetry
