// HttpServer: answers GET requests for a few fixed paths, on threads of its own.
//
// For machines (a scraper, a supervisor, `weft top`), so: one request a connection, which leaves no
// thread waiting for an idle client; short timeouts; nothing but GET and HEAD; no request body.
// Handlers are called from several threads at once. The destructor ends it.
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

// One GET, for `weft top` and tests: the answer whatever its status. kIo: nobody answered.
Result<HttpResponse> HttpGet(const ListenAddress& address, std::string_view path,
                             std::string_view accept, int64_t timeout_ns);

}  // namespace weft::telemetry
