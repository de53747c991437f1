// The one file that knows cpp-httplib.
#include "engine/telemetry/http_server.h"

#include <cerrno>
#include <chrono>
#include <cstring>
#include <thread>

#include <httplib.h>

#include <fmt/format.h>

namespace weft::telemetry {
namespace {

constexpr size_t kThreads = 4;
constexpr time_t kTimeoutSeconds = 5;

// The library's own options set SO_REUSEPORT: a second weft on the port would take every other
// request, and nobody would be told.
void OnlyReuseAddress(socket_t socket) {
  const int yes = 1;
  setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
}

}  // namespace

struct HttpServer::Impl {
  httplib::Server server;
  ListenAddress address;
  std::thread thread;
};

HttpServer::HttpServer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

HttpServer::~HttpServer() {
  // A stop before the thread has begun to listen would be lost.
  while (!impl_->server.is_running()) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  impl_->server.stop();
  impl_->thread.join();
}

const ListenAddress& HttpServer::address() const { return impl_->address; }

Result<std::unique_ptr<HttpServer>> HttpServer::Start(const ListenAddress& address,
                                                      std::vector<HttpRoute> routes) {
  auto impl = std::make_unique<Impl>();
  httplib::Server& server = impl->server;
  server.set_socket_options(OnlyReuseAddress);
  server.set_keep_alive_max_count(1);
  server.set_read_timeout(kTimeoutSeconds);
  server.set_write_timeout(kTimeoutSeconds);
  server.new_task_queue = [] { return new httplib::ThreadPool(kThreads); };  // owned by the server
  // Before a body is read: there is none that anybody wants.
  server.set_pre_routing_handler([](const httplib::Request& request, httplib::Response& response) {
    if (request.method == "GET" || request.method == "HEAD")
      return httplib::Server::HandlerResponse::Unhandled;
    response.status = 405;
    response.set_header("Allow", "GET, HEAD");
    return httplib::Server::HandlerResponse::Handled;
  });
  for (HttpRoute& route : routes)
    server.Get(route.path, [handler = std::move(route.handler)](const httplib::Request& request,
                                                                httplib::Response& response) {
      const HttpResponse answer = handler({request.get_header_value("Accept")});
      response.status = answer.status;
      response.set_content(answer.body, answer.content_type);
    });

  impl->address = address;
  errno = 0;
  if (address.port != 0) {
    if (!server.bind_to_port(address.host, address.port)) impl->address.port = 0;
  } else {
    const int port = server.bind_to_any_port(address.host);
    impl->address.port = port > 0 ? static_cast<uint16_t>(port) : 0;
  }
  if (impl->address.port == 0)
    return Fail(Code::kIo, fmt::format("cannot listen on {}: {}", address.Text(),
                                       errno != 0 ? std::strerror(errno) : "no such address"));
  impl->thread = std::thread([&server] { server.listen_after_bind(); });
  return std::unique_ptr<HttpServer>(new HttpServer(std::move(impl)));
}

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
