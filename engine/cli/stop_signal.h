// StopSignal: SIGINT, SIGTERM and SIGHUP as something a command waits for. The first asks for an
// orderly end; the second ends the process at once. Where the command can reload, a SIGHUP asks for
// that instead, unless it says that the terminal has gone. SIGPIPE is ignored meanwhile: Ctrl-C
// also ends the `tee` that shows our progress, and that must not keep us from storing what was
// seen.
//
// Make it first thing in a command, before any other thread: the signals are blocked in the calling
// thread, which every thread made later inherits, and a thread of its own takes them. One per
// process at a time. Wait and requested from any thread.
#pragma once

#include <atomic>
#include <condition_variable>
#include <csignal>
#include <cstdint>
#include <mutex>
#include <thread>

#include "engine/base/result.h"

namespace weft::cli {

class StopSignal {
 public:
  enum class Hangup : uint8_t { kStops, kReloads };
  explicit StopSignal(Hangup hangup = Hangup::kStops);
  ~StopSignal();
  StopSignal(const StopSignal&) = delete;
  StopSignal& operator=(const StopSignal&) = delete;

  // Returns when a stop was asked for, or after ns; true if it was asked for.
  bool Wait(int64_t ns);
  // Whether a reload was asked for since the last call.
  bool TakeReload() { return reload_.exchange(false); }
  bool requested() const { return requested_.load(std::memory_order_relaxed); }

 private:
  void Listen();

  struct sigaction pipe_before_ {};
  int signals_ = -1;  // signalfd
  int ended_ = -1;    // eventfd: the destructor wakes the thread
  const Hangup hangup_;
  const bool had_terminal_;
  std::atomic<bool> requested_ = false;
  std::atomic<bool> reload_ = false;
  std::mutex mutex_;
  std::condition_variable stop_;
  std::thread thread_;
};

}  // namespace weft::cli
