#include "engine/api/codec.h"

#include <cstdlib>
#include <cstring>
#include <fstream>
#include <random>

#include <gtest/gtest.h>

#include "engine/api/ids.h"

namespace weft::api {
namespace {

SpanTable SomeSpans() {
  SpanTable t;
  const uint32_t process = t.AddProcess(77, "host-a", "shop-cart", "/usr/bin/python3", 4242);
  t.ProcessAttribute("container.id", "abc");
  for (uint64_t i = 0; i < 5; ++i) {
    const uint32_t r = t.AddRow();
    t.span_id[r] = 100 + i;
    t.exchange[r] = 200 + i;
    t.wire_id[r] = i;
    t.start_ns[r] = static_cast<int64_t>(1000 * i);
    t.end_ns[r] = static_cast<int64_t>(1000 * i + 10);
    t.kind[r] = i % 2 ? WEFT_KIND_CLIENT : WEFT_KIND_SERVER;
    t.process[r] = process;
    t.service[r] = t.Intern("shop-cart");
    t.operation[r] = t.Intern("GET /cart");
    t.confidence[r] = 0.5f;
    t.Attribute("http.request.method", "GET");
    t.Attribute("http.response.status_code", int64_t{200});
    t.Attribute("weft.ratio", 0.25);
    t.Attribute("weft.flag", true);
    t.Candidate(9, 1.5f, WEFT_EVIDENCE_THREAD);
    t.Truth("truth-" + std::to_string(i));
    if (i % 2 == 1) {
      t.Token(static_cast<uint32_t>(1000 * i));
      t.Token(static_cast<uint32_t>(1000 * i + 1));
    }
    if (i == 3) t.OptionId(300);
  }
  return t;
}

EventHeader SomeHeader() {
  EventHeader h;
  h.host_id = "machine";
  h.host_name = "host-a";
  h.agent_id = 11;
  h.boot_id = 12;
  h.sequence = 13;
  h.now_ns = 14;
  h.watermark_ns = -15;
  h.unix_offset_ns = 16;
  h.last = true;
  h.addresses = {"10.0.0.1", "::1"};
  h.ledger = {{"agent.records", 7}, {"agent.decoded", 6}};
  return h;
}

std::string Attr(const weft_spans& s, uint32_t row, uint32_t nth) {
  const uint32_t p = s.attr[s.attr_offset[row] + nth];
  return std::string(View(s.strings[s.pairs->key[p]])) + "=" +
         (s.pairs->type[p] == WEFT_ATTR_STRING ? std::string(View(s.strings[s.pairs->value[p]]))
                                               : std::to_string(s.pairs->value[p]));
}

TEST(EventCodec, GivesBackHeaderAndEveryColumn) {
  const SpanTable spans = SomeSpans();
  auto batch = DecodeEvents(EncodeEvents(SomeHeader(), spans));
  ASSERT_TRUE(batch) << batch.error().message;
  EXPECT_EQ(batch->header.host_id, "machine");
  EXPECT_EQ(batch->header.watermark_ns, -15);
  EXPECT_TRUE(batch->header.last);
  EXPECT_EQ(batch->header.addresses, SomeHeader().addresses);
  EXPECT_EQ(batch->header.ledger, SomeHeader().ledger);
  const weft_spans& s = batch->spans.spans();
  ASSERT_EQ(s.n, 5u);
#define WEFT_COLUMN(type, name, unused) \
  for (uint32_t i = 0; i < 5; ++i) EXPECT_EQ(s.name ? s.name[i] : type{}, spans.name[i]) << #name;
  WEFT_EVENT_COLUMNS(WEFT_COLUMN)
#undef WEFT_COLUMN
#define WEFT_COLUMN(type, name, unused) \
  for (uint32_t i = 0; i < 5; ++i)      \
    EXPECT_EQ(View(s.strings[s.name[i]]), spans.strings.Text(spans.name[i])) << #name;
  WEFT_STRING_COLUMNS(WEFT_COLUMN)
#undef WEFT_COLUMN
  EXPECT_EQ(Attr(s, 4, 0), "http.request.method=GET");
  EXPECT_EQ(Attr(s, 4, 1), "http.response.status_code=200");
  EXPECT_EQ(View(s.truth_strings[s.truth[2]]), "truth-2");
  ASSERT_NE(s.option_id, nullptr);
  EXPECT_EQ(std::vector<uint64_t>(s.option_id, s.option_id + 5),
            (std::vector<uint64_t>{0, 0, 0, 300, 0}));
  EXPECT_EQ(View(s.strings[s.processes->service[0]]), "shop-cart");
}

std::vector<uint32_t> TokensOf(const weft_spans& s, uint32_t row) {
  return {s.token + s.token_offset[row], s.token + s.token_offset[row + 1]};
}

TEST(EventCodec, CarriesTokensOfTheRowsThatHaveSome) {
  auto batch = DecodeEvents(EncodeEvents({}, SomeSpans()));
  ASSERT_TRUE(batch) << batch.error().message;
  const weft_spans& s = batch->spans.spans();
  EXPECT_EQ(TokensOf(s, 0), std::vector<uint32_t>{});
  EXPECT_EQ(TokensOf(s, 1), (std::vector<uint32_t>{1000, 1001}));
  EXPECT_EQ(TokensOf(s, 4), std::vector<uint32_t>{});
  SpanTable copy;
  RowCopier copier(s, copy);
  for (const uint32_t row : {2u, 3u, 0u}) copier.Copy(row);
  const SpanView view = copy.View();
  EXPECT_EQ(TokensOf(view.spans(), 0), std::vector<uint32_t>{});
  EXPECT_EQ(TokensOf(view.spans(), 1), (std::vector<uint32_t>{3000, 3001}));
  EXPECT_EQ(TokensOf(view.spans(), 2), std::vector<uint32_t>{});
}

TEST(EventCodec, SpansWithoutTokensCarryNoColumnOfThem) {
  SpanTable spans;
  spans.AddProcess(77, "host-a", "shop-cart", "/usr/bin/python3", 4242);
  spans.kind[spans.AddRow()] = WEFT_KIND_SERVER;
  auto batch = DecodeEvents(EncodeEvents({}, spans));
  ASSERT_TRUE(batch) << batch.error().message;
  EXPECT_EQ(batch->spans.spans().token_offset, nullptr);
}

TEST(SpanCodec, LeavesOutColumnsThatAreAllZero) {
  SpanTable spans = SomeSpans();
  spans.option_id.assign(5, 0);
  auto record = DecodeSpanColumns(EncodeSpans(spans, 0, 0));
  ASSERT_TRUE(record);
  EXPECT_FALSE(record->columns.parent_id.present());
  EXPECT_FALSE(record->columns.option_id.present());
  EXPECT_FALSE(record->columns.request_id.present());
  EXPECT_FALSE(record->columns.evidence.present());
  EXPECT_EQ(record->columns.parent_id[4], 0u);
}

TEST(SpanCodec, ReadsTextsInPlace) {
  auto record = DecodeSpanColumns(EncodeSpans(SomeSpans(), 0, 0));
  ASSERT_TRUE(record);
  const auto bytes = record->payload->bytes();
  EXPECT_GE(record->columns.string_bytes, bytes.data());
  EXPECT_LT(record->columns.string_bytes, bytes.data() + bytes.size());
}

TEST(SpanCodec, LeavesOutTraceIdsLowerHalvesThatFollow) {
  SpanTable spans = SomeSpans();
  for (uint32_t i = 0; i < spans.n(); ++i) {
    const TraceId id = RootTraceId(100 + i);
    spans.trace_hi[i] = id.hi;
    spans.trace_lo[i] = id.lo;
  }
  auto follow = DecodeSpanColumns(EncodeSpans(spans, 0, 0));
  ASSERT_TRUE(follow);
  EXPECT_FALSE(follow->columns.trace_lo.present());
  EXPECT_EQ(follow->columns.TraceLoOf(3), spans.trace_lo[3]);
  spans.trace_lo.assign(spans.n(), 0);  // of others, with another way to make ids
  auto zero = DecodeSpanColumns(EncodeSpans(spans, 0, 0));
  ASSERT_TRUE(zero);
  EXPECT_EQ(zero->columns.TraceLoOf(3), 0u);
}

TEST(SpanCodec, CarriesWhatStageOneDecided) {
  SpanTable spans = SomeSpans();
  spans.parent_id[1] = 99;
  spans.confidence = {0.5F, 0, 1, 0.25F, 1};
  spans.evidence = {1, 2, 3, 4, 5};
  spans.Candidate(7, -1.5F, 3);
  spans.Candidate(UINT64_MAX, -2, 0);
  auto batch = DecodeSpans(EncodeSpans(spans, 0, 0));
  ASSERT_TRUE(batch) << batch.error().message;
  const weft_spans& s = batch->spans.spans();
  EXPECT_EQ(s.parent_id[1], 99u);
  EXPECT_EQ(s.confidence[3], 0.25F);
  EXPECT_EQ(s.evidence[4], 5u);
  const uint32_t first = s.candidate_offset[4];
  ASSERT_EQ(s.candidate_offset[5] - first, 3u);
  EXPECT_EQ(s.candidate_span_id[first + 2], UINT64_MAX);
  EXPECT_EQ(s.candidate_log_odds[first + 1], -1.5F);
  EXPECT_EQ(s.candidate_evidence[first + 1], 3u);
}

// Batches of stage 1 and of others hold the same attribute more than once.
TEST(SpanCodec, CarriesManyEqualValues) {
  SpanTable spans;
  spans.AddProcess(77, "host-a", "shop-cart", "/usr/bin/python3", 4242);
  for (int i = 0; i < 40; ++i) spans.kind[spans.AddRow()] = WEFT_KIND_SERVER;
  const uint32_t key = spans.Intern("k");
  for (int i = 0; i < 2; ++i) spans.pairs.Append(key, WEFT_ATTR_INT, 0);
  for (int i = 0; i < 700; ++i) spans.AttributePair(0);
  auto batch = DecodeSpans(EncodeSpans(spans, 0, 0));
  ASSERT_TRUE(batch) << batch.error().message;
  EXPECT_EQ(batch->spans.spans().n, 40u);
  EXPECT_EQ(batch->spans.spans().attr_offset[40], 700u);
}

TEST(EventCodec, CarriesHeartbeatsWithoutSpans) {
  auto batch = DecodeEvents(EncodeEvents(SomeHeader(), SpanTable{}));
  ASSERT_TRUE(batch) << batch.error().message;
  EXPECT_EQ(batch->spans.spans().n, 0u);
}

template <typename Change>
void ExpectRefused(Change change, std::string_view message) {
  SpanTable spans = SomeSpans();
  change(spans);
  auto batch = DecodeEvents(EncodeEvents({}, spans));
  ASSERT_FALSE(batch) << message;
  EXPECT_EQ(batch.error().code, Code::kCorrupt);
  EXPECT_NE(batch.error().message.find(message), std::string::npos) << batch.error().message;
}

TEST(EventCodec, RefusesIndicesThatPointNowhere) {
  ExpectRefused([](SpanTable& t) { t.operation[1] = 9999; }, "column operation");
  ExpectRefused([](SpanTable& t) { t.process[1] = 1; }, "process out of range");
  ExpectRefused([](SpanTable& t) { t.attr[3] = 9999; }, "attributes");
  ExpectRefused([](SpanTable& t) { t.attr_offset[2] = 9999; }, "attributes");
  ExpectRefused([](SpanTable& t) { t.pairs.key[0] = 9999; }, "pairs");
  ExpectRefused([](SpanTable& t) { t.pairs.value[0] = 9999; }, "pairs");
  ExpectRefused([](SpanTable& t) { t.pairs.type[0] = 9; }, "pairs");
  ExpectRefused([](SpanTable& t) { t.processes.service[0] = 9999; }, "processes");
  ExpectRefused([](SpanTable& t) { t.truth[0] = 9999; }, "truth");
  ExpectRefused([](SpanTable& t) { t.token_offset[2] = 9999; }, "tokens");
  ExpectRefused([](SpanTable& t) { t.token.pop_back(); }, "tokens");
  ExpectRefused([](SpanTable& t) { t.token_offset.pop_back(); }, "tokens");
}

TEST(SpanCodec, RefusesCandidatesThatPointNowhere) {
  SpanTable spans = SomeSpans();
  spans.candidate_offset[2] = 0;
  spans.candidate_offset[1] = 5;
  auto batch = DecodeSpans(EncodeSpans(spans, 0, 0));
  ASSERT_FALSE(batch);
  EXPECT_NE(batch.error().message.find("candidates"), std::string::npos) << batch.error().message;
}

TEST(EventCodec, RefusesValuesOutsideTheirEnum) {
  ExpectRefused([](SpanTable& t) { t.kind[1] = 0; }, "kind");
  ExpectRefused([](SpanTable& t) { t.kind[1] = 6; }, "kind");
  ExpectRefused([](SpanTable& t) { t.status[1] = 3; }, "status");
}

TEST(EventCodec, RefusesForeignAndTruncatedBytes) {
  EXPECT_FALSE(DecodeEvents(CopyPayload("")));
  EXPECT_FALSE(DecodeEvents(CopyPayload("seven b")));
  EXPECT_FALSE(DecodeEvents(CopyPayload("GET / HTTP/1.1\r\n")));
  const PayloadPtr whole = EncodeEvents(SomeHeader(), SomeSpans());
  for (size_t cut = 8; cut < whole->bytes().size(); cut += 8)
    DecodeEvents(CopyPayload(whole->bytes().substr(0, cut)));  // any answer, no crash
  EXPECT_FALSE(DecodeEvents(CopyPayload(whole->bytes().substr(0, 64))));
}

// Every index of a decoded view is touched, so that sanitizers see what the checks let through.
void Walk(const SpanView& view) {
  SpanTable copy;
  RowCopier copier(view, copy);
  for (uint32_t i = 0; i < view.spans().n; ++i) copier.Copy(i);
}

TEST(EventCodec, SurvivesFlippedBits) {
  const PayloadPtr whole = EncodeEvents(SomeHeader(), SomeSpans());
  std::mt19937_64 random(7);
  for (int round = 0; round < 20000; ++round) {
    std::string bytes(whole->bytes());
    for (int flips = 0; flips < 1 + round % 3; ++flips)
      bytes[random() % bytes.size()] ^= static_cast<char>(1 << random() % 8);
    if (auto batch = DecodeEvents(CopyPayload(bytes))) Walk(batch->spans);
  }
}

TEST(SpanCodec, SurvivesFlippedBits) {
  const PayloadPtr whole = EncodeSpans(SomeSpans(), 0, 0);
  std::mt19937_64 random(7);
  for (int round = 0; round < 20000; ++round) {
    std::string bytes(whole->bytes());
    for (int flips = 0; flips < 1 + round % 3; ++flips)
      bytes[random() % bytes.size()] ^= static_cast<char>(1 << random() % 8);
    if (auto batch = DecodeSpans(CopyPayload(bytes))) Walk(batch->spans);
  }
}

TEST(SpanCodec, CarriesSenderWatermarkAndHowFarItHadRead) {
  auto batch = DecodeSpans(EncodeSpans(SomeSpans(), 3, 99, 77));
  ASSERT_TRUE(batch);
  EXPECT_EQ(batch->from_partition, 3u);
  EXPECT_EQ(batch->watermark_ns, 99);
  EXPECT_EQ(batch->input_ns, 77);
  EXPECT_EQ(batch->spans.spans().n, 5u);
}

TEST(LogCodec, GivesBackLinks) {
  LinkBatch b;
  b.what = {0, 1, 2};
  b.wire_id = {1, 2, 3};
  b.span_id = {4, 5, 6};
  b.trace_hi = {0, 0, 7};
  b.trace_lo = {0, 0, 8};
  b.partition = {0, 2, 0};
  b.flags = {0, kLinkUncovered, 0};
  b.from_partition = 5;
  b.watermark_ns = 6;
  b.input_ns = 7;
  auto r = DecodeLinks(EncodeLinks(b));
  ASSERT_TRUE(r) << r.error().message;
  EXPECT_EQ(r->what, b.what);
  EXPECT_EQ(r->wire_id, b.wire_id);
  EXPECT_EQ(r->trace_lo, b.trace_lo);
  EXPECT_EQ(r->flags, b.flags);
  EXPECT_EQ(r->from_partition, 5u);
  EXPECT_EQ(r->watermark_ns, 6);
  EXPECT_EQ(r->input_ns, 7);
  b.what[1] = 3;
  EXPECT_FALSE(DecodeLinks(EncodeLinks(b)));
}

// The list that tells the number of rows is visited twice; a tight limit once refused big batches.
TEST(LogCodec, GivesBackBatchesOfManyRows) {
  constexpr size_t kRows = 100'000;
  LinkBatch links;
  links.what.assign(kRows, 1);
  for (auto* column : {&links.wire_id, &links.span_id, &links.trace_hi, &links.trace_lo})
    column->assign(kRows, 7);
  for (auto* column : {&links.partition, &links.flags}) column->assign(kRows, 1);
  const auto read = DecodeLinks(EncodeLinks(links));
  ASSERT_TRUE(read.has_value()) << read.error().message;
  EXPECT_EQ(read->size(), kRows);
}

TEST(LogCodec, GivesBackLabels) {
  LabelBatch b;
  b.what = {3};
  b.exchange = {1};
  b.span_id = {2};
  b.parent_id = {3};
  b.parent_exchange = {4};
  b.trace_hi = {5};
  b.trace_lo = {6};
  b.confidence = {0.5f};
  b.evidence = {7};
  b.flags = {8};
  b.process_id = {9, 10};
  b.decided_ns = {11, -12};
  auto r = DecodeLabels(EncodeLabels(b));
  ASSERT_TRUE(r) << r.error().message;
  EXPECT_EQ(r->parent_exchange, b.parent_exchange);
  EXPECT_EQ(r->confidence, b.confidence);
  EXPECT_EQ(r->process_id, b.process_id);
  EXPECT_EQ(r->decided_ns, b.decided_ns);
}

TEST(LogCodec, GivesBackDecisionsWithTheirRules) {
  DecisionBatch b;
  b.trace_hi = {1, 2};
  b.trace_lo = {3, 4};
  b.keep = {1, 0};
  b.weight = {2.5, 1};
  b.rule = {b.rules.Intern("errors"), 0};
  b.flags = {5, 6};
  b.spans = {7, 8};
  auto r = DecodeDecisions(EncodeDecisions(b));
  ASSERT_TRUE(r) << r.error().message;
  EXPECT_EQ(r->weight, b.weight);
  EXPECT_EQ(r->rules.Text(r->rule[0]), "errors");
  EXPECT_EQ(r->rules.Text(r->rule[1]), "");
  b.rule[1] = 17;
  EXPECT_FALSE(DecodeDecisions(EncodeDecisions(b)));
}

TEST(LogCodec, GivesBackAgentLostStateAndDeadRecords) {
  auto lost = DecodeAgentLost(EncodeAgentLost({5, "machine", -3}));
  ASSERT_TRUE(lost);
  EXPECT_EQ(lost->host_id, "machine");
  EXPECT_EQ(lost->last_watermark_ns, -3);
  auto state = DecodeState(EncodeState({6, "delay", 7, std::string("\0\1\2", 3)}));
  ASSERT_TRUE(state);
  EXPECT_EQ(state->state.size(), 3u);
  EXPECT_EQ(state->correlator, "delay");
  auto dead = DecodeDead(EncodeDead({1, 2, 3, "because", "raw"}));
  ASSERT_TRUE(dead);
  EXPECT_EQ(dead->reason, "because");
  EXPECT_EQ(dead->record, "raw");
}

TEST(LogCodec, KeepsTheBeginningOfALargeDeadRecordSoThatItCanAlwaysBeWritten) {
  auto dead = DecodeDead(EncodeDead({1, 2, 3, "because", std::string(80'000'000, 'x')}));
  ASSERT_TRUE(dead);
  EXPECT_EQ(dead->record, std::string(kMaxDeadBytes, 'x'));
  EXPECT_EQ(dead->reason, "because (the first 262144 of 80000000 bytes)");
}

// They are made on memory that is not zeroed; where assertions are on it is full of a byte that
// none of these values has.
TEST(Codec, WritesEveryByteOfItsBatches) {
  const SpanTable spans = SomeSpans();
  LinkBatch links;
  links.what = {0, 1, 2};
  links.wire_id = links.span_id = links.trace_hi = links.trace_lo = {1, 0, 2};
  links.partition = links.flags = {1, 0, 2};
  LabelBatch labels;
  labels.what = links.what;
  labels.exchange = labels.span_id = labels.parent_id = labels.parent_exchange = links.wire_id;
  labels.trace_hi = labels.trace_lo = links.trace_hi;
  labels.confidence.assign(3, 1);
  labels.evidence = labels.flags = links.flags;
  labels.process_id = {1};
  labels.decided_ns = {2};
  links.trace_lo[0] ^= RootTraceLow(1);  // so that the bytes are those of small numbers
  links.trace_lo[2] ^= RootTraceLow(2);
  labels.trace_lo = links.trace_lo;
  for (const PayloadPtr& record :
       {EncodeSpans(spans, 1, 2), EncodeLinks(links), EncodeLinks({}), EncodeLabels(labels)})
    EXPECT_EQ(record->bytes().find(static_cast<char>(Payload::kUnwritten)), std::string_view::npos);
}

TEST(LogCodec, ReadsLargeBatches) {
  constexpr size_t kRows = 200'000;
  LinkBatch links;
  links.what.assign(kRows, 1);
  links.wire_id.assign(kRows, 7);
  links.span_id = links.trace_hi = links.trace_lo = links.wire_id;
  links.partition.assign(kRows, 3);
  links.flags = links.partition;
  auto l = DecodeLinks(EncodeLinks(links));
  ASSERT_TRUE(l) << l.error().message;
  EXPECT_EQ(l->size(), kRows);
  LabelBatch labels;
  labels.what = links.what;
  labels.exchange = labels.span_id = labels.parent_id = labels.parent_exchange = links.wire_id;
  labels.trace_hi = labels.trace_lo = labels.process_id = links.wire_id;
  labels.decided_ns.assign(kRows, 1);
  labels.confidence.assign(kRows, 1);
  labels.evidence = labels.flags = links.partition;
  EXPECT_TRUE(DecodeLabels(EncodeLabels(labels)));
  DecisionBatch decisions;
  decisions.trace_hi = decisions.trace_lo = links.wire_id;
  decisions.keep = links.what;
  decisions.weight.assign(kRows, 1);
  decisions.rule.assign(kRows, 0);
  decisions.flags = decisions.spans = links.partition;
  EXPECT_TRUE(DecodeDecisions(EncodeDecisions(decisions)));
  SpanTable spans;
  spans.AddProcess(1, "h", "s", "e", 1);
  for (size_t i = 0; i < kRows; ++i) {
    spans.exchange[spans.AddRow()] = i;
    spans.kind.back() = WEFT_KIND_SERVER;
    spans.Attribute("n", static_cast<int64_t>(i));
  }
  auto events = DecodeEvents(EncodeEvents({}, spans));
  ASSERT_TRUE(events) << events.error().message;
  EXPECT_EQ(events->spans.spans().n, kRows);
}

// Writes the fuzz corpus when WEFT_WRITE_CORPUS names a folder.
TEST(EventCodec, WritesItsFuzzCorpusOnRequest) {
  const char* folder = std::getenv("WEFT_WRITE_CORPUS");
  if (folder == nullptr) GTEST_SKIP() << "WEFT_WRITE_CORPUS is not set";
  LinkBatch links;
  links.what = {1};
  links.wire_id = links.span_id = links.trace_hi = links.trace_lo = {1};
  links.partition = links.flags = {0};
  LabelBatch labels;
  labels.process_id = {1};
  labels.decided_ns = {2};
  DecisionBatch decisions;
  decisions.rules.Intern("rule");
  const PayloadPtr records[] = {EncodeEvents(SomeHeader(), SomeSpans()),
                                EncodeSpans(SomeSpans(), 1, 2),
                                EncodeLinks(links),
                                EncodeLabels(labels),
                                EncodeDecisions(decisions),
                                EncodeState({1, "delay", 2, "state"}),
                                EncodeAgentLost({1, "host", 2}),
                                EncodeDead({1, 2, 3, "reason", "bytes"})};
  for (size_t i = 0; i < std::size(records); ++i) {
    std::ofstream file(std::string(folder) + "/record" + std::to_string(i), std::ios::binary);
    const char selector[8] = {static_cast<char>(i)};
    file.write(selector, 8);
    file << records[i]->bytes();
  }
}

}  // namespace
}  // namespace weft::api
