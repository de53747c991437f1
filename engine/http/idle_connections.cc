#include "engine/http/idle_connections.h"

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <utility>

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "engine/base/check.h"

namespace weft::http {
namespace {

constexpr int kEvents = 64;

SteadyTime Now() { return std::chrono::steady_clock::now(); }

bool Watch(int epoll, int fd) {
  epoll_event event{};
  event.events = EPOLLIN | EPOLLRDHUP;
  event.data.fd = fd;
  return ::epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) == 0;
}

bool EndedByPeer(int fd) {
  char first;
  const ssize_t n = ::recv(fd, &first, 1, MSG_PEEK | MSG_DONTWAIT);
  // Nothing yet: the event was of a connection that had this number before.
  return n == 0 || (n < 0 && errno != EAGAIN);
}

}  // namespace

IdleConnections::IdleConnections(Options options, std::function<void(int fd)> resume)
    : options_(options),
      resume_(std::move(resume)),
      epoll_(::epoll_create1(EPOLL_CLOEXEC)),
      event_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  // Where there are no descriptors, nothing can be watched and Park closes.
  Watch(epoll_, event_);
  thread_ = std::thread([this] { Run(); });
}

IdleConnections::~IdleConnections() {
  Stop();
  ::close(epoll_);
  ::close(event_);
}

void IdleConnections::Park(int fd) {
  const std::lock_guard lock(mutex_);
  if (stopped_ || event_ < 0) {
    ::close(fd);
    return;
  }
  const bool first = parked_.empty();
  parked_.push_back({fd, Now() + options_.patience});
  place_[fd] = std::prev(parked_.end());
  if (!Watch(epoll_, fd)) {
    place_.erase(fd);
    parked_.pop_back();
    ::close(fd);
    return;
  }
  if (parked_.size() > options_.most) CloseOldest();
  if (first) Wake();
}

void IdleConnections::Stop() {
  {
    const std::lock_guard lock(mutex_);
    stopped_ = true;
    Wake();
  }
  if (thread_.joinable()) thread_.join();
  const std::lock_guard lock(mutex_);
  while (!parked_.empty()) CloseOldest();
}

void IdleConnections::Run() {
  epoll_event events[kEvents];
  for (int wait_ms; (wait_ms = WaitMs()) >= -1;) {
    const int n = ::epoll_wait(epoll_, events, kEvents, wait_ms);
    for (int i = 0; i < n; ++i) {
      uint64_t count = 0;
      if (events[i].data.fd != event_)
        Resume(events[i].data.fd);
      else if (::read(event_, &count, sizeof count) < 0)
        continue;
    }
  }
}

// Until the oldest has waited long enough; -1: for ever, -2: it is over.
int IdleConnections::WaitMs() {
  const std::lock_guard lock(mutex_);
  if (stopped_) return -2;
  while (!parked_.empty() && parked_.front().until <= Now()) CloseOldest();
  if (parked_.empty()) return -1;
  const auto left = parked_.front().until - Now();
  return static_cast<int>(
      std::max<int64_t>(std::chrono::ceil<std::chrono::milliseconds>(left).count(), 0));
}

void IdleConnections::Resume(int fd) {
  if (!Take(fd)) return;
  if (EndedByPeer(fd))
    ::close(fd);
  else
    resume_(fd);
}

// False: it was closed since the event came.
bool IdleConnections::Take(int fd) {
  const std::lock_guard lock(mutex_);
  const auto found = place_.find(fd);
  if (stopped_ || found == place_.end()) return false;
  ::epoll_ctl(epoll_, EPOLL_CTL_DEL, fd, nullptr);
  parked_.erase(found->second);
  place_.erase(found);
  return true;
}

void IdleConnections::CloseOldest() {
  const int fd = parked_.front().fd;
  parked_.pop_front();
  place_.erase(fd);
  ::close(fd);  // and is watched no more
}

void IdleConnections::Wake() const {
  const uint64_t one = 1;
  WEFT_CHECK(event_ < 0 || ::write(event_, &one, sizeof one) == sizeof one);
}

}  // namespace weft::http
