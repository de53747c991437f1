// BoundedPool: the threads of an HTTP server, and a bounded queue before them.
//
// Handed to cpp-httplib, whose own has no bound on what waits; it owns the pool and calls it from
// the accepting thread. shutdown() runs what waits, and joins.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

#include <httplib.h>

namespace weft::http {

class BoundedPool final : public httplib::TaskQueue {
 public:
  // Of a connection that finds the queue full: kWait holds up the accepting, so that the kernel's
  // backlog takes who comes next; kRefuse runs it at once, with Refusing() true.
  enum class WhenFull { kWait, kRefuse };

  BoundedPool(size_t threads, size_t waiting, WhenFull when_full);

  void enqueue(std::function<void()> task) override;
  void shutdown() override;
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
