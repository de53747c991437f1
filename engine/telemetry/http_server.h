// HttpServer: answers GET requests for a few fixed paths, on a thread of its own.
//
// For machines (a scraper, a supervisor, `weft top`), so: one request a connection; nothing but GET
// and HEAD; no request body. Anybody may reach the port, and a supervisor that gets no answer kills
// the process: a connection lives for five seconds however busy it looks, few are open at a time,
// and the oldest makes room for the newest. Handlers are called one at a time and must not wait.
// The destructor ends it.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "engine/base/listen_address.h"
#include "engine/base/result.h"

namespace weft::telemetry {

struct HttpRequest {
  std::string accept;
};
struct HttpResponse {
  int status = 200;
  std::string content_type = "text/plain; charset=utf-8";
  std::string body;
};
struct HttpRoute {
  std::string path;  // "/metrics"
  std::function<HttpResponse(const HttpRequest&)> handler;
};

class HttpServer {
 public:
  // kIo where the address cannot be had; the message says why.
  static Result<std::unique_ptr<HttpServer>> Start(const ListenAddress& address,
                                                   std::vector<HttpRoute> routes);
  ~HttpServer();

  // As bound: with the port that port 0 became.
  const ListenAddress& address() const;

 private:
  struct Impl;
  explicit HttpServer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

// One GET, for `weft top` and tests: the answer whatever its status. kIo: nobody answered; kFull:
// more than 16 MiB did. The timeout is that of connecting and of each read.
Result<HttpResponse> HttpGet(const ListenAddress& address, std::string_view path,
                             std::string_view accept, int64_t timeout_ns);

}  // namespace weft::telemetry
