// MemoryOwner: the PartitionOwner of MemoryTransport; see transport.h for the rules.
//
// Holds only its reading positions; everything else is the transport's. One thread at a time.
#pragma once

#include <optional>
#include <utility>

#include "engine/transport/memory.h"

namespace weft::transport {

class MemoryOwner final : public PartitionOwner {
 public:
  MemoryOwner(MemoryTransport& transport, Stage stage, uint32_t partition, uint64_t generation,
              uint64_t start_offset, uint64_t links_offset)
      : transport_(transport),
        stage_(stage),
        partition_(partition),
        generation_(generation),
        start_offset_(start_offset),
        next_(start_offset),
        next_link_(links_offset) {}

  Stage stage() const override { return stage_; }
  uint32_t partition() const override { return partition_; }
  uint64_t generation() const override { return generation_; }
  uint64_t start_offset() const override { return start_offset_; }
  Result<void> ReadBack(Stream log, const std::function<void(const Record&)>& visit) override;
  Result<void> Poll(size_t max_bytes, std::vector<Record>* out) override;
  void HoldInput(bool hold) override { held_ = hold; }
  // After a Poll that brought nothing.
  std::optional<int64_t> CaughtUp() override { return std::exchange(caught_up_ns_, std::nullopt); }
  Result<void> Commit(Transaction transaction) override {
    return transport_.Commit(stage_, partition_, generation_, std::move(transaction));
  }

 private:
  Result<void> ReadInputs(size_t max_bytes, std::vector<Record>* out);
  size_t Read(Stream stream, size_t max_bytes, uint64_t* next, std::vector<Record>* out);
  Result<void> CheckOwned();

  MemoryTransport& transport_;
  const Stage stage_;
  const uint32_t partition_;
  const uint64_t generation_;
  const uint64_t start_offset_;
  uint64_t next_;
  uint64_t next_link_;
  std::optional<int64_t> caught_up_ns_;
  bool held_ = false;
};

}  // namespace weft::transport
