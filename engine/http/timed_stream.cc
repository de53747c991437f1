#include "engine/http/timed_stream.h"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

namespace weft::http {
namespace {

constexpr auto kGlance = std::chrono::milliseconds(100);  // so soon is a stop noticed

}  // namespace

bool TimedStream::AwaitRequest(std::chrono::nanoseconds time) {
  end_ = Now() + time;
  while (at_ == held_) {
    const auto left = end_ - Now();
    if (stop_.IsSet() || left.count() <= 0) return false;
    pollfd one{fd_, POLLIN, 0};
    const auto ms = std::chrono::ceil<std::chrono::milliseconds>(
        std::min<std::chrono::nanoseconds>(left, kGlance));
    if (::poll(&one, 1, static_cast<int>(ms.count())) > 0) return true;
  }
  return true;
}

ssize_t TimedStream::read(char* out, size_t size) {
  if (at_ == held_) {
    if (!Wait(POLLIN)) return -1;
    // What is longer than the buffer goes where it is wanted.
    const bool direct = size >= sizeof buffer_;
    const ssize_t got = ::recv(fd_, direct ? out : buffer_, direct ? size : sizeof buffer_, 0);
    if (got <= 0 || direct) return got;
    at_ = 0;
    held_ = static_cast<size_t>(got);
  }
  const size_t n = std::min(size, held_ - at_);
  std::memcpy(out, buffer_ + at_, n);
  at_ += n;
  return static_cast<ssize_t>(n);
}

ssize_t TimedStream::write(const char* bytes, size_t size) {
  size_t sent = 0;
  while (sent < size) {
    if (!Wait(POLLOUT)) return -1;
    const ssize_t put = ::send(fd_, bytes + sent, size - sent, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (put < 0 && (errno == EAGAIN || errno == EINTR)) continue;
    if (put < 0) return -1;
    sent += static_cast<size_t>(put);
  }
  return static_cast<ssize_t>(size);
}

bool TimedStream::Wait(int16_t what) const {
  while (true) {
    const auto left =
        std::chrono::ceil<std::chrono::milliseconds>(std::min(end_, stop_.Get()) - Now());
    if (left.count() <= 0) return false;
    pollfd one{fd_, what, 0};
    const int ready =
        ::poll(&one, 1, static_cast<int>(std::min<int64_t>(left.count(), kGlance.count())));
    if (ready > 0) return true;
    if (ready < 0 && errno != EINTR) return false;
  }
}

void CloseGently(int fd, std::chrono::milliseconds patience) {
  ::shutdown(fd, SHUT_WR);
  char rest[4096];
  pollfd one{fd, POLLIN, 0};
  for (int i = 0; i < 16 && ::poll(&one, 1, static_cast<int>(patience.count())) > 0; ++i)
    if (::recv(fd, rest, sizeof rest, MSG_DONTWAIT) <= 0) break;
  ::close(fd);
}

}  // namespace weft::http
