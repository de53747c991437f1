#include "engine/stitch/stitch_partition.h"

#include <algorithm>

#include <gtest/gtest.h>

#include "engine/api/codec.h"
#include "tests/support/simple_correlators.h"
#include "tests/support/stitch_harness.h"

namespace weft::stitch {
namespace {

using api::Side;
using api::SpanId;
using testing::ContextVoice;
using testing::Observation;
using testing::StitchHarness;
using testing::ThreadVoice;
using transport::RecordType;
using transport::Stream;

constexpr int64_t kT = 998 * kSecond;  // a window's begin, well before the harness's clock

StitchConfig Partitions(uint32_t n) {
  StitchConfig c;
  c.partitions = n;
  return c;
}

// The shape of most tests: a request at A (wire 10), which calls B (wire 11).
//   edge --10--> A --11--> B
struct Shop {
  Observation a{.process = 1, .service = "a", .wire = 10, .start = kT, .end = kT + 100, .tid = 5};
  Observation call{.process = 1,
                   .service = "a",
                   .kind = WEFT_KIND_CLIENT,
                   .wire = 11,
                   .start = kT + 10,
                   .end = kT + 90,
                   .tid = 5};
  Observation b{.process = 2, .service = "b", .wire = 11, .start = kT + 20, .end = kT + 80};
};

uint64_t ServerId(uint64_t wire) { return SpanId(wire, Side::kServer); }
uint64_t ClientId(uint64_t wire) { return SpanId(wire, Side::kClient); }

TEST(StitchPartition, StitchesAnExchangeOfTwoProcessesIntoOneTrace) {
  StitchHarness h(Partitions(1));
  const Shop s;
  h.Publish({s.a, s.call, s.b}, h.clock.MonotonicNs());
  h.Run();
  h.Beat();
  ASSERT_EQ(h.spans().size(), 3u);
  EXPECT_EQ(h.Server(10).parent, 0u);
  EXPECT_TRUE(h.Server(10).flags & WEFT_FLAG_LOCAL_ROOT);
  EXPECT_EQ(h.Client(11).parent, ServerId(10));
  EXPECT_EQ(h.Client(11).evidence, WEFT_EVIDENCE_ONLY);
  EXPECT_EQ(h.Server(11).parent, ClientId(11));
  EXPECT_EQ(h.Server(11).evidence, WEFT_EVIDENCE_WIRE);
  for (const auto& [id, span] : h.spans()) {
    EXPECT_EQ(span.trace_hi, api::RootTraceId(ServerId(10)).hi);
    EXPECT_EQ(span.trace_lo, api::RootTraceId(ServerId(10)).lo);
    EXPECT_EQ(span.times, 1);
  }
}

TEST(StitchPartition, FindsTheTraceAcrossPartitions) {
  StitchHarness h(Partitions(4));
  const Shop s;
  h.Publish({s.b}, h.clock.MonotonicNs(), 1, 3);
  h.Publish({s.a, s.call}, h.clock.MonotonicNs(), 1, 0);
  h.Run();
  h.Beat();
  ASSERT_EQ(h.spans().size(), 3u);
  EXPECT_EQ(h.Server(11).parent, ClientId(11));
  EXPECT_EQ(h.Server(11).trace_lo, h.Server(10).trace_lo);
}

// A middlebox changed the sequence numbers: the ends have different wire ids.
TEST(StitchPartition, FindsTheCallByItsOptionIdWhereTheWireIdsDiffer) {
  StitchHarness h(Partitions(4));
  Shop s;
  s.b.wire = 99;
  s.b.option = s.call.option = 5;
  h.Publish({s.b}, h.clock.MonotonicNs(), 1, 3);
  h.Publish({s.a, s.call}, h.clock.MonotonicNs(), 1, 0);
  h.Run();
  h.Beat();
  EXPECT_EQ(h.Server(99).parent, ClientId(11));
  EXPECT_EQ(h.Server(99).evidence, WEFT_EVIDENCE_WIRE);
  EXPECT_EQ(h.Server(99).trace_lo, h.Server(10).trace_lo);
}

TEST(StitchPartition, FindsTheCallByItsWireIdWhereOneEndMissedTheOption) {
  for (const bool server_has_it : {false, true}) {
    StitchHarness h(Partitions(4));
    Shop s;
    (server_has_it ? s.b : s.call).option = 5;
    h.Publish({s.b}, h.clock.MonotonicNs(), 1, 3);
    h.Publish({s.a, s.call}, h.clock.MonotonicNs(), 1, 0);
    h.Run();
    for (int i = 0; i < 3; ++i) h.Beat();
    EXPECT_EQ(h.Server(11).parent, ClientId(11));
    EXPECT_EQ(h.Server(11).trace_lo, h.Server(10).trace_lo);
  }
}

TEST(StitchPartition, MakesARootOfARequestThatNeitherKeyFinds) {
  StitchHarness h(Partitions(2));
  Shop s;
  s.b.wire = 99;
  s.b.option = 5;
  h.Publish({s.a, s.call, s.b}, h.clock.MonotonicNs());
  h.Run();
  for (int i = 0; i < 3; ++i) h.Beat();
  EXPECT_EQ(h.Server(99).parent, 0u);
  EXPECT_TRUE(h.Server(99).flags & WEFT_FLAG_LOCAL_ROOT);
}

// Anybody can send the option of somebody else's connection.
TEST(StitchPartition, LeavesNoRequestWaitingWhereSeveralHaveOneOptionId) {
  StitchHarness h(Partitions(2));
  Shop s;
  std::vector<Observation> all{s.a, s.call, s.b};
  for (uint64_t wire = 100; wire < 110; ++wire) {
    all.push_back(s.b);
    all.back().wire = wire;
    all.back().option = 5;
  }
  h.Publish(all, h.clock.MonotonicNs());
  h.Run();
  for (int i = 0; i < 3; ++i) h.Beat();
  EXPECT_EQ(h.spans().size(), all.size());
  EXPECT_EQ(h.metrics.Get("stitch.same_keys").Get(), 9u);
}

TEST(StitchPartition, BelievesNoOptionIdOfAPeerThatNobodyWatches) {
  StitchHarness h(Partitions(2));
  Shop s;
  s.b.wire = 99;
  s.b.option = s.call.option = 5;
  s.b.remote = "203.0.113.9";
  h.Publish({s.a, s.call, s.b}, h.clock.MonotonicNs());
  h.Run();
  h.Beat();
  EXPECT_EQ(h.Server(99).parent, 0u);
  EXPECT_TRUE(h.Server(99).flags & WEFT_FLAG_LOCAL_ROOT);
}

TEST(StitchPartition, WaitsForACallThatIsOnlyAnnouncedLater) {
  StitchHarness h(Partitions(2));
  const Shop s;
  const int64_t now = h.clock.MonotonicNs();
  h.Publish({s.b}, now, 1, 1);
  h.Publish({}, kT, 2, 0);  // the caller's agent is behind: it holds the links watermark
  h.Run();
  h.Advance(3 * kSecond);
  EXPECT_EQ(h.spans().size(), 0u);
  h.Publish({s.a, s.call}, h.clock.MonotonicNs(), 2, 0);
  h.Run();
  h.clock.Advance(kSecond);
  h.Publish({}, h.clock.MonotonicNs(), 2, 0);
  h.Publish({}, h.clock.MonotonicNs(), 1, 1);
  h.Run();
  h.Advance(kSecond);
  EXPECT_EQ(h.Server(11).parent, ClientId(11));
  EXPECT_EQ(h.Server(11).trace_lo, h.Server(10).trace_lo);
}

TEST(StitchPartition, MakesARequestFromOutsideTheNetworksARootAtOnce) {
  StitchHarness h(Partitions(1));
  Shop s;
  s.a.remote = "203.0.113.9";
  h.Publish({s.a}, h.clock.MonotonicNs());
  h.Run();  // no watermark has passed the want
  ASSERT_TRUE(h.Has(ServerId(10)));
  EXPECT_TRUE(h.Server(10).flags & WEFT_FLAG_LOCAL_ROOT);
}

TEST(StitchPartition, DecidesAWindowOnlyWhenTheWatermarkHasPassedItsLookAhead) {
  StitchHarness h(Partitions(1));
  const Shop s;
  h.Publish({s.a, s.call, s.b}, kT + h.config.window_ns + h.config.lookahead_ns - 1);
  h.Run();
  EXPECT_EQ(h.Count("stitch.calls"), 0u);
  h.Publish({}, kT + h.config.window_ns + h.config.lookahead_ns);
  h.Run();
  EXPECT_EQ(h.Count("stitch.calls"), 1u);
}

// No columns at all means everything.
TEST(StitchPartition, ShowsTheLookAheadToWhoReadsIt) {
  static uint32_t ahead = 0;
  for (const uint64_t columns :
       {uint64_t{0}, uint64_t{WEFT_COLUMN_AHEAD}, uint64_t{WEFT_COLUMN_FD}}) {
    const weft_correlator table = {
        .struct_size = sizeof(weft_correlator),
        .correlate = [](void*, const weft_spans* s, weft_candidates*, weft_error*) -> int32_t {
          ahead += static_cast<uint32_t>(std::count(s->role, s->role + s->n, WEFT_ROLE_AHEAD));
          return WEFT_OK;
        },
        .learn = nullptr,
        .save = nullptr,
        .load = nullptr,
        .forget = nullptr,
        .columns = columns};
    ahead = 0;
    StitchHarness h(Partitions(1), {{"looks", &table, nullptr}});
    const Shop s;
    Observation later = s.a;
    later.wire = 12;
    later.start = kT + h.config.window_ns;
    later.end = later.start + 100;
    h.Publish({s.a, s.call, later}, h.clock.MonotonicNs());
    h.Run();
    EXPECT_EQ(ahead, columns == WEFT_COLUMN_FD ? 0u : 1u);
  }
}

TEST(StitchPartition, LetsVoicesOutweighTheLatestStart) {
  StitchHarness h(Partitions(1), {ThreadVoice()});
  Shop s;
  Observation other = s.a;  // a newer open request, read by another thread
  other.wire = 20;
  other.start = kT + 5;
  other.tid = 6;
  h.Publish({s.a, other, s.call}, h.clock.MonotonicNs());
  h.Run();
  h.Beat();
  EXPECT_EQ(h.Client(11).parent, ServerId(10));
  EXPECT_EQ(h.Client(11).evidence, WEFT_EVIDENCE_THREAD);
  EXPECT_GT(h.Client(11).confidence, 0.9f);
  ASSERT_EQ(h.Client(11).candidates.size(), 2u);
  EXPECT_EQ(h.Client(11).candidates[0], ServerId(10));
  EXPECT_EQ(h.Client(11).candidates[1], ServerId(20));
  EXPECT_FLOAT_EQ(h.Client(11).candidate_odds[0], 4);
}

TEST(StitchPartition, TakesTheLatestStartWhereNothingSpeaks) {
  StitchHarness h(Partitions(1));
  Shop s;
  Observation other = s.a;
  other.wire = 20;
  other.start = kT + 5;
  h.Publish({s.a, other, s.call}, h.clock.MonotonicNs());
  h.Run();
  h.Beat();
  EXPECT_EQ(h.Client(11).parent, ServerId(20));
  EXPECT_LT(h.Client(11).confidence, 0.6f);
}

TEST(StitchPartition, NeverLinksToARequestThatHadEndedOrNotBegun) {
  StitchHarness h(Partitions(1), {ThreadVoice()});
  Shop s;
  s.a.end = kT + 5;  // ended before the call
  Observation later = s.a;
  later.wire = 20;
  later.start = kT + 50;
  later.end = kT + 100;
  h.Publish({s.a, later, s.call}, h.clock.MonotonicNs());
  h.Run();
  h.Beat();
  EXPECT_EQ(h.Client(11).parent, 0u);
  EXPECT_EQ(h.Client(11).trace_lo, api::RootTraceId(ClientId(11)).lo);
  EXPECT_EQ(h.Count("stitch.unlinked"), 1u);
}

TEST(StitchPartition, FindsTheParentThatBeganInAnEarlierWindow) {
  StitchHarness h(Partitions(1));
  Shop s;
  s.a.end = kT + 5 * kSecond / 2;
  s.call.start = kT + 2 * kSecond;
  s.call.end = kT + 2 * kSecond + 10;
  Observation open = s.a;
  open.end = 0;
  h.Publish({open}, kT + 3 * kSecond / 2);
  h.Run();
  h.Publish({s.call, s.a}, kT + 5 * kSecond);
  h.Run();
  h.Beat();
  EXPECT_EQ(h.Client(11).parent, ServerId(10));
  EXPECT_EQ(h.Server(10).end, s.a.end);
}

TEST(StitchPartition, ReplacesTheOpenRowByTheClosedOne) {
  StitchHarness h(Partitions(1));
  Shop s;
  Observation open = s.a;
  open.end = 0;
  h.Publish({open}, kT);
  h.Run();
  h.Publish({s.a, s.a}, h.clock.MonotonicNs());
  h.Run();
  h.Beat();
  EXPECT_EQ(h.spans().size(), 1u);
  EXPECT_EQ(h.Server(10).times, 1);
  EXPECT_EQ(h.Count("stitch.spans"), 1u);
  EXPECT_EQ(h.Count("stitch.duplicates"), 1u);
}

TEST(StitchPartition, ShowsALongOpenSpanOnceAsItIs) {
  StitchHarness h(Partitions(1));
  Shop s;
  Observation open = s.a;
  open.end = 0;
  h.Publish({open}, kT);
  h.Run();
  for (int i = 0; i < 3; ++i) h.Beat();
  EXPECT_EQ(h.open().size(), 1u);
  EXPECT_EQ(h.Count("stitch.emitted_open"), 1u);
  EXPECT_TRUE(h.open().at(ServerId(10)).flags & WEFT_FLAG_OPEN);
  s.a.end = h.clock.MonotonicNs();
  h.Publish({s.a}, h.clock.MonotonicNs());
  h.Run();
  EXPECT_EQ(h.Server(10).end, s.a.end);
  EXPECT_FALSE(h.Server(10).flags & WEFT_FLAG_OPEN);
}

TEST(StitchPartition, DropsBatchesThatItHasSeen) {
  StitchHarness h(Partitions(1));
  api::EventHeader header;
  header.agent_id = 9;
  header.sequence = 4;
  const transport::OutRecord record{Stream::kEvents, 0, RecordType::kEventBatch, 0,
                                    api::EncodeEvents(header, {})};
  h.PublishRaw(record);
  h.PublishRaw(record);
  header.sequence = 7;
  h.PublishRaw({Stream::kEvents, 0, RecordType::kEventBatch, 0, api::EncodeEvents(header, {})});
  h.Run();
  EXPECT_EQ(h.Count("stitch.duplicate_batches"), 1u);
  EXPECT_EQ(h.Count("stitch.sequence_gaps"), 2u);
}

// However old: nothing in the labels tells any more that its spans are emitted.
TEST(StitchPartition, ABatchThatComesAgainWithoutLabelsIsARepeatToTheNextOwnerToo) {
  StitchHarness h(Partitions(1));
  const Shop s;
  h.Publish({s.a, s.call, s.b}, h.clock.MonotonicNs());
  const auto first = h.transport->Held(Stream::kEvents, 0).at(0).payload;
  h.Run();
  for (int i = 0; i < 200; ++i) h.Beat();
  Observation open{.process = 1, .service = "a", .wire = 20, .start = h.clock.MonotonicNs()};
  h.Publish({open}, h.clock.MonotonicNs());  // holds the offset back
  h.PublishRaw({Stream::kEvents, 0, RecordType::kEventBatch, 0, first});
  h.Run();
  ASSERT_EQ(h.Count("stitch.duplicate_batches"), 1u);
  h.Beat();
  for (const auto& labels : h.transport->Held(Stream::kLabels, 0))
    ASSERT_GT(labels.append_ns, 1100 * kSecond);

  h.TakeOver(0);
  h.Run();
  h.Beat();
  EXPECT_EQ(h.Count("stitch.duplicate_batches"), 2u);
  for (const uint64_t id : {ServerId(10), ClientId(11), ServerId(11)})
    EXPECT_EQ(h.spans().at(id).times, 1);
}

TEST(StitchPartition, PutsUnreadableRecordsAside) {
  StitchHarness h(Partitions(1));
  h.PublishRaw({Stream::kEvents, 0, RecordType::kEventBatch, 0,
                transport::CopyPayload("not a message at all....")});
  h.Run();
  EXPECT_EQ(h.Count("stitch.dead_records"), 1u);
  const auto dead = h.transport->Held(Stream::kDead, 0);
  ASSERT_EQ(dead.size(), 1u);
  EXPECT_EQ(api::DecodeDead(dead[0].payload)->record, "not a message at all....");
  EXPECT_EQ(h.transport->CommittedOffset(transport::Stage::kStitch, 0), 1u);
}

TEST(StitchPartition, PutsAnUnreadableRecordAsideOnceHoweverOftenItIsRead) {
  StitchHarness h(Partitions(1));
  Observation open = Shop{}.a;
  open.end = 0;
  h.Publish({open}, kT);  // pins what comes after it
  h.PublishRaw({Stream::kEvents, 0, RecordType::kEventBatch, 0, transport::CopyPayload("not one")});
  h.Run();
  h.TakeOver(0);
  h.PublishRaw(
      {Stream::kEvents, 0, RecordType::kEventBatch, 0, transport::CopyPayload("nor this")});
  h.Run();
  ASSERT_EQ(h.transport->CommittedOffset(transport::Stage::kStitch, 0), 0u);
  const auto dead = h.transport->Held(Stream::kDead, 0);
  ASSERT_EQ(dead.size(), 2u);
  EXPECT_EQ(api::DecodeDead(dead[1].payload)->record, "nor this");
  EXPECT_EQ(h.Count("stitch.dead_records"), 2u);
}

TEST(StitchPartition, EndsTheOpenSpansOfAnAgentThatFellSilent) {
  StitchHarness h(Partitions(1));
  Shop s;
  Observation open = s.a;
  open.end = 0;
  h.Publish({open, s.call}, kT);
  h.Run();
  h.Advance(9 * kSecond);
  EXPECT_EQ(h.spans().size(), 0u);
  h.Advance(2 * kSecond);  // the timer fires, its record is appended and read
  h.Advance(2 * kSecond);
  EXPECT_EQ(h.Count("stitch.agents_lost"), 1u);
  ASSERT_TRUE(h.Has(ServerId(10)));
  EXPECT_TRUE(h.Server(10).flags & WEFT_FLAG_AGENT_LOST);
  EXPECT_EQ(h.Client(11).parent, ServerId(10));
}

// An agent that was declared lost and comes back with the true ends of what was ended without it.
class LostAgentTest : public ::testing::Test {
 protected:
  void LoseWithAnOpenRequest() {
    Observation open = shop_.a;
    open.end = 0;
    h_.Publish({open, shop_.call}, kT);
    h_.Run();
    h_.Advance(11 * kSecond);
    h_.Advance(2 * kSecond);
    ASSERT_EQ(h_.Server(10).flags & WEFT_FLAG_AGENT_LOST, WEFT_FLAG_AGENT_LOST);
    lost_ = h_.Server(10);
  }
  void ComeBack() {
    h_.Publish({shop_.a}, kT + kSecond);
    h_.Run();
    h_.Beat();
  }
  void ExpectTheTrueEndWithTheSameIds() {
    const auto& back = h_.Server(10);
    EXPECT_EQ(back.times, 2);  // the first one had the end that the engine gave it
    EXPECT_EQ(back.flags & (WEFT_FLAG_AGENT_LOST | WEFT_FLAG_LATE), 0u);
    EXPECT_EQ(back.end - back.start, shop_.a.end - shop_.a.start);
    EXPECT_EQ(back.parent, lost_.parent);
    EXPECT_EQ(back.trace_hi, lost_.trace_hi);
    EXPECT_EQ(back.trace_lo, lost_.trace_lo);
    EXPECT_EQ(h_.Count("stitch.duplicates"), 0u);
    EXPECT_EQ(h_.Count("stitch.pending"), 0u);
    EXPECT_EQ(h_.Count("stitch.spans") + h_.Count("stitch.ended_by_engine"),
              h_.Count("stitch.emitted"));
  }

  StitchHarness h_{Partitions(1)};
  Shop shop_;
  testing::Emitted lost_;
};

TEST_F(LostAgentTest, ComesBackWithTheTrueEnd) {
  LoseWithAnOpenRequest();
  ComeBack();
  ExpectTheTrueEndWithTheSameIds();
}

TEST_F(LostAgentTest, LeavesCallsThatWereDecidedWithoutItsRestMarked) {
  LoseWithAnOpenRequest();
  EXPECT_TRUE(h_.Client(11).flags & WEFT_FLAG_DEADLINE);
}

TEST_F(LostAgentTest, ComesBackToAnotherOwner) {
  LoseWithAnOpenRequest();
  h_.TakeOver(0);
  h_.Run();
  ComeBack();
  ExpectTheTrueEndWithTheSameIds();
}

TEST_F(LostAgentTest, ComesBackAndItsRecordsAreReadAgain) {
  LoseWithAnOpenRequest();
  ComeBack();
  h_.TakeOver(0);
  h_.Run();
  h_.Beat();
  EXPECT_EQ(h_.Server(10).times, 2);
  EXPECT_EQ(h_.Count("stitch.pending"), 0u);
}

TEST(StitchPartition, MarksARequestWhoseCallerMayBeKnownToAnAgentThatFellSilent) {
  StitchHarness h(Partitions(1));
  Shop s;
  h.Publish({}, kT);
  const auto called = [&](uint64_t wire) {
    s.b.wire = wire;
    s.b.start = s.b.end = h.clock.MonotonicNs() - 1;
    h.Publish({s.b}, h.clock.MonotonicNs(), 2);
    for (int i = 0; i < 15; ++i) {
      h.Advance(kSecond);
      h.Publish({}, h.clock.MonotonicNs(), 2);
    }
    h.Run();
    return h.Server(wire).flags & (WEFT_FLAG_LOCAL_ROOT | WEFT_FLAG_DEADLINE);
  };
  EXPECT_EQ(called(11), WEFT_FLAG_LOCAL_ROOT | WEFT_FLAG_DEADLINE);
  EXPECT_EQ(h.Count("stitch.agents_lost"), 1u);
  h.TakeOver(0);
  h.Run();
  EXPECT_EQ(called(12), WEFT_FLAG_LOCAL_ROOT | WEFT_FLAG_DEADLINE) << "a new owner knows it too";
  h.Advance(h.config.links_horizon_ns);  // it will not be back
  EXPECT_EQ(called(13), WEFT_FLAG_LOCAL_ROOT);
}

TEST(StitchPartition, DoesNotLoseAnAgentThatSpokeBeforeTheTimersRecord) {
  StitchHarness h(Partitions(1));
  Observation open = Shop{}.a;
  open.end = 0;
  h.Publish({open}, kT);
  h.Run();
  h.clock.Advance(11 * kSecond);
  h.Publish({}, kT + kSecond);
  h.PublishRaw(
      {Stream::kEvents, 0, RecordType::kAgentLost, 0, api::EncodeAgentLost({1, "host-1", kT})});
  h.Run();
  EXPECT_EQ(h.Count("stitch.agents_lost"), 0u);
}

TEST(StitchPartition, EndsOpenSpansWhenTheAgentStopsInOrder) {
  StitchHarness h(Partitions(1));
  Observation open = Shop{}.a;
  open.end = 0;
  h.Publish({open}, kT, 1, 0, true);
  h.Run();
  h.Advance(3 * kSecond);
  EXPECT_TRUE(h.Server(10).flags & WEFT_FLAG_OPEN_AT_EXIT);
  EXPECT_EQ(h.Count("stitch.pending"), 0u);
}

TEST(StitchPartition, PlacesLateCallsAndMarksThem) {
  StitchHarness h(Partitions(1));
  Shop s;
  Observation open = s.a;
  open.end = 0;
  h.Publish({open}, h.clock.MonotonicNs());
  h.Run();
  h.Publish({s.call}, h.clock.MonotonicNs());
  h.Run();
  h.Beat();
  EXPECT_EQ(h.Count("stitch.late"), 1u);
  h.Publish({s.a}, h.clock.MonotonicNs());
  h.Run();
  EXPECT_EQ(h.Client(11).parent, ServerId(10));
  EXPECT_TRUE(h.Client(11).flags & WEFT_FLAG_LATE);
  EXPECT_FALSE(h.Server(10).flags & WEFT_FLAG_LATE);
}

TEST(StitchPartition, WaitsForTheFinalIdOfAPipelinedCall) {
  StitchHarness h(Partitions(1));
  Shop s;
  Observation open = s.call;
  open.exchange = s.call.key();
  open.wire = 999;
  open.end = 0;
  open.flags = WEFT_FLAG_PROVISIONAL;
  h.Publish({s.a, open}, h.clock.MonotonicNs());
  h.Publish({s.b}, h.clock.MonotonicNs());
  h.Run();
  h.Publish({}, h.clock.MonotonicNs());
  h.Advance(kSecond);
  EXPECT_FALSE(h.Has(ServerId(11)));  // the offer is still to come, and holds its root back
  Observation closed = s.call;
  closed.exchange = open.exchange;
  h.Publish({closed}, h.clock.MonotonicNs());
  h.Run();
  h.Beat();
  EXPECT_EQ(h.Client(11).parent, ServerId(10));
  EXPECT_EQ(h.Server(11).parent, ClientId(11));
}

// ---- trace context ----

TEST(StitchPartition, TakesTraceAndParentFromTrustedContextWhereTheCallerIsNotWatched) {
  StitchHarness h(Partitions(1));
  Shop s;
  s.a.context_hi = 7;
  s.a.context_lo = 8;
  s.a.context_span = 9;
  h.Publish({s.a, s.call, s.b}, h.clock.MonotonicNs());
  h.Run();
  h.Beat();
  EXPECT_EQ(h.Server(10).trace_hi, 7u);
  EXPECT_EQ(h.Server(10).parent, 9u);
  EXPECT_TRUE(h.Server(10).flags & WEFT_FLAG_LOCAL_ROOT);
  EXPECT_EQ(h.Server(11).trace_lo, 8u);
}

TEST(StitchPartition, TakesTheParentFromTheWireWhereTheCallIsInThatTrace) {
  StitchHarness h(Partitions(1));
  Shop s;
  for (Observation* o : {&s.a, &s.call, &s.b}) {  // passed on unchanged
    o->context_hi = 7;
    o->context_lo = 8;
    o->context_span = 9;
  }
  h.Publish({s.a, s.call, s.b}, h.clock.MonotonicNs());
  h.Run();
  h.Beat();
  EXPECT_EQ(h.Server(11).parent, ClientId(11));
  EXPECT_EQ(h.Server(11).evidence, WEFT_EVIDENCE_WIRE | WEFT_EVIDENCE_CONTEXT);
}

TEST(StitchPartition, GivesACallMadeByAnSdkTheSdksSpanId) {
  StitchHarness h(Partitions(1));
  Shop s;
  for (Observation* o : {&s.a, &s.call, &s.b}) {
    o->context_hi = 7;
    o->context_lo = 8;
    o->context_span = 9;
  }
  s.call.context_span = s.b.context_span = 55;
  h.Publish({s.a, s.call, s.b}, h.clock.MonotonicNs());
  h.Run();
  h.Beat();
  ASSERT_TRUE(h.Has(55));
  EXPECT_FALSE(h.Has(ClientId(11)));
  EXPECT_EQ(h.Server(11).parent, 55u);
}

TEST(StitchPartition, LetsOnlyOneCallTakeTheIdOfAnSdkSpan) {
  StitchHarness h(Partitions(1));
  Shop s;
  s.call.context_hi = 7;
  s.call.context_lo = 8;
  s.call.context_span = 55;
  Observation retry = s.call;
  retry.wire = 12;
  retry.start += 5;
  h.Publish({s.a, s.call, retry}, h.clock.MonotonicNs());
  h.Run();
  h.Beat();
  EXPECT_TRUE(h.Has(55));
  EXPECT_TRUE(h.Has(ClientId(12)));
}

TEST(StitchPartition, MakesALinkOfContextFromOutside) {
  StitchHarness h(Partitions(1), {ContextVoice()});
  Shop s;
  s.a.remote = "203.0.113.9";
  s.a.context_hi = 7;
  s.a.context_lo = 8;
  s.a.context_span = 9;
  s.a.trace_state = "ot=th:8";
  h.Publish({s.a}, h.clock.MonotonicNs());
  h.Run();
  EXPECT_EQ(h.Server(10).text.count("w3c.tracestate"), 0u);
  EXPECT_EQ(h.Server(10).trace_lo, api::RootTraceId(ServerId(10)).lo);
  EXPECT_EQ(h.Server(10).parent, 0u);
  EXPECT_EQ(h.Server(10).text.at("weft.link.trace_id"), "00000000000000070000000000000008");
  EXPECT_EQ(h.Server(10).text.at("weft.link.span_id"), "0000000000000009");
  EXPECT_EQ(h.Count("stitch.untrusted_context"), 1u);
}

// Only this host reaches a Unix socket.
TEST(StitchPartition, TrustsContextFromAUnixSocketAndWaitsForTheCallThere) {
  for (const char* path : {"/run/app.sock", "@app", "unix"}) {
    StitchHarness h(Partitions(1));
    Shop s;
    s.a.remote = s.b.remote = path;
    s.a.context_hi = 7;
    s.a.context_lo = 8;
    s.a.context_span = 9;
    h.Publish({s.b}, h.clock.MonotonicNs(), 1, 0);
    h.Run();
    h.Publish({s.a, s.call}, h.clock.MonotonicNs(), 1, 0);
    h.Run();
    h.Beat();
    EXPECT_EQ(h.Server(10).parent, 9u) << path;
    EXPECT_EQ(h.Server(11).parent, ClientId(11)) << path;
    EXPECT_EQ(h.Count("stitch.untrusted_context"), 0u) << path;
  }
}

// ---- delivery ----

TEST(StitchPartition, CommitsTheOldestRecordThatIsStillNeeded) {
  StitchHarness h(Partitions(1));
  const Shop s;
  Observation later = s.a;
  later.wire = 30;
  later.start = kT + 10 * kSecond;
  later.end = 0;
  h.Publish({s.a}, kT);
  h.Publish({later}, kT + kSecond);
  h.Run();
  EXPECT_EQ(h.transport->CommittedOffset(transport::Stage::kStitch, 0), 0u);
  h.Beat();
  EXPECT_EQ(h.transport->CommittedOffset(transport::Stage::kStitch, 0), 1u);
}

TEST(StitchPartition, HoldsOfAnOldRecordOnlyTheRequestThatIsStillOpen) {
  StitchHarness h;
  constexpr uint64_t kRows = 20'000;
  const int64_t now = h.clock.MonotonicNs();
  std::vector<Observation> rows(kRows);
  for (uint64_t i = 0; i < kRows; ++i) {
    rows[i].exchange = i + 1;
    rows[i].start = now - kSecond + static_cast<int64_t>(i);
    rows[i].end = rows[i].start + 1000;
    rows[i].operation = "GET /" + std::string(64, 'a') + std::to_string(i);
  }
  Observation& open = rows[kRows / 2];
  open.end = 0;
  open.truth = "truth";
  open.service = "slow";
  open.process = 2;
  h.Publish(rows, now);
  for (int i = 0; i < 5; ++i) h.Beat();
  EXPECT_EQ(h.spans().size(), kRows - 1);
  EXPECT_GT(h.Count("stitch.compacted_bytes"), size_t{1} << 20);
  h.Publish({}, h.clock.MonotonicNs(), 1, 0, true);  // the agent stops: what is open ends
  h.Finish();
  ASSERT_EQ(h.spans().size(), kRows);
  const auto& slow = h.spans().at(api::SpanId(open.key(), api::Side::kServer));
  EXPECT_EQ(slow.start, open.start);
  EXPECT_EQ(slow.operation, open.operation);
  EXPECT_EQ(slow.service, "slow");
  EXPECT_EQ(slow.truth, "truth");
  EXPECT_TRUE(slow.flags & WEFT_FLAG_OPEN_AT_EXIT);
  EXPECT_TRUE(h.Idle());
}

TEST(StitchPartition, GoesOnAfterATakeOverWithoutLosingOrDoublingASpan) {
  for (int crash_at = 0; crash_at < 5; ++crash_at) {
    StitchHarness h(Partitions(2));
    const Shop s;
    Observation open = s.a;
    open.end = 0;
    const auto step = [&](int n) {
      if (n == crash_at) {
        h.TakeOver(0);
        h.TakeOver(1);
      }
    };
    h.Publish({open}, kT, 1, 0);
    h.Publish({s.b}, kT, 1, 1);
    h.Run();
    step(0);
    h.Publish({s.call}, kT + kSecond / 2, 1, 0);
    h.Run();
    step(1);
    h.Beat();
    step(2);
    h.Beat();
    step(3);
    h.Publish({s.a}, h.clock.MonotonicNs(), 1, 0);
    h.Run();
    step(4);
    h.Finish();
    ASSERT_EQ(h.spans().size(), 3u) << crash_at;
    for (const auto& [id, span] : h.spans()) {
      EXPECT_EQ(span.times, 1) << crash_at;
      EXPECT_EQ(span.trace_lo, api::RootTraceId(ServerId(10)).lo) << crash_at;
    }
    EXPECT_EQ(h.Client(11).parent, ServerId(10)) << crash_at;
    EXPECT_EQ(h.Server(11).parent, ClientId(11)) << crash_at;
  }
}

TEST(StitchPartition, SaysNothingOfWatermarksUntilAnAgentThatWasKnownSpeaksToTheNewOwner) {
  StitchHarness h(Partitions(1));
  h.Publish({Shop{}.a}, kT + kSecond);
  h.Run();
  h.Beat();
  const int64_t before = h.SpansWatermark();
  h.TakeOver(0);
  h.Advance(2 * kSecond);
  EXPECT_EQ(h.WatermarkLagNs(0), 0);
  EXPECT_EQ(h.SpansWatermark(), before);
  h.Beat();
  EXPECT_GT(h.WatermarkLagNs(0), 0);
  EXPECT_GT(h.SpansWatermark(), before);
}

TEST(StitchPartition, KeepsTheParentOfALateAnswerInTheLog) {
  StitchHarness h(Partitions(1));
  Shop s;
  s.b.remote = "203.0.113.9";  // looks like an edge, but its caller is watched after all
  h.Publish({s.b}, h.clock.MonotonicNs());
  h.Run();
  h.Publish({s.a, s.call}, h.clock.MonotonicNs());
  h.Run();
  h.Beat();
  EXPECT_EQ(h.Server(11).parent, 0u);
  EXPECT_EQ(h.Count("stitch.late_answers"), 1u);
  bool found = false;
  for (const auto& record : h.transport->Held(Stream::kLabels, 0)) {
    const auto labels = api::DecodeLabels(record.payload);
    for (size_t i = 0; i < labels->size(); ++i)
      found |= labels->what[i] == api::kLabelAlias && labels->span_id[i] == ServerId(11) &&
               labels->parent_id[i] == ClientId(11);
  }
  EXPECT_TRUE(found);
}

TEST(StitchPartition, GivesUpOnAnAnswerAtTheDeadline) {
  StitchConfig config = Partitions(1);
  StitchHarness h(config);
  Shop s;
  h.Publish({s.b}, kT);
  api::LinkBatch links;  // somebody says that the call exists, and never what trace it is in
  links.what = {0};
  links.wire_id = {11};
  links.span_id = {ClientId(11)};
  links.trace_hi = links.trace_lo = {0};
  links.partition = links.flags = {0};
  auto owner = h.transport->Own(transport::Stage::kTrace, 0);
  transport::Transaction tx;
  tx.out.push_back({Stream::kLinks, 0, RecordType::kLinkBatch, 0, api::EncodeLinks(links)});
  ASSERT_TRUE((*owner)->Commit(std::move(tx)));
  for (int i = 0; i < 20; ++i) {
    h.clock.Advance(2 * kSecond);
    h.Publish({}, h.clock.MonotonicNs());
    for (bool more = true; more; more = false) h.RunStitchOnly();
  }
  EXPECT_EQ(h.Count("stitch.answer_deadline"), 1u);
  EXPECT_EQ(h.Count("stitch.emitted"), 1u);
}

// Both ends of a connection of a process to itself: where the calling end was seen later, the
// request looks as if it had caused its own call, and waits for itself.
// Both sides of a connection of the process to itself that is older than the agent.
TEST(StitchPartition, ARequestIsNotTheCauseOfTheCallThatItIsTheOtherSideOf) {
  for (const bool with_another : {false, true}) {
    StitchHarness h(Partitions(1));
    Shop s;
    std::vector<Observation> all;
    if (with_another) all.push_back(s.a);
    s.a.wire = s.call.wire;
    all.insert(all.end(), {s.a, s.call});
    h.Publish(all, h.clock.MonotonicNs());
    h.Run();
    for (int i = 0; i < 3; ++i) h.Beat();
    EXPECT_EQ(h.Client(11).parent, with_another ? ServerId(10) : 0u);
    EXPECT_EQ(h.Server(11).parent, ClientId(11));
    EXPECT_EQ(h.Server(11).trace_lo, h.Client(11).trace_lo);
    EXPECT_EQ(h.Count("stitch.answer_deadline"), 0u);
  }
}

TEST(StitchPartition, EndsSoonThoughTwoRequestsWaitForEachOther) {
  StitchHarness h(Partitions(1));
  Shop s;
  Observation back = s.call;
  back.process = s.b.process;
  back.wire = s.a.wire;
  back.start = kT + 30;
  back.end = kT + 70;
  h.Publish({s.a, s.call}, kT);
  h.Advance(kMillisecond);
  h.Publish({s.b, back}, h.clock.MonotonicNs());
  h.Finish();
  EXPECT_EQ(h.Count("stitch.emitted"), 0u);
  for (int i = 0; i < 3; ++i) h.Advance(kSecond);
  EXPECT_EQ(h.Count("stitch.answer_deadline"), 1u);
  EXPECT_EQ(h.Server(10).parent, 0u);
  EXPECT_EQ(h.Client(11).parent, ServerId(10));
  EXPECT_EQ(h.Server(11).parent, ClientId(11));
  EXPECT_EQ(h.Client(10).parent, ServerId(11));
  EXPECT_TRUE(h.Idle());
}

TEST(StitchPartition, SaysHowFarItsSpansReach) {
  StitchHarness h(Partitions(1));
  const Shop s;
  h.Publish({s.a, s.call, s.b}, kT + 50);
  h.Run();
  h.Advance(h.config.watermark_every_ns);
  EXPECT_LE(h.SpansWatermark(), kT);  // the log's clock and the host's are the same here
  h.Beat();
  h.Beat();
  EXPECT_EQ(h.spans().size(), 3u);
  EXPECT_GT(h.SpansWatermark(), kT + kSecond);
}

TEST(StitchPartition, DrainsCompletelyWhenTheSourcesAreClosed) {
  StitchHarness h(Partitions(4));
  const Shop s;
  h.Publish({s.a, s.call}, kT, 1, 0);
  h.Publish({s.b}, kT, 2, 1);
  h.Finish();
  EXPECT_EQ(h.spans().size(), 3u);
  EXPECT_TRUE(h.Idle());
  EXPECT_EQ(h.Count("stitch.spans"), h.Count("stitch.emitted"));
  EXPECT_EQ(h.SpansWatermark(), INT64_MAX);
}

TEST(StitchPartition, NeverShowsTruthOrTraceIdsToCorrelators) {
  static bool seen = false, leaked = false;
  static const weft_correlator table = {
      sizeof(weft_correlator),
      [](void*, const weft_spans* s, weft_candidates*, weft_error*) -> int32_t {
        seen = true;
        leaked |= s->truth || s->truth_strings || s->trace_hi || s->trace_lo;
        for (uint32_t i = 0; i < s->n_strings; ++i)
          leaked |= std::string_view(s->strings[i].data, s->strings[i].size).find("secret") !=
                    std::string_view::npos;
        return WEFT_OK;
      },
      nullptr,
      nullptr,
      nullptr,
      nullptr,
      ~uint64_t{0}};
  StitchHarness h(Partitions(1), {{"spy", &table, nullptr}});
  Shop s;
  s.a.truth = s.call.truth = "secret";
  h.Publish({s.a, s.call, s.b}, h.clock.MonotonicNs());
  h.Run();
  h.Beat();
  EXPECT_TRUE(seen);
  EXPECT_FALSE(leaked);
  EXPECT_EQ(h.Client(11).truth, "secret");
}

}  // namespace
}  // namespace weft::stitch
