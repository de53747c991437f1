#include "tests/unit/transport/spool_fixture.h"

#include <algorithm>
#include <fstream>
#include <limits>

namespace weft::transport {
namespace {

using SpoolTest = SpoolFixture;

void Flip(const std::filesystem::path& path, size_t offset) {
  std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
  file.seekg(static_cast<std::streamoff>(offset));
  const char byte = static_cast<char>(file.get() ^ 0x10);
  file.seekp(static_cast<std::streamoff>(offset));
  file.put(byte);
}

TEST_F(SpoolTest, GivesRecordsInOrderAndDeletesWhatWasSettled) {
  auto spool = Open();
  for (uint64_t n = 1; n <= 20; ++n) spool->Append(Numbered(n));
  EXPECT_EQ(Drain(*spool), Range(1, 21));
  EXPECT_TRUE(spool->idle());
  EXPECT_EQ(tally_->delivered, 90u);
  spool.reset();
  EXPECT_TRUE(Files().empty());
}

TEST_F(SpoolTest, SurvivesItsProcess) {
  auto spool = Open();
  for (uint64_t n = 1; n <= 20; ++n) spool->Append(Numbered(n));
  for (int i = 0; i < 5; ++i) spool->Settle(spool->Next()->ticket, true);
  spool->Next();  // on its way when the process ends
  spool.reset();

  spool = Open();
  EXPECT_EQ(Count("spool.recovered_records"), 15u);
  spool->Append(Numbered(21));
  EXPECT_EQ(Drain(*spool), Range(6, 22));
  EXPECT_EQ(Count("spool.recovered_published"), Count("spool.recovered"));
}

TEST_F(SpoolTest, PublishesAgainWhatIsAcknowledgedBehindAnOlderRecord) {
  auto spool = Open();
  for (uint64_t n = 1; n <= 3; ++n) spool->Append(Numbered(n));
  const auto first = spool->Next();
  const auto second = spool->Next();
  spool->Settle(second->ticket, true);
  spool.reset();
  EXPECT_EQ(Drain(*Open()), Range(1, 4));
}

TEST_F(SpoolTest, KeepsLittleInMemoryAndReadsTheRestBackInOrder) {
  SpoolOptions options = Options();
  options.memory_bytes = 10'000;
  options.segment_bytes = 20'000;
  auto spool = Open(options);
  uint64_t given = 0;
  for (uint64_t n = 1; n <= 1000; ++n) {
    spool->Append(Numbered(n, 500));
    if (n % 3 == 0) {
      const auto record = spool->Next();
      EXPECT_EQ(NumberOf(*record), ++given);
      spool->Settle(record->ticket, true);
    }
  }
  EXPECT_EQ(Drain(*spool), Range(given + 1, 1001));
  EXPECT_GT(Count("spool.read_back_records"), 500u);
  EXPECT_EQ(Count("spool.waiting_records"), 0u);
  EXPECT_LE(Files().size(), 1u);
}

TEST_F(SpoolTest, DropsTheOldestWhenItIsFullAndCountsTheObservationsOfEachPartition) {
  SpoolOptions options = Options();
  options.max_bytes = 100'000;
  options.segment_bytes = 10'000;
  options.memory_bytes = 5'000;
  auto spool = Open(options);
  uint64_t observed = 0;
  for (uint64_t n = 1; n <= 1000; ++n) {
    observed += n % 10;
    spool->Append(Numbered(n, 500, static_cast<uint32_t>(n % 2)));
  }
  EXPECT_LE(Count("spool.bytes"), 100'000u);
  const auto left = Drain(*spool);
  ASSERT_FALSE(left.empty());
  EXPECT_EQ(left, Range(left.front(), 1001));
  uint64_t dropped[2] = {};
  for (uint64_t n = 1; n < left.front(); ++n) dropped[n % 2] += n % 10;
  EXPECT_EQ(Count("spool.dropped{partition=0}"), dropped[0]);
  EXPECT_EQ(Count("spool.dropped{partition=1}"), dropped[1]);
  EXPECT_EQ(Count("spool.dropped_records"), left.front() - 1);
  EXPECT_EQ(tally_->dropped, dropped[0] + dropped[1]);
  EXPECT_EQ(observed, tally_->dropped + tally_->delivered);
}

TEST_F(SpoolTest, DoesNotCountAsDroppedWhatIsOnItsWay) {
  SpoolOptions options = Options();
  options.max_bytes = 20'000;
  options.segment_bytes = 5'000;
  options.memory_bytes = 1'000;
  auto spool = Open(options);
  spool->Append(Numbered(1, 500));
  const auto under_way = spool->Next();
  for (uint64_t n = 2; n <= 200; ++n) spool->Append(Numbered(n, 500));
  spool->Settle(under_way->ticket, true);
  Drain(*spool);
  EXPECT_EQ(Count("spool.records"),
            Count("spool.delivered_records") + Count("spool.dropped_records"));
  EXPECT_EQ(tally_->delivered + tally_->dropped, 20u * 45);
}

TEST_F(SpoolTest, FindsATornTailAndGoesOn) {
  auto spool = Open();
  for (uint64_t n = 1; n <= 10; ++n) spool->Append(Numbered(n));
  spool.reset();
  const auto file = Files().at(0);
  std::filesystem::resize_file(file, std::filesystem::file_size(file) - 30);

  spool = Open();
  EXPECT_EQ(Count("spool.torn_tails"), 1u);
  EXPECT_EQ(Count("spool.damaged_records"), 0u);
  spool->Append(Numbered(11));
  auto numbers = Range(1, 10);
  numbers.push_back(11);
  EXPECT_EQ(Drain(*spool), numbers);
}

TEST_F(SpoolTest, FindsAFlippedByteAnywhereAndLosesThatRecordOnly) {
  for (size_t offset = kSpoolHeadBytes; offset < kSpoolHeadBytes + 3 * SpoolFrameBytes(100);
       offset += 7) {
    const size_t hit = (offset - kSpoolHeadBytes) / SpoolFrameBytes(100) + 1;
    if ((offset - kSpoolHeadBytes) % SpoolFrameBytes(100) >= kSpoolFrameHeadBytes + 100) continue;
    auto spool = Open();
    for (uint64_t n = 1; n <= 4; ++n) spool->Append(Numbered(n));
    spool.reset();
    Flip(Files().at(0), offset);
    const uint64_t before = Count("spool.damaged_records");
    spool = Open();
    auto numbers = Range(1, 5);
    numbers.erase(numbers.begin() + static_cast<std::ptrdiff_t>(hit) - 1);
    EXPECT_EQ(Drain(*spool), numbers) << offset;
    EXPECT_EQ(Count("spool.damaged_records"), before + 1) << offset;
  }
}

TEST_F(SpoolTest, CountsARecordThatIsDamagedWhileItWaits) {
  SpoolOptions options = Options();
  options.memory_bytes = 1;
  auto spool = Open(options);
  for (uint64_t n = 1; n <= 5; ++n) spool->Append(Numbered(n));
  Flip(Files().at(0), kSpoolHeadBytes + SpoolFrameBytes(100) + kSpoolFrameHeadBytes + 5);
  EXPECT_EQ(Drain(*spool), (std::vector<uint64_t>{1, 3, 4, 5}));
  EXPECT_EQ(tally_->dropped, 2u);
  EXPECT_EQ(tally_->delivered, 13u);
  EXPECT_EQ(Count("spool.waiting_records"), 0u);
}

TEST_F(SpoolTest, ADamagedHeadCostsNothingButDuplicates) {
  auto spool = Open();
  for (uint64_t n = 1; n <= 5; ++n) spool->Append(Numbered(n));
  spool->Settle(spool->Next()->ticket, true);
  spool.reset();
  Flip(Files().at(0), 9);
  EXPECT_EQ(Drain(*Open()), Range(1, 6));
}

TEST_F(SpoolTest, IsOneProcessAtATime) {
  const auto spool = Open();
  const auto second = Spool::Open(Options(), clock_, metrics_, *log_);
  ASSERT_FALSE(second.has_value());
  EXPECT_NE(second.error().message.find("another process uses it"), std::string::npos);
}

TEST_F(SpoolTest, SaysWhenThereIsSomethingToSync) {
  auto spool = Open();
  EXPECT_TRUE(spool->ToSync().empty());
  spool->Append(Numbered(1));
  EXPECT_TRUE(spool->ToSync().empty());  // it is young
  EXPECT_EQ(spool->ToSync().size(), 1u);
  EXPECT_TRUE(spool->ToSync().empty());  // nothing new
  Drain(*spool);
  spool->Append(Numbered(2));
  Drain(*spool);
  spool->ToSync();
  EXPECT_TRUE(spool->ToSync().empty());  // nothing waits
}

TEST_F(SpoolTest, SyncsASegmentThatEndedWhileItWasYoung) {
  SpoolOptions options = Options();
  options.segment_bytes = 5'000;
  auto spool = Open(options);
  for (uint64_t n = 1; n <= 2; ++n) spool->Append(Numbered(n, 3'000));  // one segment each
  EXPECT_TRUE(spool->ToSync().empty());
  EXPECT_EQ(spool->ToSync().size(), 2u);
  for (uint64_t n = 3; n <= 4; ++n) spool->Append(Numbered(n, 3'000));
  Drain(*spool);
  spool->Append(Numbered(5, 3'000));
  EXPECT_TRUE(spool->ToSync().empty());
  EXPECT_EQ(spool->ToSync().size(), 1u);  // not what is settled
}

class SpoolFarewellTest : public SpoolFixture {
 protected:
  SpoolOptions Farewells() {
    SpoolOptions options = Options();
    options.farewells = true;
    return options;
  }
  OutRecord Batch(uint64_t agent, uint32_t partition, uint64_t sequence, bool last = false) {
    api::EventHeader header;
    header.host_id = "h";
    header.agent_id = agent;
    header.sequence = sequence;
    header.now_ns = clock_.MonotonicNs();
    header.watermark_ns = header.now_ns;
    header.last = last;
    OutRecord record;
    record.partition = partition;
    record.key = agent;
    record.payload = api::EncodeEvents(header, {});
    return record;
  }
  static std::vector<std::pair<uint32_t, api::EventHeader>> Headers(Spool& spool) {
    std::vector<std::pair<uint32_t, api::EventHeader>> out;
    while (auto record = spool.Next()) {
      auto batch = api::DecodeEventColumns(record->payload);
      EXPECT_TRUE(batch.has_value());
      out.emplace_back(record->partition, batch->header);
      spool.Settle(record->ticket, true);
    }
    return out;
  }
};

TEST_F(SpoolFarewellTest, EndsTheAgentsOfAProcessThatWasKilledBehindTheirRecords) {
  auto spool = Open(Farewells());
  spool->Append(Batch(7, 0, 1));
  spool->Append(Batch(7, 2, 1));
  spool->Append(Batch(7, 0, 2));
  spool.reset();

  spool = Open(Farewells());
  spool->Append(Batch(8, 0, 1));
  const auto headers = Headers(*spool);
  ASSERT_EQ(headers.size(), 6u);
  for (const size_t i : {size_t{3}, size_t{4}}) {
    EXPECT_TRUE(headers[i].second.last);
    EXPECT_EQ(headers[i].second.agent_id, 7u);
    EXPECT_EQ(headers[i].second.sequence, headers[i].first == 0 ? 3u : 2u);
    EXPECT_EQ(headers[i].second.watermark_ns, std::numeric_limits<int64_t>::max());
  }
  EXPECT_EQ(headers[5].second.agent_id, 8u);
}

TEST_F(SpoolFarewellTest, KnowsThemAlsoWhenAllTheirRecordsWereDeleted) {
  SpoolOptions options = Farewells();
  options.segment_bytes = 1000;
  auto spool = Open(options);
  spool->Append(Batch(7, 3, 1));
  for (uint64_t sequence = 1; sequence <= 50; ++sequence) spool->Append(Batch(7, 0, sequence));
  EXPECT_EQ(Headers(*spool).size(), 51u);
  EXPECT_EQ(Files().size(), 1u);
  spool.reset();

  const auto headers = Headers(*Open(options));
  ASSERT_EQ(headers.size(), 2u);
  EXPECT_EQ(headers[0].second.sequence, 51u);
  EXPECT_EQ(headers[1].first, 3u);
  EXPECT_EQ(headers[1].second.sequence, 2u);
  EXPECT_TRUE(Headers(*Open(options)).empty());  // once
}

TEST_F(SpoolFarewellTest, SaysNothingForAnAgentThatSaidGoodbyeItself) {
  auto spool = Open(Farewells());
  spool->Append(Batch(7, 0, 1));
  spool->Append(Batch(7, 0, 2, true));
  spool.reset();
  EXPECT_EQ(Headers(*Open(Farewells())).size(), 2u);
  EXPECT_TRUE(Files().empty());
}

}  // namespace
}  // namespace weft::transport
