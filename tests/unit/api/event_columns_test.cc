#include "engine/api/event_columns.h"

#include <fstream>
#include <limits>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "engine/api/codec.h"
#include "engine/api/event_copier.h"
#include "engine/api/ids.h"

namespace weft::api {
namespace {

SpanTable Rows(uint32_t n) {
  SpanTable t;
  t.AddProcess(77, "host-a", "shop-cart", "/usr/bin/python3", 4242);
  for (uint32_t i = 0; i < n; ++i) {
    const uint32_t r = t.AddRow();
    t.exchange[r] = 1000 + i;
    t.kind[r] = WEFT_KIND_CLIENT;
  }
  return t;
}

EventRecord Packed(const SpanTable& t) {
  auto record = DecodeEventColumns(EncodeEvents({}, t));
  EXPECT_TRUE(record) << record.error().message;
  return std::move(*record);
}

TEST(EventColumns, AreAsNarrowAsTheirValuesAllow) {
  SpanTable t = Rows(3);
  const auto width_of = [&](uint64_t first, uint64_t last) {
    t.connection = {first, first, last};
    const EventRecord r = Packed(t);
    EXPECT_EQ(r.columns.connection[0], first);
    EXPECT_EQ(r.columns.connection[2], last);
    return r.columns.connection.width();
  };
  EXPECT_EQ(width_of(7, 7), 0);
  EXPECT_EQ(width_of(1'000'000, 1'000'255), 1);
  EXPECT_EQ(width_of(0, 256), 2);
  EXPECT_EQ(width_of(5, 65'541), 4);
  EXPECT_EQ(width_of(0, uint64_t{1} << 32), 8);
  EXPECT_EQ(width_of(1, UINT64_MAX), 8);
}

TEST(EventColumns, KeepNegativeValues) {
  SpanTable t = Rows(2);
  t.fd = {-1, 3};
  t.start_ns = {std::numeric_limits<int64_t>::min() + 1, 5};
  const EventRecord r = Packed(t);
  EXPECT_EQ(static_cast<int32_t>(r.columns.fd[0]), -1);
  EXPECT_EQ(static_cast<int32_t>(r.columns.fd[1]), 3);
  EXPECT_EQ(static_cast<int64_t>(r.columns.start_ns[0]), t.start_ns[0]);
}

TEST(EventColumns, KnowWhichRowsAreOpen) {
  SpanTable t = Rows(3);
  t.start_ns = {100, 100, 100};
  t.end_ns = {0, 100, 90};  // open; no time at all; before it began
  const EventRecord r = Packed(t);
  EXPECT_EQ(r.columns.EndOf(0), 0);
  EXPECT_EQ(r.columns.EndOf(1), 100);
  EXPECT_EQ(r.columns.EndOf(2), 100);
}

TEST(EventColumns, LeaveOutSpanIdsAndServicesThatFollow) {
  SpanTable t = Rows(2);
  t.wire_id = {55, 0};
  t.span_id = {SpanId(55, Side::kClient), SpanId(1001, Side::kClient)};
  for (uint32_t& service : t.service) service = t.processes.service[0];
  const EventRecord r = Packed(t);
  EXPECT_FALSE(r.columns.span_id.present());
  EXPECT_EQ(r.columns.SpanIdOf(0), t.span_id[0]);
  EXPECT_EQ(r.columns.SpanIdOf(1), t.span_id[1]);
  EXPECT_FALSE(r.columns.service.present());
  EXPECT_EQ(r.columns.Text(r.columns.ServiceOf(1)), "shop-cart");
  t.service[1] = t.Intern("another");
  const EventRecord other = Packed(t);
  EXPECT_EQ(other.columns.Text(other.columns.ServiceOf(0)), "shop-cart");
  EXPECT_EQ(other.columns.Text(other.columns.ServiceOf(1)), "another");
}

TEST(EventColumns, NoServiceIsNotTheProcessesService) {
  const EventRecord r = Packed(Rows(1));
  EXPECT_EQ(r.columns.ServiceOf(0), 0u);
}

TEST(EventCopier, TranslatesDictionariesOfEachRecord) {
  SpanTable a = Rows(1), b = Rows(1);
  b.Intern("makes the numbers differ");
  a.operation[0] = a.Intern("GET /a");
  b.operation[0] = b.Intern("GET /a");
  a.Attribute("key", "value");
  b.Attribute("key", "value");
  const EventRecord first = Packed(a), second = Packed(b);
  SpanTable out;
  EventCopier copier;
  for (const EventRecord* r : {&first, &second}) {
    copier.Begin(r->columns, out);
    copier.CopyAll();
  }
  ASSERT_EQ(out.n(), 2u);
  EXPECT_EQ(out.operation[0], out.operation[1]);
  EXPECT_EQ(out.strings.Text(out.operation[1]), "GET /a");
  EXPECT_EQ(out.attr[0], out.attr[1]);
  EXPECT_EQ(out.processes.size(), 1u);
}

// One in three rows has a value of its own, one in five none at all.
SpanTable RowsWithAttributes(uint32_t n) {
  SpanTable t;
  t.AddProcess(77, "host-a", "shop-cart", "/usr/bin/python3", 4242);
  for (uint32_t i = 0; i < n; ++i) {
    t.kind[t.AddRow()] = WEFT_KIND_CLIENT;
    t.exchange[i] = 1000 + i;
    if (i % 5 == 0) continue;
    t.Attribute("key", i % 3 == 0 ? "value-" + std::to_string(i) : std::string("key"));
    t.Attribute("empty", "");
    t.Attribute("count", int64_t{-1} - i % 2);
  }
  return t;
}

std::vector<std::string> AttributesOf(const SpanTable& t) {
  std::vector<std::string> rows;
  for (uint32_t row = 0; row < t.n(); ++row) {
    std::string& text = rows.emplace_back();
    for (uint32_t a = t.attr_offset[row]; a < t.attr_offset[row + 1]; ++a) {
      const uint32_t pair = t.attr[a];
      const auto value = static_cast<uint32_t>(t.pairs.value[pair]);
      text += std::string(t.strings.Text(t.pairs.key[pair])) + "=";
      text += t.pairs.type[pair] == WEFT_ATTR_STRING ? std::string(t.strings.Text(value))
                                                     : std::to_string(static_cast<int32_t>(value));
      text += ";";
    }
  }
  return rows;
}

TEST(EventCopier, AppendsAttributesOfManyRowsAsOfEach) {
  const EventRecord records[] = {Packed(RowsWithAttributes(40)), Packed(RowsWithAttributes(31))};
  for (const Repeats repeats : {Repeats::kOnce, Repeats::kPerSource}) {
    SpanTable each, many;
    EventCopier copier;
    for (const EventRecord& r : records) {
      const uint32_t rows[] = {30, 3, 4, 5, 6, 3, 29};
      copier.Begin(r.columns, each, repeats);
      copier.AppendColumns(rows, 7, EventCopier::Columns::kAll);
      for (const uint32_t row : rows) copier.AppendLists(row);
      copier.Begin(r.columns, many, repeats);
      copier.AppendColumns(rows, 7, EventCopier::Columns::kAll);
      copier.AppendAttributes(rows, 3);
      copier.AppendAttributes(rows + 3, 0);
      copier.AppendAttributes(rows + 3, 4);
      for (const uint32_t row : rows) copier.AppendCandidates(row);
    }
    EXPECT_EQ(AttributesOf(many), AttributesOf(each));
    EXPECT_EQ(many.attr_offset, each.attr_offset);
    EXPECT_EQ(many.attr, each.attr);
    EXPECT_EQ(many.candidate_offset, each.candidate_offset);
    EXPECT_EQ(many.strings.bytes().size(), each.strings.bytes().size());
  }
}

// Its message is made on memory that nobody has zeroed.
TEST(SpanCodec, WritesTheSameBytesWhateverTheMemoryHeld) {
  SpanTable t = RowsWithAttributes(41);
  t.Truth("truth");
  t.Candidate(5, 0.5F, 1);
  const auto encode = [&](char junk) {
    const size_t size = EncodeSpans(t, 1, 2, 3)->bytes().size();
    for (size_t more = 0; more < 4096; more += 8) {
      std::vector<char> block(size + more, junk);
      EXPECT_EQ(block.back(), junk);
    }
    return std::string(EncodeSpans(t, 1, 2, 3)->bytes());
  };
  EXPECT_EQ(encode('\x00'), encode('\x5a'));
  EXPECT_EQ(encode('\xff'), encode('\x5a'));
}

TEST(EventColumns, OfATableAreItsColumns) {
  SpanTable t = Rows(3);
  t.start_ns = {100, 200, 300};
  t.end_ns = {0, 250, 300};
  t.fd = {-1, 2, 3};
  t.confidence = {0, 0.5F, 1};
  t.Attribute("key", "value");
  const EventColumns columns = ColumnsOf(t);
  EXPECT_EQ(columns.EndOf(0), 0);
  EXPECT_EQ(columns.EndOf(1), 250);
  SpanTable out;
  out.AppendRows(2);
  EventCopier copier;
  copier.Begin(columns, out);
  const uint32_t rows[] = {2, 0}, places[] = {0, 1};
  copier.FillColumns(rows, places, 2);
  for (const uint32_t row : rows) copier.AppendLists(row);
  EXPECT_EQ(out.exchange, (std::vector<uint64_t>{1002, 1000}));
  EXPECT_EQ(out.end_ns, (std::vector<int64_t>{300, 0}));
  EXPECT_EQ(out.fd, (std::vector<int32_t>{3, -1}));
  EXPECT_EQ(out.confidence, (std::vector<float>{1, 0}));
  EXPECT_EQ(out.attr_offset, (std::vector<uint32_t>{0, 1, 1}));
  EXPECT_EQ(out.strings.Text(out.processes.service[out.process[1]]), "shop-cart");
}

// The first word of a corpus file selects the decoder.
PayloadPtr OfCorpus(const std::string& name) {
  std::ifstream file(WEFT_SOURCE_DIR "/tests/fuzz/corpus/event_codec/" + name, std::ios::binary);
  std::string bytes((std::istreambuf_iterator<char>(file)), {});
  EXPECT_GT(bytes.size(), 8u);
  return CopyPayload(std::string_view(bytes).substr(8));
}

TEST(EventCodec, ReadsRecordsOfBeforeColumnsWerePacked) {
  auto batch = DecodeEvents(OfCorpus("events_unpacked"));
  ASSERT_TRUE(batch) << batch.error().message;
  const weft_spans& s = batch->spans.spans();
  ASSERT_NE(s.n, 0u);
  EXPECT_NE(s.exchange[0], 0u);
  EXPECT_NE(s.pairs->n, 0u);
}

TEST(SpanCodec, ReadsRecordsOfBeforeColumnsWerePacked) {
  auto record = DecodeSpanColumns(OfCorpus("spans_unpacked"));
  ASSERT_TRUE(record) << record.error().message;
  EXPECT_EQ(record->from_partition, 1u);
  EXPECT_EQ(record->watermark_ns, 2);
  ASSERT_EQ(record->columns.n, 5u);
  EXPECT_EQ(record->columns.SpanIdOf(4), 104u);
  EXPECT_EQ(record->columns.EndOf(4), 4010);
}

}  // namespace
}  // namespace weft::api
