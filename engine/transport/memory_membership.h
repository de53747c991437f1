// MemoryMembership: the only member of a stage: every partition comes with the first Wait.
//
// Owned by the engine; one thread. See transport.h for the rules.
#pragma once

#include <numeric>
#include <utility>

#include "engine/transport/transport.h"

namespace weft::transport {

class MemoryMembership final : public Membership {
 public:
  explicit MemoryMembership(uint32_t partitions) : next_(partitions) {
    std::iota(next_.begin(), next_.end(), 0U);
  }

  bool exclusive() const override { return true; }
  // Never waits: after the first call there is nothing to wait for.
  Result<Assignment> Wait(int64_t) override {
    return Assignment{.gained = std::exchange(next_, {}), .revoked = {}, .lost = {}};
  }
  void Release(std::span<const uint32_t> partitions) override {
    next_.insert(next_.end(), partitions.begin(), partitions.end());
  }

 private:
  std::vector<uint32_t> next_;  // to be given
};

}  // namespace weft::transport
