// IdleConnections: connections of an HTTP server between two requests, without a thread for each.
//
// A server's thread that finds nothing to read parks its connection here; when a request begins,
// `resume` gets the connection back, to serve it on any thread. What stays silent for too long is
// closed, and the oldest where there are too many, as HTTP allows between requests. Park from any
// thread; one thread inside calls `resume`, which may wait.
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <list>
#include <mutex>
#include <thread>
#include <unordered_map>

#include "engine/http/timed_stream.h"

namespace weft::http {

class IdleConnections {
 public:
  struct Options {
    std::chrono::nanoseconds patience;
    size_t most;
  };
  IdleConnections(Options options, std::function<void(int fd)> resume);
  ~IdleConnections();

  // Takes the connection over. Closes it where there is no room for a descriptor, and after Stop.
  void Park(int fd);
  // Closes them all. Afterwards `resume` is not called any more.
  void Stop();

 private:
  struct Parked {
    int fd;
    SteadyTime until;
  };
  void Run();
  int WaitMs();
  void Resume(int fd);
  bool Take(int fd);
  void CloseOldest();  // mutex_ held
  void Wake() const;

  const Options options_;
  const std::function<void(int fd)> resume_;
  const int epoll_, event_;
  std::mutex mutex_;
  std::list<Parked> parked_;  // the oldest first
  std::unordered_map<int, std::list<Parked>::iterator> place_;
  bool stopped_ = false;
  std::thread thread_;
};

}  // namespace weft::http
