#include "engine/http/acceptor.h"

#include <cerrno>
#include <chrono>
#include <cstring>
#include <utility>

#include <sys/socket.h>
#include <unistd.h>

#include <fmt/format.h>

namespace weft::http {
namespace {

using SteadyTime = std::chrono::steady_clock::time_point;

constexpr auto kPause = std::chrono::milliseconds(20);
constexpr auto kSaidFor = std::chrono::minutes(1);  // the same is not said again so soon

}  // namespace

Acceptor::Acceptor(int listening, std::string name, Logger& log, std::function<void(int fd)> serve)
    : listening_(listening), name_(std::move(name)), log_(log), serve_(std::move(serve)) {
  thread_ = std::thread([this] { Run(); });
}

Acceptor::~Acceptor() { Stop(); }

void Acceptor::Stop() {
  if (!thread_.joinable()) return;
  stopped_ = true;
  ::shutdown(listening_, SHUT_RDWR);  // wakes accept
  thread_.join();
  ::close(listening_);
}

void Acceptor::Run() {
  int said = 0;
  SteadyTime said_at;
  while (!stopped_) {
    const int fd = ::accept4(listening_, nullptr, nullptr, SOCK_CLOEXEC);
    if (fd >= 0) {
      serve_(fd);
      continue;
    }
    const int error = errno;
    // ECONNABORTED: of one connection, which is gone already.
    if (stopped_ || error == EINTR || error == EAGAIN || error == ECONNABORTED) continue;
    const SteadyTime now = std::chrono::steady_clock::now();
    if (error != said || now - said_at > kSaidFor) {
      said = error;
      said_at = now;
      Tell(error);
    }
    std::this_thread::sleep_for(kPause);
  }
}

void Acceptor::Tell(int error) {
  const char* const remedy = error == EMFILE   ? " (raise the process's limit of open files)"
                             : error == ENFILE ? " (raise fs.file-max)"
                                               : "";
  log_.Error(fmt::format("{} accepts no connections: {}{}; it goes on trying", name_,
                         std::strerror(error), remedy));
}

}  // namespace weft::http
