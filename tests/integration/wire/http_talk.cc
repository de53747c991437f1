#include "tests/integration/wire/http_talk.h"

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <string_view>
#include <unordered_map>
#include <vector>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/support/loopback.h"

namespace weft::test {
namespace {

constexpr std::string_view kResponse = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
constexpr int kSeconds = 20;  // after which nothing more is expected to come

struct Address {
  sockaddr_storage storage{};
  socklen_t size = 0;
  sockaddr* raw() { return reinterpret_cast<sockaddr*>(&storage); }
};

Address AddressOf(const std::string& text, uint16_t port) {
  Address a;
  if (text.find(':') == std::string::npos) {
    auto* in = reinterpret_cast<sockaddr_in*>(&a.storage);
    in->sin_family = AF_INET;
    in->sin_port = htons(port);
    inet_pton(AF_INET, text.c_str(), &in->sin_addr);
    a.size = sizeof *in;
  } else {
    auto* in = reinterpret_cast<sockaddr_in6*>(&a.storage);
    in->sin6_family = AF_INET6;
    in->sin6_port = htons(port);
    inet_pton(AF_INET6, text.c_str(), &in->sin6_addr);
    a.size = sizeof *in;
  }
  return a;
}

void Allow(int descriptors) {
  const rlimit limit{static_cast<rlim_t>(descriptors) + 64, static_cast<rlim_t>(descriptors) + 64};
  rlimit now{};
  if (getrlimit(RLIMIT_NOFILE, &now) == 0 && now.rlim_cur < limit.rlim_cur)
    setrlimit(RLIMIT_NOFILE, &limit);
}

void SetTimeout(int fd) {
  const timeval limit{kSeconds, 0};
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
}

// Takes whole requests off the front; returns how many there were.
int TakeRequests(std::string* input) {
  int requests = 0;
  for (;;) {
    const size_t end = input->find("\r\n\r\n");
    if (end == std::string::npos) return requests;
    size_t length = 0;
    constexpr std::string_view kLength = "Content-Length: ";
    const size_t at = input->find(kLength);
    if (at != std::string::npos && at < end)
      length = std::strtoul(input->c_str() + at + kLength.size(), nullptr, 10);
    if (input->size() < end + 4 + length) return requests;
    input->erase(0, end + 4 + length);
    requests++;
  }
}

std::string RequestsOf(const TalkOptions& options, int connection, int first, int count) {
  std::string bytes;
  for (int i = first; i < first + count; i++) {
    bytes += (options.body_bytes != 0 ? "POST" : "GET") + std::string(" /items/") + options.name +
             "-" + std::to_string(connection) + "-" + std::to_string(i) +
             " HTTP/1.1\r\nHost: shop\r\n";
    if (options.body_bytes != 0)
      bytes += "Content-Length: " + std::to_string(options.body_bytes) + "\r\n";
    bytes += "\r\n" + std::string(options.body_bytes, 'b');
  }
  return bytes;
}

bool ReadResponses(int fd, int count) {
  size_t left = kResponse.size() * static_cast<size_t>(count);
  char buffer[4096];
  while (left > 0) {
    const ssize_t n = read(fd, buffer, std::min(left, sizeof buffer));
    if (n <= 0) return false;
    left -= static_cast<size_t>(n);
  }
  return true;
}

int Connect(const TalkOptions& options, std::string_view first) {
  Address to = AddressOf(options.address, options.port);
  const int fd = socket(to.storage.ss_family, SOCK_STREAM, 0);
  SetTimeout(fd);
  if (options.from_port != 0) {
    const int one = 1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    Address from = AddressOf(options.address, options.from_port);
    if (bind(fd, from.raw(), from.size) != 0) return -1;
  }
  if (options.fast_open) {
    const ssize_t n = sendto(fd, first.data(), first.size(), MSG_FASTOPEN, to.raw(), to.size);
    if (n >= 0 && WriteAll(fd, first.substr(static_cast<size_t>(n)))) return fd;
  } else if (connect(fd, to.raw(), to.size) == 0) {
    return fd;
  }
  close(fd);
  return -1;
}

int Talk(int fd, const TalkOptions& options, int connection, int from, int to) {
  for (int i = from; i < to; i += options.pipelined) {
    const int count = std::min(options.pipelined, to - i);
    const bool sent = options.fast_open && i == 0;  // with the SYN
    if (!sent && !WriteAll(fd, RequestsOf(options, connection, i, count))) return 2;
    if (!ReadResponses(fd, count)) return 3;
  }
  return 0;
}

}  // namespace

int ListenTalk(const TalkOptions& options) {
  Address at = AddressOf(options.address, options.port);
  const int fd = socket(at.storage.ss_family, SOCK_STREAM, 0);
  const int one = 1, queue = 64;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  if (options.fast_open) setsockopt(fd, IPPROTO_TCP, TCP_FASTOPEN, &queue, sizeof queue);
  if (bind(fd, at.raw(), at.size) == 0 && listen(fd, 4096) == 0) return fd;
  const int error = errno;
  close(fd);
  errno = error;
  return -1;
}

int ServeTalk(int listener, int connections) {
  Allow(connections);
  const int poll = epoll_create1(0);
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.fd = listener;
  epoll_ctl(poll, EPOLL_CTL_ADD, listener, &event);
  std::unordered_map<int, std::string> inputs;
  std::vector<char> buffer(65536);
  for (int closed = 0; closed < connections;) {
    epoll_event events[64];
    const int n = epoll_wait(poll, events, 64, kSeconds * 1000);
    if (n == 0) return 4;
    for (int i = 0; i < n; i++) {
      int fd = events[i].data.fd;
      if (fd == listener) {
        fd = accept(listener, nullptr, nullptr);
        if (fd < 0) return 1;
        event.data.fd = fd;
        epoll_ctl(poll, EPOLL_CTL_ADD, fd, &event);
        continue;
      }
      const ssize_t got = read(fd, buffer.data(), buffer.size());
      if (got <= 0) {
        close(fd);
        inputs.erase(fd);
        closed++;
        continue;
      }
      std::string& input = inputs[fd];
      input.append(buffer.data(), static_cast<size_t>(got));
      std::string responses;
      for (int r = TakeRequests(&input); r > 0; r--) responses += kResponse;
      if (!WriteAll(fd, responses)) return 3;
    }
  }
  return 0;
}

int RequestTalk(const TalkOptions& options, void (*half_way)(void*), void* context) {
  if (options.at_once) Allow(options.connections);
  std::vector<int> fds;
  const int half = half_way != nullptr ? options.requests / 2 : options.requests;
  for (int c = 0; c < options.connections; c++) {
    fds.push_back(Connect(options, RequestsOf(options, c, 0, std::min(options.pipelined, half))));
    if (fds.back() < 0) return 1;
    if (options.at_once) continue;
    if (const int error = Talk(fds.back(), options, c, 0, half); error != 0) return error;
    if (half_way != nullptr) continue;
    close(fds.back());
    fds.clear();
  }
  if (half_way != nullptr) half_way(context);
  for (size_t c = 0; c < fds.size(); c++) {
    const int from = options.at_once ? 0 : half;
    if (const int error = Talk(fds[c], options, static_cast<int>(c), from, options.requests);
        error != 0)
      return error;
  }
  for (const int fd : fds) close(fd);
  return 0;
}

}  // namespace weft::test
