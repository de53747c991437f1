#include "tests/integration/loss/loads.h"

#include <cstdio>
#include <cstring>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/support/loopback.h"

namespace weft::test {
namespace {

constexpr std::string_view kAnswer = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
static_assert(kAnswer.size() == kAnswerBytes);
constexpr size_t kChunk = 65536;

std::string RequestText(int number) {
  char text[64];
  std::snprintf(text, sizeof text, "GET /items/%08d HTTP/1.1\r\nHost: shop-of-it\r\n\r\n", number);
  return text;
}

bool Ask(int fd, int number) {
  const std::string request = RequestText(number);
  return request.size() == kRequestBytes && WriteAll(fd, request);
}

bool Hear(int fd) {
  char answer[256];
  size_t got = 0;
  while (got < kAnswerBytes) {
    const ssize_t n = read(fd, answer, sizeof answer);
    if (n <= 0) return false;
    got += static_cast<size_t>(n);
  }
  return got == kAnswerBytes;
}

void Reset(int fd) {
  const linger none{1, 0};
  setsockopt(fd, SOL_SOCKET, SO_LINGER, &none, sizeof none);
  close(fd);
}

void Watch(int epoll, int fd) {
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.fd = fd;
  epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
}

}  // namespace

bool AllowDescriptors(uint64_t count) {
  rlimit limit{};
  getrlimit(RLIMIT_NOFILE, &limit);
  if (limit.rlim_cur >= count) return true;
  limit.rlim_cur = count;
  if (limit.rlim_max < count) limit.rlim_max = count;
  return setrlimit(RLIMIT_NOFILE, &limit) == 0;
}

bool ExchangeHere(int fd, int number) { return Ask(fd, number) && Hear(fd); }

int ServeMany(int listener, int until) {
  const int epoll = epoll_create1(0);
  listen(listener, 4096);
  Watch(epoll, listener);
  Watch(epoll, until);
  std::unordered_map<int, size_t> pending;  // bytes of a request that is not whole
  for (;;) {
    epoll_event events[64];
    const int n = epoll_wait(epoll, events, 64, -1);
    for (int i = 0; i < n; i++) {
      const int fd = events[i].data.fd;
      if (fd == until) return 0;
      if (fd == listener) {
        Watch(epoll, accept(listener, nullptr, nullptr));
        continue;
      }
      char request[4096];
      const ssize_t got = read(fd, request, sizeof request);
      if (got <= 0) {
        pending.erase(fd);
        close(fd);
        continue;
      }
      size_t& bytes = pending[fd];
      for (bytes += static_cast<size_t>(got); bytes >= kRequestBytes; bytes -= kRequestBytes)
        WriteAll(fd, kAnswer);
    }
  }
}

int RequestMany(uint16_t port, int requests) {
  const int fd = ConnectTo(port);
  if (fd < 0) return 1;
  for (int i = 0; i < requests; i++)
    if (!Ask(fd, i) || !Hear(fd)) return 2;
  close(fd);
  return 0;
}

int RequestShort(uint16_t port, int connections, int permits) {
  for (int i = 0; i < connections; i++) {
    char permit;
    if (i % kConnectionsPerPermit == 0 && read(permits, &permit, 1) != 1) return 3;
    const int fd = ConnectTo(port);
    if (fd < 0) return 1;
    if (!Ask(fd, i) || !Hear(fd)) return 2;
    Reset(fd);
  }
  return 0;
}

int RequestAtOnce(uint16_t port, int connections) {
  if (!AllowDescriptors(static_cast<uint64_t>(connections) + 64)) return 3;
  std::vector<int> fds;
  for (int i = 0; i < connections; i++) {
    fds.push_back(ConnectTo(port));
    if (fds.back() < 0) return 1;
  }
  for (int i = 0; i < connections; i++)
    if (!Ask(fds[static_cast<size_t>(i)], i)) return 2;
  for (const int fd : fds)
    if (!Hear(fd)) return 2;
  for (const int fd : fds) Reset(fd);
  return 0;
}

int Flood(uint16_t port, uint64_t bytes) {
  const int fd = ConnectTo(port);
  if (fd < 0) return 1;
  std::string garbage(kChunk, '\0');
  uint32_t x = 1;
  for (char& c : garbage) c = static_cast<char>((x = x * 1664525 + 1013904223) >> 24);
  // From one byte to all, so that many small records come too.
  for (uint64_t sent = 0; sent < bytes;) {
    x = x * 1664525 + 1013904223;
    const size_t n = (x >> 8) % 4 != 0 ? 1 + (x >> 10) % 200 : 1 + (x >> 10) % kChunk;
    if (!WriteAll(fd, {garbage.data(), n})) return 2;
    sent += n;
  }
  close(fd);
  return 0;
}

int Swallow(int listener) {
  const int fd = accept(listener, nullptr, nullptr);
  std::string buffer(kChunk, '\0');
  while (read(fd, buffer.data(), buffer.size()) > 0) {
  }
  return 0;
}

int ServeLarge(int listener, uint64_t bytes) {
  const int fd = accept(listener, nullptr, nullptr);
  char request[4096];
  if (read(fd, request, sizeof request) != static_cast<ssize_t>(kRequestBytes)) return 1;
  const std::string head =
      "HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(bytes) + "\r\n\r\n";
  if (!WriteAll(fd, head)) return 2;
  const std::string body(kChunk, 'x');
  for (uint64_t sent = 0; sent < bytes; sent += body.size())
    if (!WriteAll(fd, body)) return 3;
  // The connection goes on.
  if (read(fd, request, sizeof request) != static_cast<ssize_t>(kRequestBytes)) return 4;
  return WriteAll(fd, kAnswer) ? 0 : 5;
}

int RequestLarge(uint16_t port, uint64_t bytes) {
  const int fd = ConnectTo(port);
  if (fd < 0 || !Ask(fd, 0)) return 1;
  const uint64_t all =
      bytes + ("HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(bytes) + "\r\n\r\n").size();
  std::string buffer(kChunk, '\0');
  for (uint64_t got = 0; got < all;) {
    const ssize_t n = read(fd, buffer.data(), buffer.size());
    if (n <= 0) return 2;
    got += static_cast<uint64_t>(n);
  }
  return Ask(fd, 1) && Hear(fd) ? 0 : 3;
}

}  // namespace weft::test
