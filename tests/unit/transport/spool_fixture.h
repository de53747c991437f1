// What the tests of the spool share: batches, a folder, a spool that can be killed.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "engine/api/codec.h"
#include "engine/transport/spool.h"
#include "tests/support/temp_folder.h"

namespace weft::transport {

class SpoolFixture : public testing::Test {
 protected:
  // Counts what became of observations, as a source does.
  class Tally final : public Receipt {
   public:
    void Settle(uint64_t ticket, bool arrived) override {
      (arrived ? delivered : dropped) += ticket;
    }
    uint64_t delivered = 0, dropped = 0;
  };

  SpoolOptions Options() { return {.folder = folder_.path() / "spool", .farewells = false}; }
  std::unique_ptr<Spool> Open(const SpoolOptions& options) {
    auto spool = Spool::Open(options, clock_, metrics_, *log_);
    EXPECT_TRUE(spool.has_value()) << spool.error().message;
    return spool ? std::move(*spool) : nullptr;
  }
  std::unique_ptr<Spool> Open() { return Open(Options()); }

  // The number is in the payload; it has as many observations as its last digit says.
  OutRecord Numbered(uint64_t n, size_t bytes = 100, uint32_t partition = 0) {
    OutRecord record;
    record.partition = partition;
    record.type = RecordType::kAgentLost;  // whatever: not looked into
    std::string text = std::to_string(n) + " ";
    text.resize(std::max(bytes, text.size()), 'x');
    record.payload = CopyPayload(text);
    record.observations = static_cast<uint32_t>(n % 10);
    record.ticket = record.observations;
    record.receipt = tally_;
    return record;
  }
  static uint64_t NumberOf(const OutRecord& record) {
    return std::stoull(std::string(record.payload->bytes()));
  }
  // Takes everything that waits; settles it if asked.
  static std::vector<uint64_t> Drain(Spool& spool, bool settle = true) {
    std::vector<uint64_t> numbers;
    while (auto record = spool.Next()) {
      numbers.push_back(NumberOf(*record));
      if (settle) spool.Settle(record->ticket, true);
    }
    return numbers;
  }
  static std::vector<uint64_t> Range(uint64_t first, uint64_t end) {
    std::vector<uint64_t> numbers;
    for (; first < end; ++first) numbers.push_back(first);
    return numbers;
  }
  std::vector<std::filesystem::path> Files() {
    std::vector<std::filesystem::path> files;
    for (const auto& entry : std::filesystem::directory_iterator(Options().folder))
      if (entry.path().extension() == ".spool") files.push_back(entry.path());
    std::sort(files.begin(), files.end());
    return files;
  }
  uint64_t Count(std::string_view name) { return metrics_.Get(name).Get(); }

  test::TempFolder folder_;
  ManualClock clock_{1000 * kSecond};
  Metrics metrics_;
  std::unique_ptr<Logger> log_ = NullLogger();
  std::shared_ptr<Tally> tally_ = std::make_shared<Tally>();
};

}  // namespace weft::transport
