// Labeller: what an engine does, with a label for each event of partition 0, "text@offset": take
// over, read, commit; again where it fails. Whether brokers that die lose or repeat anything shows
// in the labels. One thread; transport and member outlive it.
#pragma once

#include <cstdint>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "engine/base/clock.h"
#include "engine/transport/transport.h"

namespace weft::transport {

class Labeller {
 public:
  Labeller(Transport& transport, Membership& member) : transport_(transport), member_(member) {}

  // One turn; the offset that it has committed so far.
  uint64_t Turn() {
    if (!owner_ && !TakeOver()) return committed_;
    std::vector<Record> records;
    Result<void> done = owner_->Poll(1 << 20, &records);
    const auto caught_up = owner_->CaughtUp();
    if (done && records.empty()) {
      if (caught_up) read_until_ns_ = *caught_up;
      transport_.WaitReadable(Stage::kStitch, 0, transport_.LogTimeNs() + 50 * kMillisecond);
      return committed_;
    }
    Transaction tx;
    for (const Record& record : records)
      tx.out.push_back({Stream::kLabels, 0, RecordType::kLabelBatch, 0,
                        CopyPayload(std::string(record.payload->bytes()) + "@" +
                                    std::to_string(record.offset))});
    if (done) {
      tx.commit_offset = records.back().offset + 1;
      done = owner_->Commit(std::move(tx));
    }
    if (done) return committed_ = records.back().offset + 1;
    owner_.reset();
    const uint32_t partition = 0;
    member_.Release({&partition, 1});
    gained_ = false;
    return committed_;
  }
  // What was appended before is labelled.
  int64_t read_until_ns() const { return read_until_ns_; }
  // Requires: the texts of the events were their numbers, from 0, and all are committed.
  void ExpectEachLabelledOnce(uint64_t events) {
    size_t labels = 0;
    std::set<std::string> different;
    std::set<uint64_t> labelled;
    auto read = owner_->ReadBack(Stream::kLabels, [&](const Record& record) {
      ++labels;
      const std::string text(record.payload->bytes());
      different.insert(text);
      labelled.insert(std::stoul(text));
    });
    ASSERT_TRUE(read) << read.error().message;
    EXPECT_EQ(labelled.size(), events);
    // The log itself may have an event twice: of a publisher whose client had to be replaced.
    EXPECT_EQ(labels, different.size()) << "an event was labelled twice";
  }

 private:
  bool TakeOver() {
    auto change = member_.Wait(transport_.LogTimeNs() + 100 * kMillisecond);
    EXPECT_TRUE(change) << change.error().message;
    if (!change) return false;
    for (const auto* gone : {&change->revoked, &change->lost}) {
      if (gone->empty()) continue;
      member_.Release(*gone);
      gained_ = false;
    }
    gained_ |= !change->gained.empty();
    if (!gained_) return false;
    auto owner = transport_.Own(Stage::kStitch, 0);
    if (owner) owner_ = std::move(*owner);
    if (owner_) committed_ = owner_->start_offset();
    return owner.has_value();
  }

  Transport& transport_;
  Membership& member_;
  std::unique_ptr<PartitionOwner> owner_;
  bool gained_ = false;
  uint64_t committed_ = 0;
  int64_t read_until_ns_ = INT64_MIN;
};

}  // namespace weft::transport
