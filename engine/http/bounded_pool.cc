#include "engine/http/bounded_pool.h"

#include <utility>

namespace weft::http {
namespace {

thread_local bool refusing = false;

}  // namespace

BoundedPool::BoundedPool(size_t threads, size_t waiting, WhenFull when_full)
    : max_waiting_(waiting), when_full_(when_full) {
  for (size_t i = 0; i < threads; ++i) threads_.emplace_back([this] { Work(); });
}

bool BoundedPool::Refusing() { return refusing; }

void BoundedPool::Enqueue(std::function<void()> task) {
  {
    std::unique_lock lock(mutex_);
    const auto has_room = [&] { return waiting_.size() < max_waiting_ || ended_; };
    if (when_full_ == WhenFull::kWait) room_.wait(lock, has_room);
    if (has_room()) {
      waiting_.push_back(std::move(task));
      return some_.notify_one();
    }
  }
  refusing = true;
  task();
  refusing = false;
}

bool BoundedPool::SomebodyWaits() {
  const std::lock_guard lock(mutex_);
  return !waiting_.empty();
}

void BoundedPool::Shutdown() {
  {
    const std::lock_guard lock(mutex_);
    ended_ = true;
  }
  some_.notify_all();
  room_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

void BoundedPool::Work() {
  std::unique_lock lock(mutex_);
  while (true) {
    some_.wait(lock, [&] { return ended_ || !waiting_.empty(); });
    if (waiting_.empty()) return;
    const auto task = std::move(waiting_.front());
    waiting_.pop_front();
    room_.notify_one();
    lock.unlock();
    task();
    lock.lock();
  }
}

}  // namespace weft::http
