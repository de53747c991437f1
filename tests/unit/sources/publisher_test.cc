#include "sources/publisher.h"

#include <limits>
#include <set>

#include <gtest/gtest.h>

#include "engine/api/codec.h"
#include "engine/transport/memory.h"

namespace weft::sources {
namespace {

using transport::Stream;

class PublisherTest : public testing::Test {
 protected:
  explicit PublisherTest(size_t max_bytes = size_t{64} << 20)
      : transport_({.partitions = 8, .max_bytes = max_bytes, .blocking = false}, clock_, metrics_) {
  }

  void Add(Publisher& publisher, uint64_t process, uint32_t flags = 0) {
    api::SpanTable& table = publisher.AddRow({.id = process, .pid = 7, .service_name = "cart"});
    const uint32_t row = table.n() - 1;
    table.flags[row] = flags;
    table.kind[row] = WEFT_KIND_SERVER;
    table.exchange[row] = ++exchange_;
    table.start_ns[row] = clock_.MonotonicNs();
  }

  std::vector<api::EventBatch> Published() {
    std::vector<api::EventBatch> batches;
    for (uint32_t p = 0; p < 8; p++) {
      for (const transport::Record& record : transport_.Held(Stream::kEvents, p)) {
        auto batch = api::DecodeEvents(record.payload);
        EXPECT_TRUE(batch.has_value()) << batch.error().message;
        if (batch.has_value()) batches.push_back(std::move(*batch));
      }
    }
    return batches;
  }

  static AgentIdentity Identity() {
    return {.host_id = "h1", .host_name = "alpha", .agent_id = 5, .boot_id = 6};
  }

  ManualClock clock_{1000 * kSecond, 77};
  Metrics metrics_;
  transport::MemoryTransport transport_;
  uint64_t exchange_ = 0;
};

TEST(EventPartition, SpreadsAHostOverAtMostFourPartitions) {
  std::set<uint32_t> partitions;
  for (uint64_t process = 1; process < 1000; process++)
    partitions.insert(EventPartition("host", process, 64));
  EXPECT_EQ(partitions.size(), kShardsPerHost);
}

TEST(EventPartition, StaysInsideASinglePartition) { EXPECT_EQ(EventPartition("host", 42, 1), 0u); }

TEST_F(PublisherTest, SealsABatchWhenItIsDue) {
  Publisher publisher(Identity(), {}, transport_, clock_, metrics_);
  Add(publisher, 1);
  publisher.Tick(clock_.MonotonicNs());
  EXPECT_TRUE(Published().empty());

  clock_.Advance(50 * kMillisecond);
  publisher.Tick(123);
  const auto batches = Published();
  ASSERT_EQ(batches.size(), 1u);
  EXPECT_EQ(batches[0].header.watermark_ns, 123);
  EXPECT_EQ(batches[0].header.sequence, 1u);
  EXPECT_EQ(batches[0].header.host_id, "h1");
  EXPECT_EQ(batches[0].header.unix_offset_ns, 77);
  EXPECT_EQ(batches[0].spans.spans().n, 1u);
  EXPECT_EQ(metrics_.Get("agent.observed").Get(), 1u);
}

// Time passes between reading one clock and the other, now more and now less.
class SlowClock final : public Clock {
 public:
  int64_t MonotonicNs() const override { return now_ += 100; }
  int64_t UnixNs() const override { return (now_ += 7000 * (++reads_ % 5)) + 77; }
  void Advance(int64_t ns) { now_ += ns; }

 private:
  mutable int64_t now_ = 1000 * kSecond, reads_ = 0;
};

TEST_F(PublisherTest, TellsTheSameUnixOffsetInAllBatches) {
  SlowClock clock;
  Publisher publisher(Identity(), {}, transport_, clock, metrics_);
  for (int i = 0; i < 10; i++) {
    Add(publisher, 1);
    clock.Advance(50 * kMillisecond);
    publisher.Tick(clock.MonotonicNs());
  }
  const auto batches = Published();
  ASSERT_EQ(batches.size(), 10u);
  for (const auto& batch : batches)
    EXPECT_EQ(batch.header.unix_offset_ns, batches[0].header.unix_offset_ns);
  EXPECT_NEAR(static_cast<double>(batches[0].header.unix_offset_ns), 77, 10000);
}

TEST_F(PublisherTest, SendsHeartbeatsToPartitionsItHasWritten) {
  Publisher publisher(Identity(), {}, transport_, clock_, metrics_);
  Add(publisher, 1);
  clock_.Advance(kSecond);
  publisher.Tick(1);
  clock_.Advance(kSecond);
  publisher.Tick(2);
  const auto batches = Published();
  ASSERT_EQ(batches.size(), 2u);
  EXPECT_EQ(batches[1].spans.spans().n, 0u);
  EXPECT_EQ(batches[1].header.watermark_ns, 2);
  EXPECT_EQ(batches[1].header.sequence, 2u);
}

TEST_F(PublisherTest, DescribesAProcessOncePerBatch) {
  Publisher publisher(Identity(), {}, transport_, clock_, metrics_);
  Add(publisher, 1);
  Add(publisher, 1);
  clock_.Advance(kSecond);
  publisher.Tick(1);
  const auto batches = Published();
  ASSERT_EQ(batches.size(), 1u);
  EXPECT_EQ(batches[0].spans.spans().processes->n, 1u);
  EXPECT_EQ(batches[0].spans.Text(batches[0].spans.spans().service[1]), "cart");
}

TEST_F(PublisherTest, CountsOpenRowsAsAnnouncedAndNotAsObserved) {
  Publisher publisher(Identity(), {}, transport_, clock_, metrics_);
  Add(publisher, 1, WEFT_FLAG_OPEN);
  Add(publisher, 1);
  clock_.Advance(kSecond);
  publisher.Tick(1);
  EXPECT_EQ(metrics_.Get("agent.observed").Get(), 1u);
  EXPECT_EQ(metrics_.Get("agent.announced").Get(), 1u);
}

TEST_F(PublisherTest, MarksTheLastBatchOfEveryPartitionItWrote) {
  Publisher publisher(Identity(), {}, transport_, clock_, metrics_);
  Add(publisher, 1);
  ASSERT_TRUE(publisher.Finish().has_value());
  const auto batches = Published();
  ASSERT_EQ(batches.size(), 1u);
  EXPECT_TRUE(batches[0].header.last);
  EXPECT_EQ(batches[0].header.watermark_ns, std::numeric_limits<int64_t>::max());
  EXPECT_EQ(batches[0].spans.spans().n, 1u);
}

class FullTransportTest : public PublisherTest {
 protected:
  FullTransportTest() : PublisherTest(1) {}
};

TEST_F(FullTransportTest, DropsTheOldestBatchAndCountsItsClosedRows) {
  Publisher publisher(Identity(), {.queue_bytes = 8192, .finish_wait_ns = 0}, transport_, clock_,
                      metrics_);
  constexpr int kBatches = 100;
  for (int i = 0; i < kBatches; i++) {
    Add(publisher, 1);
    clock_.Advance(kSecond);
    publisher.Tick(1);
  }
  EXPECT_LE(publisher.queued_bytes(), 8192u);
  EXPECT_GT(metrics_.Get("agent.dropped").Get(), 0u);

  const auto finished = publisher.Finish();
  ASSERT_FALSE(finished.has_value());
  EXPECT_EQ(finished.error().code, Code::kFull);
  EXPECT_EQ(publisher.queued_bytes(), 0u);
  EXPECT_EQ(metrics_.Get("agent.observed").Get(),
            metrics_.Get("agent.dropped").Get() + Published().size());
}

TEST_F(FullTransportTest, KeepsLessWhileMemoryIsShort) {
  MemoryShare share;
  Publisher publisher(Identity(), {.share = &share, .finish_wait_ns = 0}, transport_, clock_,
                      metrics_);
  const auto add = [&](int batches) {
    for (int i = 0; i < batches; i++) {
      publisher.AddRow({.id = 1, .pid = 7, .service_name = "cart"})
          .Attribute("url.path", std::string(500'000, static_cast<char>('a' + i)));
      clock_.Advance(kSecond);
      publisher.Tick(1);
    }
  };
  add(20);
  EXPECT_GT(publisher.queued_bytes(), MemoryShare::kLeastBytes);
  EXPECT_EQ(metrics_.Get("agent.dropped").Get(), 0u);
  share.Set(0);
  add(1);
  EXPECT_LE(publisher.queued_bytes(), MemoryShare::kLeastBytes);
  EXPECT_GT(metrics_.Get("agent.dropped").Get(), 0u);
  (void)publisher.Finish();
}

}  // namespace
}  // namespace weft::sources
