// Requests at a steady rate over kept connections, for tests/bench/cost/run.
//
//   paced_load redis|http PORT RATE SECONDS [CONNECTIONS]
//
// Open loop: what is due is sent on connections that wait for nothing; where all of them wait, the
// request is late, not left out. Prints {"sent": n, "answered": n, "p50_us": x, "p99_us": x}.
#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/support/loopback.h"

namespace {

int64_t Now() {
  timespec t{};
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1'000'000'000LL + t.tv_nsec;
}

int Connect(uint16_t port) {
  const int fd = weft::test::ConnectTo(port);
  if (fd < 0) {
    std::perror("paced_load: connect");
    std::exit(1);
  }
  const int one = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  fcntl(fd, F_SETFL, O_NONBLOCK);
  return fd;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 5) {
    std::fprintf(stderr, "usage: paced_load redis|http PORT RATE SECONDS [CONNECTIONS]\n");
    return 2;
  }
  const bool redis = std::string_view(argv[1]) == "redis";
  const auto port = static_cast<uint16_t>(std::atoi(argv[2]));
  const double rate = std::atof(argv[3]), seconds = std::atof(argv[4]);
  const size_t connections = argc > 5 ? static_cast<size_t>(std::atoi(argv[5])) : 50;
  const std::string_view request =
      redis ? "*2\r\n$3\r\nGET\r\n$5\r\nkey:1\r\n" : "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";
  std::vector<pollfd> polled(connections);
  std::vector<int64_t> sent_ns(connections, 0);
  std::vector<size_t> idle;
  for (size_t i = 0; i < connections; ++i) {
    polled[i] = {Connect(port), POLLIN, 0};
    idle.push_back(i);
  }
  std::vector<int64_t> times;
  const auto total = static_cast<uint64_t>(rate * seconds);
  uint64_t sent = 0;
  const int64_t begin = Now();
  char reply[65536];
  while (times.size() < total && Now() - begin < static_cast<int64_t>((seconds + 5) * 1e9)) {
    const auto due = std::min<uint64_t>(
        total, static_cast<uint64_t>(static_cast<double>(Now() - begin) / 1e9 * rate) + 1);
    while (sent < due && !idle.empty()) {
      const size_t i = idle.back();
      idle.pop_back();
      sent_ns[i] = Now();
      if (write(polled[i].fd, request.data(), request.size()) !=
          static_cast<ssize_t>(request.size())) {
        std::perror("paced_load: write");
        return 1;
      }
      ++sent;
    }
    if (poll(polled.data(), polled.size(), 1) <= 0) continue;
    for (size_t i = 0; i < connections; ++i) {
      if (polled[i].revents == 0) continue;
      // Replies are small: one read has one whole reply.
      if (read(polled[i].fd, reply, sizeof reply) <= 0) {
        if (errno == EAGAIN) continue;
        std::perror("paced_load: read");
        return 1;
      }
      times.push_back(Now() - sent_ns[i]);
      idle.push_back(i);
    }
  }
  std::ranges::sort(times);
  const auto at = [&](double q) {
    if (times.empty()) return 0.0;
    return static_cast<double>(
               times[static_cast<size_t>(q * static_cast<double>(times.size() - 1))]) /
           1e3;
  };
  std::printf("{\"sent\": %lu, \"answered\": %zu, \"p50_us\": %.1f, \"p99_us\": %.1f}\n", sent,
              times.size(), at(0.5), at(0.99));
  return 0;
}
