#include "engine/telemetry/http_server.h"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <list>
#include <optional>
#include <thread>
#include <utility>

#include <netdb.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <fmt/format.h>

namespace weft::telemetry {
namespace {

using SteadyTime = std::chrono::steady_clock::time_point;

constexpr size_t kConnections = 64;
constexpr size_t kRequestBytes = 8 << 10;
constexpr auto kConnectionTime = std::chrono::seconds(5);

struct Socket {
  explicit Socket(int descriptor) : fd(descriptor) {}
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;
  ~Socket() {
    if (fd >= 0) close(fd);
  }
  const int fd;
};

// (read request) (write answer) (read and forget until the peer closes: an answer must not be lost
// to the reset that closing on unread bytes sends).
struct Connection {
  Connection(int descriptor, SteadyTime end) : socket(descriptor), ends(end) {}
  Socket socket;
  const SteadyTime ends;
  std::string request;
  std::string answer;
  size_t sent = 0;

  bool answered() const { return !answer.empty() && sent == answer.size(); }
  int16_t wants() const { return answer.empty() || answered() ? POLLIN : POLLOUT; }
};

bool SameWord(std::string_view a, std::string_view b) {
  return std::ranges::equal(a, b, [](char x, char y) { return (x | 0x20) == (y | 0x20); });
}

// The value of a header; `head` are whole lines.
std::string HeaderOf(std::string_view head, std::string_view name) {
  for (size_t at = head.find("\r\n"); at != head.npos && at + 2 < head.size();) {
    const size_t begin = at + 2;
    at = head.find("\r\n", begin);
    std::string_view line = head.substr(begin, at == head.npos ? at : at - begin);
    const size_t colon = line.find(':');
    if (colon == line.npos || !SameWord(line.substr(0, colon), name)) continue;
    line.remove_prefix(std::min(line.find_first_not_of(" \t", colon + 1), line.size()));
    return std::string(line);
  }
  return {};
}

const char* StatusText(int status) {
  switch (status) {
    case 200: return "OK";
    case 400: return "Bad Request";
    case 404: return "Not Found";
    case 405: return "Method Not Allowed";
    case 431: return "Request Header Fields Too Large";
    case 503: return "Service Unavailable";
    default: return "Internal Server Error";
  }
}

std::string Spell(const HttpResponse& response, bool with_body) {
  return fmt::format(
      "HTTP/1.1 {} {}\r\nContent-Type: {}\r\nContent-Length: {}\r\n{}Connection: close\r\n\r\n{}",
      response.status, StatusText(response.status), response.content_type, response.body.size(),
      response.status == 405 ? "Allow: GET, HEAD\r\n" : "", with_body ? response.body : "");
}

HttpResponse Refusal(int status) {
  HttpResponse out;
  out.status = status;
  out.body = std::string(StatusText(status)) + "\n";
  return out;
}

// Bound and listening, or why not.
Result<int> Listen(const ListenAddress& address) {
  const auto failed = [&](const char* why) {
    return Fail(Code::kIo, fmt::format("cannot listen on {}: {}", address.Text(), why));
  };
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE;
  addrinfo* found = nullptr;
  if (const int error =
          getaddrinfo(address.host.c_str(), std::to_string(address.port).c_str(), &hints, &found);
      error != 0)
    return failed(gai_strerror(error));
  int fd = -1;
  int why = 0;
  for (const addrinfo* one = found; one != nullptr && fd < 0; one = one->ai_next) {
    fd = socket(one->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    const int yes = 1;  // not SO_REUSEPORT: a second weft would take every other request
    if (fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes) == 0 &&
        bind(fd, one->ai_addr, one->ai_addrlen) == 0 && listen(fd, SOMAXCONN) == 0)
      break;
    why = errno;
    if (fd >= 0) close(fd);
    fd = -1;
  }
  freeaddrinfo(found);
  if (fd < 0) return failed(std::strerror(why));
  return fd;
}

uint16_t BoundPort(int fd) {
  sockaddr_storage name{};
  socklen_t size = sizeof name;
  char port[NI_MAXSERV] = "0";
  if (getsockname(fd, reinterpret_cast<sockaddr*>(&name), &size) == 0)
    getnameinfo(reinterpret_cast<const sockaddr*>(&name), size, nullptr, 0, port, sizeof port,
                NI_NUMERICSERV);
  return static_cast<uint16_t>(std::atoi(port));
}

}  // namespace

struct HttpServer::Impl {
  Impl(int listening, const ListenAddress& where, std::vector<HttpRoute> what)
      : listener(listening),
        stop(eventfd(0, EFD_CLOEXEC)),
        address(where),
        routes(std::move(what)) {}

  void Run();
  void Accept();
  bool Serve(Connection& connection);  // false: it is over
  bool Read(Connection& connection);
  bool Write(Connection& connection);
  std::string Answer(std::string_view head) const;

  const Socket listener, stop;
  ListenAddress address;
  const std::vector<HttpRoute> routes;
  std::list<Connection> connections;  // the oldest first
  bool accepting = true;
  std::thread thread;
};

void HttpServer::Impl::Run() {
  std::vector<pollfd> waits;
  while (true) {
    waits = {{stop.fd, POLLIN, 0}, {listener.fd, static_cast<int16_t>(accepting ? POLLIN : 0), 0}};
    for (const Connection& one : connections) waits.push_back({one.socket.fd, one.wants(), 0});
    int wait_ms = accepting ? -1 : 100;
    if (!connections.empty()) {
      const auto left = connections.front().ends - std::chrono::steady_clock::now();
      const auto ms = std::chrono::ceil<std::chrono::milliseconds>(left).count();
      const int capped = static_cast<int>(std::clamp<int64_t>(ms, 0, 60'000));
      wait_ms = wait_ms < 0 ? capped : std::min(wait_ms, capped);
    }
    const int ready = poll(waits.data(), waits.size(), wait_ms);
    if (waits[0].revents != 0) return;
    accepting = true;
    const SteadyTime now = std::chrono::steady_clock::now();
    size_t i = 2;
    for (auto it = connections.begin(); it != connections.end(); ++i) {
      const bool goes_on = it->ends > now && (ready <= 0 || waits[i].revents == 0 || Serve(*it));
      it = goes_on ? std::next(it) : connections.erase(it);
    }
    if (ready > 0 && waits[1].revents != 0) Accept();
  }
}

// Who holds connections without asking loses the oldest of them to whoever comes.
void HttpServer::Impl::Accept() {
  const int fd = accept4(listener.fd, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
  if (fd < 0) {
    accepting = errno == EAGAIN || errno == ECONNABORTED || errno == EINTR;  // else: no descriptors
    return;
  }
  if (connections.size() >= kConnections) connections.pop_front();
  connections.emplace_back(fd, std::chrono::steady_clock::now() + kConnectionTime);
}

bool HttpServer::Impl::Serve(Connection& connection) {
  return connection.wants() == POLLIN ? Read(connection) : Write(connection);
}

bool HttpServer::Impl::Read(Connection& connection) {
  char bytes[4096];
  const ssize_t got = recv(connection.socket.fd, bytes, sizeof bytes, 0);
  if (got < 0) return errno == EAGAIN || errno == EINTR;
  if (got == 0) return false;
  if (connection.answered()) return true;
  connection.request.append(bytes, static_cast<size_t>(got));
  const size_t end = connection.request.find("\r\n\r\n");
  if (end != connection.request.npos)
    connection.answer = Answer(std::string_view(connection.request).substr(0, end));
  else if (connection.request.size() > kRequestBytes)
    connection.answer = Spell(Refusal(431), true);
  return connection.answer.empty() || Write(connection);
}

bool HttpServer::Impl::Write(Connection& connection) {
  const ssize_t put = send(connection.socket.fd, connection.answer.data() + connection.sent,
                           connection.answer.size() - connection.sent, MSG_NOSIGNAL);
  if (put < 0) return errno == EAGAIN || errno == EINTR;
  connection.sent += static_cast<size_t>(put);
  if (connection.answered()) shutdown(connection.socket.fd, SHUT_WR);
  return true;
}

std::string HttpServer::Impl::Answer(std::string_view head) const {
  const std::string_view line = head.substr(0, head.find("\r\n"));
  const size_t first = line.find(' ');
  const size_t second = first == line.npos ? first : line.find(' ', first + 1);
  if (second == line.npos || !line.substr(second + 1).starts_with("HTTP/1."))
    return Spell(Refusal(400), true);
  const std::string_view method = line.substr(0, first);
  std::string_view path = line.substr(first + 1, second - first - 1);
  path = path.substr(0, path.find('?'));
  if (method != "GET" && method != "HEAD") return Spell(Refusal(405), true);
  for (const HttpRoute& route : routes)
    if (route.path == path)
      return Spell(route.handler({HeaderOf(head, "Accept")}), method == "GET");
  return Spell(Refusal(404), method == "GET");
}

HttpServer::HttpServer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {
  impl_->thread = std::thread([raw = impl_.get()] { raw->Run(); });
}

HttpServer::~HttpServer() {
  const uint64_t one = 1;
  [[maybe_unused]] const ssize_t told = write(impl_->stop.fd, &one, sizeof one);
  impl_->thread.join();
}

const ListenAddress& HttpServer::address() const { return impl_->address; }

Result<std::unique_ptr<HttpServer>> HttpServer::Start(const ListenAddress& address,
                                                      std::vector<HttpRoute> routes) {
  auto listener = Listen(address);
  if (!listener) return std::unexpected(std::move(listener.error()));
  auto impl = std::make_unique<Impl>(*listener, address, std::move(routes));
  if (impl->stop.fd < 0)
    return Fail(Code::kIo,
                fmt::format("cannot listen on {}: {}", address.Text(), std::strerror(errno)));
  impl->address.port = BoundPort(*listener);
  return std::unique_ptr<HttpServer>(new HttpServer(std::move(impl)));
}

}  // namespace weft::telemetry
