// Acceptor: the thread that takes the connections of an HTTP server, for as long as there is one.
//
// cpp-httplib's own ends for good, and silently, where accept fails for a while (ENFILE, ENOBUFS,
// ENOMEM, EPERM of a packet filter, ECONNABORTED), and frees the pool under those that still serve.
// This one says why it cannot accept, waits a little and goes on. It calls `serve`, which may wait
// and owns the descriptor from then on. Stop and the destructor from one thread.
#pragma once

#include <atomic>
#include <functional>
#include <string>
#include <thread>

#include "engine/base/log.h"

namespace weft::http {

class Acceptor {
 public:
  // Takes `listening` over. `name`: what it is, in log lines. The log outlives it.
  Acceptor(int listening, std::string name, Logger& log, std::function<void(int fd)> serve);
  ~Acceptor();
  // Closes the socket; afterwards `serve` is not called any more. What it was given goes on.
  void Stop();

 private:
  void Run();
  void Tell(int error);

  const int listening_;
  const std::string name_;
  Logger& log_;
  const std::function<void(int fd)> serve_;
  std::atomic<bool> stopped_ = false;
  std::thread thread_;
};

}  // namespace weft::http
