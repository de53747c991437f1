#include "sinks/memory/memory_sink.h"

#include <gtest/gtest.h>

#include "tests/support/trace_batch.h"

namespace weft::sinks {
namespace {

TEST(MemorySink, KeepsWhatItAcceptsAndNothingElse) {
  test::TraceBatch batch;
  batch.BeginTrace(1, 2);
  batch.AddSpan(7, 0, WEFT_KIND_SERVER, "cart", "GET", 5, 9);
  batch.table.Attribute("key", "value");
  batch.table.Truth("r1");
  const api::SpanView view = batch.table.View();
  MemorySink sink;
  sink.Answer(WEFT_EXPORT_RETRY);
  EXPECT_EQ(sink.Write(view.spans(), batch.Traces(), test::TraceBatch::Source(1)),
            WEFT_EXPORT_RETRY);
  EXPECT_EQ(sink.spans().n(), 0u);
  sink.Answer(WEFT_EXPORT_OK);
  EXPECT_EQ(sink.Write(view.spans(), batch.Traces(), test::TraceBatch::Source(1)), WEFT_EXPORT_OK);
  ASSERT_EQ(sink.spans().n(), 1u);
  EXPECT_EQ(sink.spans().span_id[0], 7u);
  ASSERT_EQ(sink.traces().size(), 1u);
  EXPECT_EQ(sink.traces()[0].lo, 2u);
  EXPECT_EQ(sink.sources().size(), 1u);
}

}  // namespace
}  // namespace weft::sinks
