// TopWatch: asks several endpoints again and again, each on a thread of its own, so that one that
// does not answer keeps neither the others nor the keyboard waiting.
//
// Any thread may take the views; the destructor waits for what is being asked, at most two
// timeouts.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "engine/base/clock.h"
#include "engine/base/listen_address.h"
#include "engine/cli/top_endpoint.h"

namespace weft::cli {

class TopWatch {
 public:
  // `clock` outlives it.
  TopWatch(const std::vector<ListenAddress>& addresses, int64_t interval_ns, const Clock& clock);
  ~TopWatch();
  TopWatch(const TopWatch&) = delete;
  TopWatch& operator=(const TopWatch&) = delete;

  std::vector<TopView> Views() const;
  // Until each endpoint was looked at so many times.
  void WaitForLooks(uint64_t looks);

 private:
  void Ask(const ListenAddress& address, size_t place);

  const Clock& clock_;
  const int64_t interval_ns_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  bool ended_ = false;
  std::vector<TopView> views_;
  std::vector<uint64_t> looks_;
  std::vector<std::thread> threads_;
};

}  // namespace weft::cli
