#include "sql/store_set.h"

#include <filesystem>
#include <fstream>
#include <map>
#include <random>
#include <set>

#include <sqlite3.h>

#include "sql/set_reader.h"
#include "sql/union_tables.h"
#include "tests/support/member_stores.h"

namespace weft::sql {
namespace {

using test::MemberStores;
using test::TraceBatch;

// Spans [first, last) of trace `trace`: span n is called by n - 1, and 100 is the root.
TraceBatch Spans(uint64_t trace, uint64_t first, uint64_t last, uint32_t trace_flags = 0,
                 int64_t end = 1'000'000) {
  TraceBatch batch;
  batch.BeginTrace(0xabc, trace);
  for (uint64_t n = first; n < last; ++n) {
    const auto start = test::kShopNoon + static_cast<int64_t>(n) * 1'000;
    batch.AddSpan(trace * 1'000 + n, n == 100 ? 0 : trace * 1'000 + n - 1, WEFT_KIND_SERVER,
                  n % 2 ? "cart" : "front", "GET /", start, end == 0 ? 0 : start + end,
                  WEFT_STATUS_UNSET, trace_flags & WEFT_FLAG_LATE);
    batch.table.Attribute("n", static_cast<int64_t>(n));
  }
  batch.flags.back() |= trace_flags;
  return batch;
}

// One line per trace: its number, spans and errors, and the spans that it shows.
std::string Content(const StoreSet& stores) {
  std::map<std::string, std::string> lines;
  for (const Database& db : stores) {
    auto traces = db.Prepare("SELECT substr(trace_id, 29), spans, row FROM traces");
    EXPECT_TRUE(traces) << traces.error().message;
    while (*traces->Step()) {
      std::string line = std::to_string(traces->Int(1)) + ":";
      const auto spans = ReadSpans(db, traces->Int(2));
      EXPECT_TRUE(spans) << spans.error().message;
      for (const StoredSpan& s : *spans)
        line += " " + std::to_string(s.span_id % 1'000) + (s.flags & WEFT_FLAG_OPEN ? "o" : "");
      EXPECT_TRUE(lines.emplace(traces->Text(0), line).second) << "a trace in two databases";
    }
  }
  std::string out;
  for (const auto& [id, line] : lines) out += id + " " + line + "\n";
  return out;
}

std::string Content(const MemberStores& members) {
  const auto stores = StoreSet::Open({members.Pattern()});
  if (!stores) return stores.error().message;
  return Content(*stores);
}

// What may lie beside the members' files: a copy that was cut short, stores of other versions,
// somebody else's database, a file that is none, a folder.
TEST(StoreSet, WhatIsNoStoreIsNamedAndTheOthersAreReadWhereAPatternFoundIt) {
  MemberStores members(2);
  members.Write(0, Spans(1, 100, 101), 1);
  members.Write(1, Spans(2, 100, 102), 1);
  const std::filesystem::path pattern(members.Pattern());
  const auto beside = [&](const std::string& name) {
    std::string path = pattern.native();
    path.replace(path.find('*'), 1, name);
    return path;
  };
  const auto run = [](const std::string& file, const std::string& sql) {
    sqlite3* db = nullptr;
    ASSERT_EQ(sqlite3_open(file.c_str(), &db), SQLITE_OK);
    EXPECT_EQ(sqlite3_exec(db, sql.c_str(), nullptr, nullptr, nullptr), SQLITE_OK);
    sqlite3_close(db);
  };
  run(members.Path(0), "VACUUM INTO '" + beside("cut") + "'");
  for (const auto& [name, version] : {std::pair{"newer", "999"}, {"older", "1"}}) {
    run(members.Path(0), "VACUUM INTO '" + beside(name) + "'");
    run(beside(name), std::string("PRAGMA user_version = ") + version);
  }
  std::filesystem::resize_file(beside("cut"), std::filesystem::file_size(beside("cut")) / 2);
  std::ofstream(beside("text")) << std::string(10'000, 'x');
  std::filesystem::create_directory(beside("folder"));
  run(beside("foreign"), "CREATE TABLE spans(x); PRAGMA user_version = 3");

  const auto stores = StoreSet::Open({members.Pattern()});
  ASSERT_TRUE(stores) << stores.error().message;
  EXPECT_EQ(Content(*stores), "0001 1: 100\n0002 2: 100 101\n");
  const std::set<std::string> all{"cut", "newer", "older", "text", "folder", "foreign"};
  const auto named = [&](const std::vector<Error>& errors) {
    std::multiset<std::string> names;
    for (const Error& error : errors)
      for (const std::string& name : all)
        if (error.message.find(beside(name)) != std::string::npos) names.insert(name);
    return names;
  };
  EXPECT_EQ(named(stores->passed_over()),
            (std::multiset<std::string>{"text", "folder", "foreign"}));
  EXPECT_EQ(named(stores->unread()), (std::multiset<std::string>{"cut", "newer", "older"}));

  for (const std::string& name : all) {
    EXPECT_FALSE(StoreSet::Open({beside(name)})) << name;
    EXPECT_FALSE(StoreSet::Open({members.Pattern(), beside(name)})) << name;
  }
}

TEST(StoreSet, APartitionThatWandersThereAndBackLosesAndDoublesNothing) {
  MemberStores members(2);
  members.Write(0, Spans(1, 100, 103), 1, 5);
  // Member 1 takes over before member 0 has committed its offset, and goes again.
  members.Write(1, Spans(1, 100, 103, WEFT_FLAG_RESUMED), 1, 6);
  members.Write(1, Spans(2, 100, 102), 2, 6);
  members.Write(0, Spans(1, 100, 103, WEFT_FLAG_RESUMED), 1, 7);
  members.Write(0, Spans(2, 100, 102, WEFT_FLAG_RESUMED), 2, 7);
  members.Write(0, Spans(3, 100, 101), 3, 7);
  EXPECT_EQ(members.Counts(0).duplicates, 3u);
  EXPECT_EQ(Content(members), "0001 3: 100 101 102\n0002 2: 100 101\n0003 1: 100\n");
}

TEST(StoreSet, AMemberKilledBetweenTwoFilesWritesLosesAndDoublesNothing) {
  MemberStores members(2);
  // Two partitions' batches: the first was stored, the second was not, neither was acknowledged.
  members.Write(0, Spans(1, 100, 104), 1, 5);
  members.Restart(0);
  members.Write(1, Spans(1, 100, 104, WEFT_FLAG_RESUMED), 1, 6);
  members.Write(1, Spans(2, 100, 102, WEFT_FLAG_RESUMED), 2, 6);
  EXPECT_EQ(Content(members), "0001 4: 100 101 102 103\n0002 2: 100 101\n");
}

TEST(StoreSet, AKillBetweenCommitAndAcknowledgementStoresNothingTwice) {
  MemberStores members(1);
  members.Write(0, Spans(1, 100, 104), 1, 5);
  members.Restart(0);
  members.Write(0, Spans(1, 100, 104, WEFT_FLAG_RESUMED), 1, 6);
  EXPECT_EQ(members.Counts(0).duplicates, 4u);
  EXPECT_EQ(members.Counts(0).rows, 0u);
  EXPECT_EQ(Content(members), "0001 4: 100 101 102 103\n");
}

TEST(StoreSet, LateSpansElsewhereAddToTheirTrace) {
  MemberStores members(3);
  members.Write(0, Spans(1, 100, 103), 1, 5);
  members.Write(1, Spans(1, 103, 104, WEFT_FLAG_LATE), 1, 6);
  members.Write(2, Spans(1, 104, 106, WEFT_FLAG_LATE), 1, 7);
  EXPECT_EQ(Content(members), "0001 6: 100 101 102 103 104 105\n");
}

// The committed offset had passed the trace's first record, so only the rest was read again.
TEST(StoreSet, APartThatIsExportedAgainHidesNothing) {
  MemberStores members(2);
  members.Write(0, Spans(1, 100, 104), 1, 5);
  members.Write(1, Spans(1, 102, 105, WEFT_FLAG_RESUMED), 1, 6);
  EXPECT_EQ(Content(members), "0001 5: 100 101 102 103 104\n");
}

TEST(StoreSet, TheEndOfAnOpenSpanCountsWhereverItIs) {
  MemberStores members(2);
  members.Write(0, Spans(1, 100, 101), 1, 5);
  members.Write(0, Spans(2, 100, 101, 0, 0), 2, 5);
  members.Write(1, Spans(2, 100, 101, WEFT_FLAG_LATE), 1, 6);
  members.Write(1, Spans(1, 100, 101, WEFT_FLAG_RESUMED, 0), 2, 6);
  EXPECT_EQ(Content(members), "0001 1: 100\n0002 1: 100\n");
}

TEST(StoreSet, TwoExchangesWithOneSpanIdStayTwo) {
  MemberStores members(2);
  TraceBatch twins = Spans(1, 100, 101);
  for (const int64_t later : {0, 5})
    twins.AddSpan(1'101, 1'100, WEFT_KIND_CLIENT, "front", "GET", test::kShopNoon + later,
                  test::kShopNoon + 9);
  members.Write(0, twins, 1, 5);
  twins.flags.back() |= WEFT_FLAG_RESUMED;
  members.Write(1, twins, 1, 6);
  EXPECT_EQ(Content(members), "0001 3: 101 101 100\n");
}

TEST(StoreSet, WithoutAMarkNothingIsLookedUp) {
  MemberStores members(2);
  members.Write(0, Spans(1, 100, 102), 1, 5);
  members.Write(1, Spans(2, 100, 102), 1, 5);
  const auto stores = StoreSet::Open({members.Pattern()});
  ASSERT_TRUE(stores) << stores.error().message;
  EXPECT_EQ(stores->size(), 2u) << "no third one for split traces";
}

TEST(StoreSet, ASplitTraceIsWholeForEveryReader) {
  MemberStores members(2);
  TraceBatch doubtful = Spans(1, 100, 102);
  doubtful.table.Candidate(1'100, 1.5f, WEFT_EVIDENCE_THREAD);
  doubtful.table.Candidate(77, 0.5f, WEFT_EVIDENCE_DELAY);
  members.Write(0, doubtful, 1, 5);
  members.Write(1, Spans(1, 102, 104, WEFT_FLAG_LATE), 1, 6);
  const auto stores = StoreSet::Open({members.Path(0), members.Path(1), members.Pattern()});
  ASSERT_TRUE(stores) << stores.error().message;
  const auto trace = FindTrace(*stores, "0000000000000abc0");
  ASSERT_TRUE(trace) << trace.error().message;
  EXPECT_EQ(trace->spans, 4u);
  EXPECT_EQ(trace->operation, "GET /");
  const auto span = FindSpan(*stores, HexId(1'101));
  ASSERT_TRUE(span) << span.error().message;
  EXPECT_EQ(span->attributes, R"({"n":101})");
  EXPECT_EQ(ReadCandidates((*stores)[span->store], span->row)->size(), 2u);
  EXPECT_EQ(ReadSpan(*stores, 1'103)->service, "cart");
  TraceFilter filter;
  filter.service = "cart";
  filter.attributes = {{"n", "103"}};
  const auto found = SearchTraces(*stores, filter);
  ASSERT_TRUE(found) << found.error().message;
  ASSERT_EQ(found->size(), 1u);
  EXPECT_EQ(found->front().spans, 4u);
}

TEST(StoreSet, NamesWhatIsMissing) {
  MemberStores members(2);
  EXPECT_EQ(StoreSet::Open({members.Path(7)}).error().code, Code::kNotFound);
  const auto none = StoreSet::Open({members.Path(0), members.Path(0) + ".no*"});
  ASSERT_FALSE(none);
  EXPECT_NE(none.error().message.find(".no*: no such database"), std::string::npos);
}

// Members take a partition from each other at random moments: whoever has it next reads again from
// some offset not past what is durable, knows some verdicts' notes, and exports in whole or in
// part.
TEST(StoreSet, AnyHistoryOfTakeOversReadsAsTheUndisturbedOne) {
  constexpr uint64_t kTraces = 6, kSpans = 6;
  for (uint32_t seed = 1; seed <= 12; ++seed) {
    std::mt19937 random(seed);
    const auto below = [&](uint64_t n) { return random() % n; };
    MemberStores members(3);
    std::string expected;
    uint64_t batch = 0;
    for (uint64_t trace = 1; trace <= kTraces; ++trace) {
      uint64_t durable = 0;  // spans that some file has
      for (uint64_t generation = 1; durable < kSpans; ++generation) {
        const uint64_t from = below(durable + 1), to = from + 1 + below(kSpans - from);
        if (to < durable && below(2)) continue;
        ++batch;
        const uint32_t flags = generation == 1               ? 0
                               : from == durable && below(2) ? WEFT_FLAG_LATE
                                                             : WEFT_FLAG_RESUMED;
        members.Write(below(3), Spans(trace, 100 + from, 100 + to, flags), batch, batch);
        durable = std::max(durable, to);
        if (below(4) == 0) members.Restart(below(3));
      }
      expected += "000" + std::to_string(trace) + " 6: 100 101 102 103 104 105\n";
    }
    EXPECT_EQ(Content(members), expected) << "seed " << seed;
  }
}

}  // namespace
}  // namespace weft::sql
