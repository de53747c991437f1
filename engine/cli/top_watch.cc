#include "engine/cli/top_watch.h"

#include <algorithm>
#include <chrono>

namespace weft::cli {
namespace {

constexpr int64_t kLongestTimeout = 2 * kSecond;

}  // namespace

TopWatch::TopWatch(const std::vector<ListenAddress>& addresses, int64_t interval_ns,
                   const Clock& clock)
    : clock_(clock), interval_ns_(interval_ns), views_(addresses.size()), looks_(addresses.size()) {
  for (size_t i = 0; i < addresses.size(); ++i) {
    views_[i].address = addresses[i].Text();
    threads_.emplace_back([this, address = addresses[i], i] { Ask(address, i); });
  }
}

TopWatch::~TopWatch() {
  {
    const std::lock_guard lock(mutex_);
    ended_ = true;
  }
  changed_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

void TopWatch::Ask(const ListenAddress& address, size_t place) {
  const int64_t timeout_ns = std::clamp(interval_ns_, kSecond, kLongestTimeout);
  TopEndpoint endpoint(address.Text(), [&](std::string_view path) {
    return telemetry::HttpGet(address, path, "text/plain", timeout_ns);
  });
  while (true) {
    const int64_t begun_ns = clock_.MonotonicNs();
    TopView view = endpoint.Look(begun_ns, clock_.UnixNs());
    const int64_t rest_ns = interval_ns_ - (clock_.MonotonicNs() - begun_ns);
    std::unique_lock lock(mutex_);
    views_[place] = std::move(view);
    ++looks_[place];
    changed_.notify_all();
    const auto rest = std::chrono::nanoseconds(std::max<int64_t>(rest_ns, 0));
    if (changed_.wait_for(lock, rest, [this] { return ended_; })) return;
  }
}

std::vector<TopView> TopWatch::Views() const {
  const std::lock_guard lock(mutex_);
  return views_;
}

void TopWatch::WaitForLooks(uint64_t looks) {
  std::unique_lock lock(mutex_);
  changed_.wait(
      lock, [&] { return std::ranges::all_of(looks_, [&](uint64_t n) { return n >= looks; }); });
}

}  // namespace weft::cli
