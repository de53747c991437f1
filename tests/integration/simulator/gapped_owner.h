// GappedOwner: a PartitionOwner whose input offsets have holes, as Kafka's have where transactions
// were committed or aborted. Stages may count on their order only. One thread.
#pragma once

#include <memory>
#include <utility>

#include "engine/transport/transport.h"

namespace weft::sim {

class GappedOwner final : public transport::PartitionOwner {
 public:
  explicit GappedOwner(std::unique_ptr<transport::PartitionOwner> inner)
      : inner_(std::move(inner)) {}

  transport::Stage stage() const override { return inner_->stage(); }
  uint32_t partition() const override { return inner_->partition(); }
  uint64_t generation() const override { return inner_->generation(); }
  uint64_t start_offset() const override { return kStep * inner_->start_offset(); }
  Result<void> ReadBack(transport::Stream log,
                        const std::function<void(const transport::Record&)>& visit) override {
    return inner_->ReadBack(log, visit);
  }
  Result<void> Poll(size_t max_bytes, std::vector<transport::Record>* out) override {
    const size_t begin = out->size();
    WEFT_TRY(inner_->Poll(max_bytes, out));
    for (size_t i = begin; i < out->size(); ++i) (*out)[i].offset *= kStep;
    return {};
  }
  void HoldInput(bool hold) override { inner_->HoldInput(hold); }
  std::optional<int64_t> CaughtUp() override { return inner_->CaughtUp(); }
  Result<void> Commit(transport::Transaction transaction) override {
    if (auto& offset = transaction.commit_offset) *offset = (*offset + kStep - 1) / kStep;
    return inner_->Commit(std::move(transaction));
  }

 private:
  static constexpr uint64_t kStep = 3;
  std::unique_ptr<transport::PartitionOwner> inner_;
};

}  // namespace weft::sim
