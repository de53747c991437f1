// BoundedPool: the threads of an HTTP server, and a bounded queue before them.
//
// The server's, which hands it connections from the accepting thread (acceptor.h) and others.
// Shutdown runs what waits, and joins; the destructor comes after it, and nothing is handed to
// the pool any more.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace weft::http {

class BoundedPool {
 public:
  // Of a connection that finds the queue full: kWait holds up the accepting, so that the kernel's
  // backlog takes who comes next; kRefuse runs it at once, with Refusing() true.
  enum class WhenFull { kWait, kRefuse };

  BoundedPool(size_t threads, size_t waiting, WhenFull when_full);

  void Enqueue(std::function<void()> task);
  void Shutdown();
  // Whether a task has no thread yet.
  bool SomebodyWaits();

  // Whether this thread runs a task only to send its connection away.
  static bool Refusing();

 private:
  void Work();

  const size_t max_waiting_;
  const WhenFull when_full_;
  std::mutex mutex_;
  std::condition_variable some_, room_;
  std::deque<std::function<void()>> waiting_;
  bool ended_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace weft::http
