#include "tests/integration/ebpf/programs.h"

#include <csignal>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <string_view>

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/support/loopback.h"

namespace weft::test {
namespace {

constexpr int kWaitMs = 30'000;

// In the abstract namespace: nothing is left behind.
sockaddr_un UnixAddress(const std::string& name, socklen_t* length) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  name.copy(address.sun_path + 1, sizeof address.sun_path - 1);
  *length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + name.size());
  return address;
}

int ConnectToUnix(const std::string& name) {
  const int fd = socket(AF_UNIX, SOCK_STREAM, 0);
  socklen_t length;
  const sockaddr_un address = UnixAddress(name, &length);
  if (connect(fd, reinterpret_cast<const sockaddr*>(&address), length) == 0) return fd;
  close(fd);
  return -1;
}

// In one call from two buffers.
bool WriteBoth(int fd, std::string_view first, std::string_view second) {
  const iovec parts[] = {{const_cast<char*>(first.data()), first.size()},
                         {const_cast<char*>(second.data()), second.size()}};
  return writev(fd, parts, 2) == static_cast<ssize_t>(first.size() + second.size());
}

// In one call into two buffers, the first of which is small, to `buffer`.
ssize_t ReadBoth(int fd, char* buffer, size_t size) {
  constexpr size_t kFirst = 10;
  const iovec parts[] = {{buffer, kFirst}, {buffer + kFirst, size - kFirst}};
  return readv(fd, parts, 2);
}

// Reads until `end` has been seen `times` times.
bool ReadUntil(int fd, std::string_view end, int times) {
  static unsigned calls = 0;
  std::string got;
  char buffer[4096];
  size_t from = 0;
  while (times > 0) {
    // Every other call by read, so that both ways to receive are traced.
    const ssize_t n =
        calls++ % 2 == 0 ? ReadBoth(fd, buffer, sizeof buffer) : read(fd, buffer, sizeof buffer);
    if (n <= 0) return false;
    got.append(buffer, static_cast<size_t>(n));
    for (size_t at; times > 0 && (at = got.find(end, from)) != std::string::npos; times--)
      from = at + end.size();
  }
  return true;
}

// 128 + signal, where one ended it; -1: still running.
int WaitFor(pid_t pid) {
  for (int waited = 0; waited < kWaitMs; waited += 5) {
    int status = 0;
    if (waitpid(pid, &status, WNOHANG) == pid)
      return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    poll(nullptr, 0, 5);
  }
  return -1;
}

}  // namespace

TracedProcess::TracedProcess(std::function<int()> body) {
  int pipe_fds[2];
  if (pipe(pipe_fds) != 0) std::abort();
  pid_ = fork();
  if (pid_ == 0) {
    close(pipe_fds[1]);
    char go = 0;
    if (read(pipe_fds[0], &go, 1) != 1) _exit(0);
    _exit(body());
  }
  close(pipe_fds[0]);
  fcntl(pipe_fds[1], F_SETFD, FD_CLOEXEC);
  go_ = pipe_fds[1];
}

TracedProcess::~TracedProcess() {
  if (go_ >= 0) close(go_);
  if (!ended_) {
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
  }
}

void TracedProcess::Go() {
  if (write(go_, "g", 1) != 1) std::abort();
}

int TracedProcess::Wait() {
  const int code = WaitFor(pid_);
  ended_ = code >= 0;
  return code;
}

Gate::Gate() {
  if (pipe(reached_) != 0 || pipe(open_) != 0) std::abort();
}

Gate::~Gate() {
  for (const int fd : {reached_[0], reached_[1], open_[0], open_[1]}) close(fd);
}

void Gate::WaitReached() const {
  char c;
  if (read(reached_[0], &c, 1) != 1) std::abort();
}

void Gate::Open() const {
  if (write(open_[1], "o", 1) != 1) std::abort();
}

void Gate::Pass() const {
  char c;
  if (write(reached_[1], "r", 1) != 1 || read(open_[0], &c, 1) != 1) std::abort();
}

Listener::Listener() {
  fd = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof address;
  if (bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0 || listen(fd, 16) != 0 ||
      getsockname(fd, reinterpret_cast<sockaddr*>(&address), &length) != 0)
    std::abort();
  port = ntohs(address.sin_port);
}

Listener::~Listener() { close(fd); }

UnixListener::UnixListener() {
  static int made = 0;
  name = "weft-live-test-" + std::to_string(getpid()) + "-" + std::to_string(made++);
  fd = socket(AF_UNIX, SOCK_STREAM, 0);
  socklen_t length;
  const sockaddr_un address = UnixAddress(name, &length);
  if (bind(fd, reinterpret_cast<const sockaddr*>(&address), length) != 0 || listen(fd, 16) != 0)
    std::abort();
}

UnixListener::~UnixListener() { close(fd); }

int ServeHttp(int listener, int requests) {
  const int fd = accept(listener, nullptr, nullptr);
  if (fd < 0) return 1;
  for (int i = 0; i < requests; i++) {
    if (!ReadUntil(fd, "\r\n\r\n", 1)) return 2;
    // As nginx does it: head and body are two buffers of one call.
    if (!WriteBoth(fd, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", "hello")) return 3;
  }
  char rest;
  (void)!read(fd, &rest, 1);
  close(fd);
  return 0;
}

namespace {

int RequestHttpOn(int fd, int requests, const Gate* gate, int more) {
  if (fd < 0) return 1;
  for (int i = 0; i < requests + more; i++) {
    if (i == requests && gate != nullptr) gate->Pass();
    if (!WriteAll(fd, "GET /items/" + std::to_string(i) + " HTTP/1.1\r\nHost: shop\r\n\r\n"))
      return 2;
    if (!ReadUntil(fd, "hello", 1)) return 3;
  }
  close(fd);
  return 0;
}

}  // namespace

int RequestHttp(uint16_t port, int requests, const Gate* gate, int more) {
  return RequestHttpOn(ConnectTo(port), requests, gate, more);
}

int RequestHttp(const std::string& unix_name, int requests) {
  return RequestHttpOn(ConnectToUnix(unix_name), requests, nullptr, 0);
}

int RequestRedis(uint16_t port, int requests, int pipelined) {
  const int fd = ConnectTo(port);
  if (fd < 0) return 1;
  if (!WriteAll(fd, "*3\r\n$3\r\nSET\r\n$3\r\nkey\r\n$5\r\nvalue\r\n") ||
      !ReadUntil(fd, "+OK\r\n", 1))
    return 2;
  std::string gets;
  for (int i = 0; i < pipelined; i++) gets += "*2\r\n$3\r\nGET\r\n$3\r\nkey\r\n";
  for (int i = 1; i + pipelined <= requests; i += pipelined) {
    if (!WriteAll(fd, gets) || !ReadUntil(fd, "value\r\n", pipelined)) return 3;
  }
  close(fd);
  return 0;
}

RedisServer::RedisServer() {
  uint16_t port = 0;
  {
    const Listener free_port;
    port = free_port.port;
  }
  pid_ = fork();
  if (pid_ == 0) {
    const int null = open("/dev/null", O_RDWR);
    dup2(null, 1);
    dup2(null, 2);
    const std::string text = std::to_string(port);
    execlp("redis-server", "redis-server", "--port", text.c_str(), "--bind", "127.0.0.1", "--save",
           "", "--appendonly", "no", nullptr);
    _exit(127);
  }
  for (int waited = 0; waited < 5000; waited += 10) {
    if (waitpid(pid_, nullptr, WNOHANG) == pid_) {
      pid_ = -1;
      return;
    }
    if (const int fd = ConnectTo(port); fd >= 0) {
      close(fd);
      port_ = port;
      return;
    }
    poll(nullptr, 0, 10);
  }
}

RedisServer::~RedisServer() {
  if (pid_ <= 0) return;
  kill(pid_, SIGKILL);
  waitpid(pid_, nullptr, 0);
}

}  // namespace weft::test
