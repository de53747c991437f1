#include "engine/eval/known_traces.h"

#include <gtest/gtest.h>

namespace weft::eval {
namespace {

// A batch of spans of one trace; the service is the process's.
class Trace {
 public:
  void Span(uint64_t id, uint64_t parent, std::string_view service, uint8_t kind,
            std::string_view operation = "op") {
    const uint32_t row = table_.AddRow();
    table_.trace_lo[row] = 7;
    table_.span_id[row] = id;
    table_.parent_id[row] = parent;
    table_.service[row] = table_.Intern(service);
    table_.operation[row] = table_.Intern(operation);
    table_.kind[row] = kind;
    table_.start_ns[row] = static_cast<int64_t>(id) * 10;
    table_.end_ns[row] = 1000 - static_cast<int64_t>(id);
  }
  KnownTraces Build() {
    KnownTracesBuilder builder("test");
    builder.Add(table_.View());
    return builder.Build();
  }

 private:
  api::SpanTable table_;
};

const KnownSpan* CallOf(const KnownTraces& known, std::string_view service) {
  for (const KnownSpan& span : known.spans)
    if (span.call && known.names[span.service] == service) return &span;
  return nullptr;
}

TEST(KnownTraces, ACallBelongsToTheServerSpanAboveItThroughInternalOnes) {
  Trace trace;
  trace.Span(1, 0, "a", WEFT_KIND_SERVER);
  trace.Span(2, 1, "a", WEFT_KIND_INTERNAL);
  trace.Span(3, 2, "a", WEFT_KIND_CLIENT);
  trace.Span(4, 3, "b", WEFT_KIND_SERVER);
  const KnownTraces known = trace.Build();
  EXPECT_EQ(known.spans.size(), 3u);
  const KnownSpan* call = CallOf(known, "a");
  ASSERT_NE(call, nullptr);
  ASSERT_GE(call->parent, 0);
  EXPECT_EQ(known.spans[static_cast<size_t>(call->parent)].start_ns, 10);
  EXPECT_EQ(known.names[call->peer], "b");
}

TEST(KnownTraces, ACallWithoutARequestAboveItHasNoKnownParent) {
  Trace trace;
  trace.Span(1, 0, "cron", WEFT_KIND_INTERNAL);
  trace.Span(2, 1, "cron", WEFT_KIND_CLIENT);
  trace.Span(3, 2, "b", WEFT_KIND_SERVER);
  const KnownTraces known = trace.Build();
  EXPECT_EQ(CallOf(known, "cron")->parent, -1);
}

TEST(KnownTraces, ARequestThatNoCallBroughtGetsOneOfItsInterval) {
  Trace trace;
  trace.Span(1, 0, "a", WEFT_KIND_SERVER);
  trace.Span(2, 1, "b", WEFT_KIND_SERVER, "GET /b");
  const KnownTraces known = trace.Build();
  const KnownSpan* call = CallOf(known, "a");
  ASSERT_NE(call, nullptr);
  EXPECT_EQ(call->start_ns, 20);
  EXPECT_EQ(known.names[call->operation], "GET /b");
  EXPECT_EQ(known.spans[static_cast<size_t>(call->parent)].start_ns, 10);
}

TEST(KnownTraces, WithoutKindsServicesTellRequestsFromCalls) {
  Trace trace;
  trace.Span(1, 0, "a", WEFT_KIND_INTERNAL);
  trace.Span(2, 1, "a", WEFT_KIND_INTERNAL, "call b");
  trace.Span(3, 2, "b", WEFT_KIND_INTERNAL, "serve");
  trace.Span(4, 3, "b", WEFT_KIND_INTERNAL, "compute");
  const KnownTraces known = trace.Build();
  ASSERT_EQ(known.spans.size(), 3u);  // "compute" is neither
  const KnownSpan* call = CallOf(known, "a");
  ASSERT_NE(call, nullptr);
  EXPECT_EQ(known.names[call->operation], "call b");
  EXPECT_EQ(known.spans[static_cast<size_t>(call->parent)].start_ns, 10);
}

TEST(KnownTraces, ParentsThatGoInACircleEnd) {
  Trace trace;
  trace.Span(1, 2, "a", WEFT_KIND_INTERNAL);
  trace.Span(2, 1, "a", WEFT_KIND_INTERNAL);
  trace.Span(3, 1, "a", WEFT_KIND_CLIENT);
  trace.Span(4, 4, "a", WEFT_KIND_SERVER);
  const KnownTraces known = trace.Build();
  EXPECT_EQ(CallOf(known, "a")->parent, -1);
}

}  // namespace
}  // namespace weft::eval
