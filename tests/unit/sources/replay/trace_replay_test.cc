#include "sources/replay/trace_replay.h"

#include <cstdio>

#include <gtest/gtest.h>

#include "engine/api/codec.h"
#include "engine/api/ids.h"
#include "engine/transport/memory.h"

namespace weft::sources {
namespace {

std::unique_ptr<TraceFile> Csv(std::string text) {
  std::FILE* file = std::tmpfile();
  std::fwrite(text.data(), 1, text.size(), file);
  std::rewind(file);
  return std::move(*TraceFile::Read(ByteStream::Over(file, "t.csv"), "t.csv"));
}

std::string Rows(int n) {
  std::string text = "span_id,parent_span_id,trace_id,service,kind,peer,op,start_us,duration_us\n";
  for (int i = 1; i <= n; ++i)
    text += std::to_string(i) + ",," + std::to_string(i) + ",front,server,,GET /,1000,50\n";
  return text;
}

TEST(TraceReplay, HandsEverySpanToThePartitionOfItsTrace) {
  ManualClock clock;
  Metrics metrics;
  transport::MemoryOptions options;
  options.partitions = 4;
  transport::MemoryTransport transport(options, clock, metrics);
  const auto file = Csv(Rows(500) + "nonsense\n");
  TraceReplay replay(*file, transport, metrics);
  ASSERT_TRUE(replay.Run());
  uint64_t rows = 0;
  for (uint32_t p = 0; p < 4; ++p)
    for (const auto& record : transport.Held(transport::Stream::kSpans, p)) {
      const auto batch = api::DecodeSpans(record.payload);
      ASSERT_TRUE(batch);
      const weft_spans& spans = batch->spans.spans();
      for (uint32_t i = 0; i < spans.n; ++i) {
        // The upper halves are all zero, and so not there.
        EXPECT_EQ(PartitionOf(api::TraceKey({0, spans.trace_lo[i]}), 4), p);
        EXPECT_NE(spans.flags[i] & WEFT_FLAG_REPORTED, 0u);
      }
      rows += spans.n;
    }
  EXPECT_EQ(rows, 500u);
  EXPECT_EQ(metrics.Get("otlp.spans").Get(), 500u);
  EXPECT_EQ(metrics.Get("replay.malformed").Get(), 1u);
}

TEST(TraceReplay, EndsWhenItIsStoppedWhileTheTransportIsFull) {
  ManualClock clock;
  Metrics metrics;
  transport::MemoryOptions options;
  options.partitions = 1;
  options.max_bytes = 1000;
  options.blocking = false;
  transport::MemoryTransport transport(options, clock, metrics);
  const auto file = Csv(Rows(20'000));
  TraceReplay replay(*file, transport, metrics);
  replay.Stop();
  EXPECT_EQ(replay.Run().error().code, Code::kCancelled);
}

}  // namespace
}  // namespace weft::sources
