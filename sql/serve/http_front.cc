#include "sql/serve/http_front.h"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <optional>

#include <sys/socket.h>

#include <fmt/format.h>
#include <httplib.h>

#include "engine/http/acceptor.h"
#include "engine/http/bounded_pool.h"
#include "engine/http/timed_stream.h"

namespace weft::serve {
namespace {

constexpr size_t kThreads = 16, kWaiting = 64, kMaxBody = 64 << 10;
constexpr auto kRequestTime = std::chrono::seconds(10), kReplyTime = std::chrono::seconds(60);
constexpr std::string_view kMethods[] = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"};
constexpr auto kPatience = std::chrono::milliseconds(100),
               kRefusalPatience = std::chrono::milliseconds(10);
constexpr std::string_view kBusy =
    "HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/plain\r\nContent-Length: 26\r\n"
    "Retry-After: 1\r\nConnection: close\r\n\r\nbusy: please ask again...\n";

Request FromHttplib(const httplib::Request& from) {
  Request request;
  request.method = from.method == "HEAD" ? "GET" : from.method;
  request.target = MakeTarget(from.target);
  request.host = from.get_header_value("Host");
  request.authorization = from.get_header_value("Authorization");
  request.cookie = from.get_header_value("Cookie");
  request.fetch_site = from.get_header_value("Sec-Fetch-Site");
  request.if_none_match = from.get_header_value("If-None-Match");
  return request;
}

}  // namespace

class HttpFront::Impl final : public httplib::Server {
 public:
  Impl(const ListenAddress& address, HttpFront::Gate gate, HttpFront::Handler handler)
      : address_(address), gate_(std::move(gate)), handler_(std::move(handler)) {
    set_payload_max_length(kMaxBody);
    set_pre_routing_handler([this](const httplib::Request& from, httplib::Response& to) {
      return Refuse(from, to) ? HandlerResponse::Handled : HandlerResponse::Unhandled;
    });
    Get(".*", [this](const httplib::Request& from, httplib::Response& to) {
      Send(handler_(FromHttplib(from), address_.port), to);
    });
    // Whatever has no reader of its own the library reads whole: its bound is on Content-Length.
    const auto answer = [this](const httplib::Request& from, httplib::Response& to,
                               const httplib::ContentReader& read) { Answer(from, to, read); };
    Post(".*", answer).Put(".*", answer).Patch(".*", answer).Delete(".*", answer);
  }
  ~Impl() override {
    stop_.Set(std::chrono::steady_clock::now());
    acceptor_.reset();
    svr_sock_ = INVALID_SOCKET;
    pool_.Shutdown();
  }

  Result<void> Listen(Logger& log) {
    errno = 0;
    set_socket_options([](socket_t socket) {
      const int yes = 1;  // not SO_REUSEPORT: a second weft would take every other request
      ::setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    });
    int port = address_.port;
    if (port == 0)
      port = bind_to_any_port(address_.host);
    else if (!bind_to_port(address_.host, port))
      port = -1;
    if (port < 0)
      return Fail(Code::kIo, fmt::format("cannot listen on {}: {}", address_.Text(),
                                         errno != 0 ? std::strerror(errno) : "no such address"));
    // The library lets five connections wait; a browser opens as many at once.
    ::listen(svr_sock_, SOMAXCONN);
    address_.port = static_cast<uint16_t>(port);
    acceptor_.emplace(svr_sock_, "http://" + address_.Text(), log, [this](int fd) {
      pool_.Enqueue([this, fd] { process_and_close_socket(fd); });
    });
    return {};
  }
  const ListenAddress& address() const { return address_; }

 private:
  bool process_and_close_socket(socket_t socket) override {
    if (http::BoundedPool::Refusing()) {
      (void)::send(socket, kBusy.data(), kBusy.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
      http::CloseGently(socket, kRefusalPatience);
      return false;
    }
    http::TimedStream stream(socket, stop_);
    stream.Allow(kRequestTime);
    bool closed = false;
    // Compressing well takes longer than finding the answer.
    const bool done = process_request(stream, true, closed, [&](httplib::Request& request) {
      request.headers.erase("Accept-Encoding");
      request.ranges.clear();  // a range that is repeated multiplies the reply
      stream_of_thread_ = &stream;
    });
    http::CloseGently(socket, kPatience);
    return done;
  }

  // By the headers alone.
  bool Refuse(const httplib::Request& from, httplib::Response& to) {
    if (auto refusal = gate_(FromHttplib(from), address_.port)) return Send(*refusal, to), true;
    if (std::ranges::find(kMethods, from.method) == std::end(kMethods))
      return Say(405, "this method is not answered here", to), true;
    const bool packed = !from.get_header_value("Content-Encoding").empty();
    if (packed || from.is_multipart_form_data())
      return Say(415, "a body must be plain: without Content-Encoding, of one part", to), true;
    return false;
  }

  void Answer(const httplib::Request& from, httplib::Response& to,
              const httplib::ContentReader& read) {
    Request request = FromHttplib(from);
    bool fits = true;
    const bool whole = read([&](const char* data, size_t n) {
      fits = request.body.size() + n <= kMaxBody;
      if (fits) request.body.append(data, n);
      return fits;
    });
    if (!fits || to.status == 413)
      return Say(413, fmt::format("a body may have {} bytes", kMaxBody), to);
    if (!whole) return Say(400, "the body cannot be read", to);
    Send(handler_(request, address_.port), to);
  }

  void Say(int status, std::string_view why, httplib::Response& to) {
    Reply reply;
    reply.status = status;
    reply.content_type = "text/plain; charset=utf-8";
    reply.body = fmt::format("{}: {}\n", status, why);
    Send(reply, to);
  }

  void Send(const Reply& reply, httplib::Response& to) {
    stream_of_thread_->Allow(kReplyTime);
    to.status = reply.status;
    for (const auto& [name, value] : reply.headers) to.set_header(name, value);
    to.set_content(reply.body, reply.content_type);
  }

  static thread_local http::TimedStream* stream_of_thread_;
  ListenAddress address_;
  const HttpFront::Gate gate_;
  const HttpFront::Handler handler_;
  http::StopTime stop_;
  http::BoundedPool pool_{kThreads, kWaiting, http::BoundedPool::WhenFull::kRefuse};
  std::optional<http::Acceptor> acceptor_;  // from Listen on
};

thread_local http::TimedStream* HttpFront::Impl::stream_of_thread_ = nullptr;

HttpFront::HttpFront(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
HttpFront::~HttpFront() = default;
const ListenAddress& HttpFront::address() const { return impl_->address(); }

Result<std::unique_ptr<HttpFront>> HttpFront::Start(const ListenAddress& address, Gate gate,
                                                    Handler handler, Logger& log) {
  auto impl = std::make_unique<Impl>(address, std::move(gate), std::move(handler));
  WEFT_TRY(impl->Listen(log));
  return std::unique_ptr<HttpFront>(new HttpFront(std::move(impl)));
}

}  // namespace weft::serve
