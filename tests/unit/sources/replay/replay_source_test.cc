#include "sources/replay/replay_source.h"

#include <cstdlib>
#include <filesystem>
#include <map>
#include <set>

#include <gtest/gtest.h>

#include "engine/api/codec.h"
#include "engine/transport/memory.h"
#include "sources/publisher.h"
#include "sources/replay/recording_publisher.h"

namespace weft::sources {
namespace {

using transport::MemoryTransport;
using transport::Stream;

class ReplaySourceTest : public testing::Test {
 protected:
  ReplaySourceTest() {
    char name[] = "/tmp/weft-replay-XXXXXX";
    folder_ = mkdtemp(name);
    path_ = folder_ / "a.weft";
  }
  ~ReplaySourceTest() override { std::filesystem::remove_all(folder_); }

  // 40 processes of one agent, 10 ticks, into `partitions` partitions.
  void Record(uint32_t partitions) {
    MemoryTransport inner({.partitions = partitions, .blocking = false}, clock_, metrics_);
    auto writer = RecordingWriter::Create(path_, {1, partitions, 0});
    ASSERT_TRUE(writer);
    RecordingPublisher tap(inner, *writer, metrics_);
    Publisher publisher({"machine", "host", 5, 6}, {}, tap, clock_, metrics_);
    for (uint64_t tick = 0; tick < 10; ++tick) {
      for (uint64_t p = 1; p <= 40; ++p) {
        api::SpanTable& t = publisher.AddRow({p, static_cast<uint32_t>(p), "svc"});
        t.exchange.back() = tick * 1000 + p;
        t.span_id.back() = tick * 1000 + p;
        t.kind.back() = WEFT_KIND_SERVER;
        t.start_ns.back() = clock_.MonotonicNs();
        t.Truth("r" + std::to_string(p));
      }
      clock_.Advance(60 * kMillisecond);
      publisher.Tick(clock_.MonotonicNs() - 10 * kMillisecond);
    }
    ASSERT_TRUE(publisher.Finish());
    ASSERT_TRUE(writer->Close());
    EXPECT_EQ(metrics_.Get("recording.records").Get() - recorded_, writer->records());
    recorded_ += writer->records();
  }

  std::filesystem::path folder_, path_;
  ManualClock clock_{1'000'000'000};
  Metrics metrics_;
  uint64_t recorded_ = 0;
};

TEST_F(ReplaySourceTest, LeavesTheTruthOutWhereAsked) {
  Record(2);
  for (const bool drop : {false, true}) {
    auto reader = RecordingReader::Open(path_);
    ASSERT_TRUE(reader);
    MemoryTransport to({.partitions = 2, .blocking = false}, clock_, metrics_);
    ReplaySource source(*reader, to, {.drop_truth = drop}, clock_, metrics_);
    ASSERT_TRUE(source.Run());
    size_t rows = 0, with_truth = 0;
    for (uint32_t p = 0; p < 2; ++p)
      for (const auto& record : to.Held(Stream::kEvents, p)) {
        const auto batch = api::DecodeEvents(record.payload);
        ASSERT_TRUE(batch);
        const weft_spans& spans = batch->spans.spans();
        rows += spans.n;
        if (spans.truth != nullptr && spans.n_truth_strings > 1) with_truth += spans.n;
      }
    EXPECT_EQ(rows, 400U);
    EXPECT_EQ(with_truth, drop ? 0U : 400U);
  }
}

TEST_F(ReplaySourceTest, PublishesTheSameBytesToTheSamePartitions) {
  Record(4);
  auto reader = RecordingReader::Open(path_);
  ASSERT_TRUE(reader);
  MemoryTransport transport({.partitions = 4, .blocking = false}, clock_, metrics_);
  ReplaySource source(*reader, transport, {}, clock_, metrics_);
  ASSERT_TRUE(source.Run());
  size_t rows = 0;
  for (uint32_t p = 0; p < 4; ++p)
    for (const auto& record : transport.Held(Stream::kEvents, p))
      rows += api::DecodeEvents(record.payload)->spans.spans().n;
  EXPECT_EQ(rows, 400u);
}

TEST_F(ReplaySourceTest, SplitsForAnotherNumberOfPartitionsAsTheAgentWould) {
  for (const auto& [from, to] : std::map<uint32_t, uint32_t>{{4, 16}, {3, 2}, {1, 8}}) {
    Record(from);
    auto reader = RecordingReader::Open(path_);
    ASSERT_TRUE(reader);
    MemoryTransport transport({.partitions = to, .blocking = false}, clock_, metrics_);
    ReplaySource source(*reader, transport, {}, clock_, metrics_);
    ASSERT_TRUE(source.Run());
    std::set<uint64_t> seen;
    for (uint32_t p = 0; p < to; ++p) {
      uint64_t sequence = 0;
      int64_t watermark = INT64_MIN;
      bool last = false, written = false;
      for (const auto& record : transport.Held(Stream::kEvents, p)) {
        const auto batch = api::DecodeEvents(record.payload);
        ASSERT_TRUE(batch);
        EXPECT_EQ(batch->header.sequence, ++sequence);
        EXPECT_GE(batch->header.watermark_ns, watermark);
        const weft_spans& s = batch->spans.spans();
        for (uint32_t i = 0; i < s.n; ++i) {
          EXPECT_GE(s.start_ns[i], watermark) << "the watermark was a lie";
          EXPECT_EQ(EventPartition("machine", s.processes->process_id[s.process[i]], to), p);
          EXPECT_TRUE(seen.insert(s.exchange[i]).second);
        }
        watermark = batch->header.watermark_ns;
        last = batch->header.last;
        written = true;
      }
      EXPECT_EQ(last, written) << "every partition that was written must hear of the end";
    }
    EXPECT_EQ(seen.size(), 400u);
  }
}

TEST_F(ReplaySourceTest, GoesOnAfterAKillWithTheSequencesOfOneRun) {
  Record(2);
  for (const uint32_t partitions : {2U, 3U}) {
    // One run, and one that began anew in its middle: (sequence, rows) by partition.
    std::vector<std::map<uint64_t, uint32_t>> runs[2];
    for (const int64_t from_ns : {int64_t{0}, 300 * kMillisecond}) {
      auto reader = RecordingReader::Open(path_);
      ASSERT_TRUE(reader);
      MemoryTransport to({.partitions = partitions, .blocking = false}, clock_, metrics_);
      ReplaySource source(*reader, to, {.from_ns = from_ns}, clock_, metrics_);
      ASSERT_TRUE(source.Run());
      auto& run = runs[from_ns > 0];
      run.resize(partitions);
      for (uint32_t p = 0; p < partitions; ++p)
        for (const auto& record : to.Held(Stream::kEvents, p)) {
          const auto batch = api::DecodeEvents(record.payload);
          ASSERT_TRUE(batch);
          run[p][batch->header.sequence] = batch->spans.spans().n;
        }
    }
    for (uint32_t p = 0; p < partitions; ++p) {
      ASSERT_LT(runs[1][p].size(), runs[0][p].size());
      const auto begin = std::next(runs[0][p].begin(),
                                   static_cast<int64_t>(runs[0][p].size() - runs[1][p].size()));
      EXPECT_TRUE(std::equal(begin, runs[0][p].end(), runs[1][p].begin())) << "partition " << p;
    }
  }
}

TEST_F(ReplaySourceTest, StopEndsAPacedReplay) {
  Record(1);
  auto reader = RecordingReader::Open(path_);
  ASSERT_TRUE(reader);
  MemoryTransport transport({.partitions = 1, .blocking = false}, clock_, metrics_);
  ReplaySource source(*reader, transport, {.speed = 1e-6}, clock_, metrics_);
  source.Stop();
  EXPECT_EQ(source.Run().error().code, Code::kCancelled);
}

}  // namespace
}  // namespace weft::sources
