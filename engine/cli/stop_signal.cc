#include "engine/cli/stop_signal.h"

#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdio>

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "engine/base/check.h"

namespace weft::cli {
namespace {

sigset_t StopSignals() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGINT);
  sigaddset(&set, SIGTERM);
  sigaddset(&set, SIGHUP);
  return set;
}

// A hang-up of the terminal comes as SIGHUP too, from the kernel or from the shell.
bool HasTerminal() {
  const int fd = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
  if (fd >= 0) close(fd);
  return fd >= 0;
}

}  // namespace

StopSignal::StopSignal(Hangup hangup) : hangup_(hangup), had_terminal_(HasTerminal()) {
  const sigset_t set = StopSignals();
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  struct sigaction ignore {};
  ignore.sa_handler = SIG_IGN;
  sigaction(SIGPIPE, &ignore, &pipe_before_);
  signals_ = signalfd(-1, &set, SFD_CLOEXEC);
  ended_ = eventfd(0, EFD_CLOEXEC);
  WEFT_CHECK(signals_ >= 0 && ended_ >= 0);
  thread_ = std::thread([this] { Listen(); });
}

StopSignal::~StopSignal() {
  const uint64_t one = 1;
  WEFT_CHECK(write(ended_, &one, sizeof one) == sizeof one);
  thread_.join();
  close(signals_);
  close(ended_);
  sigaction(SIGPIPE, &pipe_before_, nullptr);
  const sigset_t set = StopSignals();
  pthread_sigmask(SIG_UNBLOCK, &set, nullptr);
}

void StopSignal::Listen() {
  pollfd inputs[] = {{signals_, POLLIN, 0}, {ended_, POLLIN, 0}};
  while (true) {
    if (poll(inputs, 2, -1) < 0 && errno != EINTR) return;
    if (inputs[1].revents != 0) return;
    signalfd_siginfo info{};
    if (inputs[0].revents == 0 || read(signals_, &info, sizeof info) != sizeof info) continue;
    if (info.ssi_signo == SIGHUP && hangup_ == Hangup::kReloads && had_terminal_ == HasTerminal()) {
      reload_ = true;
      continue;
    }
    // The store is consistent at any moment, so nothing needs to be done before leaving.
    if (requested()) _exit(128 + static_cast<int>(info.ssi_signo));
    std::lock_guard lock(mutex_);
    requested_ = true;
    stop_.notify_all();
  }
}

bool StopSignal::Wait(int64_t ns) {
  std::unique_lock lock(mutex_);
  return stop_.wait_for(lock, std::chrono::nanoseconds(ns), [this] { return requested(); });
}

}  // namespace weft::cli
