// The reading commands from the command line to what they print.
#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "engine/cli/command.h"
#include "engine/cli/commands.h"
#include "tests/support/shop_store.h"

namespace weft::cli {
namespace {

struct Output {
  int code = 0;
  std::string out, err;
};

Output Weft(std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), "weft");
  std::vector<char*> argv;
  for (std::string& argument : arguments) argv.push_back(argument.data());
  testing::internal::CaptureStdout();
  testing::internal::CaptureStderr();
  Output result;
  result.code = Dispatch(static_cast<int>(argv.size()), argv.data(), AllCommands());
  result.out = testing::internal::GetCapturedStdout();
  result.err = testing::internal::GetCapturedStderr();
  return result;
}

bool Has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

TEST(ReadCommands, TraceFindsTheTraceOfASpan) {
  const test::ShopStore store;
  const Output found = Weft({"trace", "--db", store.path(), "0000000000000013"});
  EXPECT_EQ(found.code, kExitOk) << found.err;
  EXPECT_TRUE(Has(found.out, "trace 0abc0000000000000000000000000001")) << found.out;
  EXPECT_TRUE(Has(Weft({"trace", "--db", store.path(), "77"}).err, "no trace begins with 77"));
}

TEST(ReadCommands, TracesFindsAndSaysWhenNothingFits) {
  const test::ShopStore store;
  const Output found = Weft({"traces", "--db", store.path(), "--service", "pay", "--errors"});
  EXPECT_EQ(found.code, kExitOk) << found.err;
  EXPECT_TRUE(Has(found.out, "0abc000000000000")) << found.out;
  EXPECT_TRUE(Has(found.out, "POST /order"));
  EXPECT_FALSE(Has(found.out, "GET /cart/{id}"));
  const Output none = Weft({"traces", "--db", store.path(), "--last", "5m"});
  EXPECT_EQ(none.code, kExitNotFound);
  EXPECT_TRUE(Has(none.err, "the newest trace began")) << none.err;
  EXPECT_EQ(none.out, "");
  EXPECT_EQ(Weft({"traces", "--db", store.path(), "--attr", "novalue"}).code, kExitUsage);
}

TEST(ReadCommands, TraceTakesAUniquePrefix) {
  const test::ShopStore store;
  const Output shown =
      Weft({"trace", "--db", store.path(), "0abc0000000000000000000000000002", "--ids"});
  EXPECT_EQ(shown.code, kExitOk) << shown.err;
  EXPECT_TRUE(Has(shown.out, "0000000000000025")) << shown.out;
  const Output several = Weft({"trace", "--db", store.path(), "0abc"});
  EXPECT_EQ(several.code, kExitUsage);
  EXPECT_TRUE(Has(several.err, "several traces begin with 0abc")) << several.err;
}

TEST(ReadCommands, AStoreThatCannotBeReadIsNamedAndTheExitCodeSaysSo) {
  const test::ShopStore store;
  const std::string newer = store.CopyOfVersion(999);
  const Output found = Weft({"traces", "--db", store.path() + "*"});
  EXPECT_EQ(found.code, kExitFailure);
  EXPECT_TRUE(Has(found.out, "POST /order")) << found.out;
  EXPECT_TRUE(Has(found.err, "not read, and missing in the answer: " + newer)) << found.err;
  std::filesystem::remove(newer);
  EXPECT_EQ(Weft({"traces", "--db", store.path() + "*"}).code, kExitOk);
}

TEST(ReadCommands, ExplainNamesTheEvidenceAndWhatWasRefused) {
  const test::ShopStore store;
  const Output why = Weft({"explain", "--db", store.path(), "0000000000000024"});
  EXPECT_EQ(why.code, kExitOk) << why.err;
  EXPECT_TRUE(Has(why.out, "call 'GET' of front")) << why.out;
  EXPECT_TRUE(Has(why.out, "request served 'POST /order' of front"));
  EXPECT_TRUE(Has(why.out, "confidence 62.0 %"));
  EXPECT_TRUE(Has(why.out, "delay: "));
  EXPECT_TRUE(Has(why.out, "chosen"));
  EXPECT_TRUE(Has(why.out, "refused"));
  EXPECT_TRUE(Has(why.out, "62.2 %"));  // the softmax of 1.5 and 1.0
  const Output root = Weft({"explain", "--db", store.path(), "0000000000000011"});
  EXPECT_TRUE(Has(root.out, "It has no parent")) << root.out;
  EXPECT_EQ(Weft({"explain", "--db", store.path(), "77"}).code, kExitNotFound);
}

TEST(ReadCommands, SqlIsReadOnlyAndTakesSeveralStatements) {
  const test::ShopStore store;
  const Output two =
      Weft({"sql", "--db", store.path(), "--format", "csv", "select 1 as a; select 2 as b;"});
  EXPECT_EQ(two.out, "a\n1\nb\n2\n");
  const Output write = Weft({"sql", "--db", store.path(), "drop table span_rows"});
  EXPECT_EQ(write.code, kExitUsage) << "no right is missing, but --write";
  EXPECT_TRUE(Has(write.err, "readonly") && Has(write.err, "--write allows it")) << write.err;
  const Output wrong = Weft({"sql", "--db", store.path(), "select absent"});
  EXPECT_EQ(wrong.code, kExitUsage);
  EXPECT_TRUE(Has(wrong.err, "no such column: absent"));
}

TEST(ReadCommands, AServiceThatNobodyHasIsNamedWithWhatMayHaveBeenMeant) {
  const test::ShopStore store;
  const Output traces = Weft({"traces", "--db", store.path(), "--service", "fromt"});
  EXPECT_EQ(traces.code, kExitNotFound);
  EXPECT_TRUE(Has(traces.err, "there is no service \"fromt\"; did you mean \"front\"?"))
      << traces.err;
  const Output exported = Weft({"export", "--db", store.path(), "--operation", "POST /ordr"});
  EXPECT_TRUE(Has(exported.err, "did you mean \"POST /order\"?")) << exported.err;
  const Output there =
      Weft({"traces", "--db", store.path(), "-s", "front", "--min-duration", "9h"});
  EXPECT_TRUE(Has(there.err, "the newest trace began")) << there.err;
}

TEST(ReadCommands, SqlGivesUpWhenItsTimeIsOver) {
  const test::ShopStore store;
  const Output slow = Weft({"sql", "--db", store.path(), "--timeout", "20ms",
                            "with n(i) as (select 1 union all select i + 1 from n) "
                            "select count(*) from n"});
  EXPECT_EQ(slow.code, kExitFailure);
  EXPECT_TRUE(Has(slow.err, "not done after 20ms")) << slow.err;
}

TEST(ReadCommands, SqlWithoutAQueryShowsWhatThereIsToAsk) {
  const test::ShopStore store;
  const Output schema = Weft({"sql", "--db", store.path()});
  EXPECT_TRUE(Has(schema.out, "service_graph"));
  EXPECT_TRUE(Has(schema.out, "ParentSpanId"));
}

TEST(ReadCommands, SqlHasShortcutsParametersFunctionsAndPlans) {
  const test::ShopStore store;
  EXPECT_TRUE(Has(Weft({"sql", "--db", store.path(), ".views"}).out, "critical_path"));
  EXPECT_TRUE(Has(Weft({"sql", "--db", store.path(), ".tables"}).out, "span_rows"));
  EXPECT_TRUE(Has(Weft({"sql", "--db", store.path(), ".functions"}).out, "percentile"));
  EXPECT_TRUE(Has(Weft({"sql", "--db", store.path(), ".schema red"}).out, "CREATE VIEW red"));
  EXPECT_EQ(Weft({"sql", "--db", store.path(), ".nothing"}).code, kExitUsage);
  EXPECT_EQ(Weft({"sql", "--db", store.path(), "--format", "csv", "select :a + ?2 as n, $t as t",
                  "-p", "a=3,2=4", "-p", "t=x,y"})
                .out,
            "n,t\n7,\"x,y\"\n");
  const Output missing = Weft({"sql", "--db", store.path(), "select :a"});
  EXPECT_EQ(missing.code, kExitUsage);
  EXPECT_TRUE(Has(missing.err, "--param a=VALUE")) << missing.err;
  EXPECT_EQ(Weft({"sql", "--db", store.path(), "--format", "csv",
                  "select percentile(duration_ms, 50) as p, max(attribute(attributes, "
                  "'http.response.status_code')) as c from spans"})
                .out,
            "p,c\n35,503\n");
  const Output plan =
      Weft({"sql", "--db", store.path(), "--explain", "select * from traces where trace_id = 'x'"});
  EXPECT_TRUE(Has(plan.out, "SEARCH t USING INDEX trace_by_id")) << plan.out;
}

TEST(ReadCommands, SqlWritesOnlyWhenAsked) {
  const test::ShopStore store;
  const Output denied = Weft({"sql", "--db", store.path(), "create table notes(text)"});
  EXPECT_EQ(denied.code, kExitUsage);
  EXPECT_TRUE(Has(denied.err, "--write")) << denied.err;
  EXPECT_EQ(Weft({"sql", "--db", store.path(), "--write", "create table notes(text)"}).code,
            kExitOk);
  EXPECT_TRUE(Has(Weft({"sql", "--db", store.path(), ".tables"}).out, "notes"));
}

TEST(ReadCommands, ExportWritesValidJsonOfWhatTheFilterSelects) {
  const test::ShopStore store;
  for (const char* format : {"otlp", "jaeger", "zipkin"}) {
    const Output all = Weft({"export", "--db", store.path(), "--format", format, "--errors"});
    EXPECT_EQ(all.code, kExitOk) << all.err;
    auto valid = store.db.Prepare("SELECT json_valid(?1)");
    ASSERT_TRUE(valid);
    valid->Bind(1, std::string_view(all.out));
    ASSERT_TRUE(*valid->Step());
    EXPECT_EQ(valid->Int(0), 1) << all.out;
    EXPECT_TRUE(Has(all.out, "0abc0000000000000000000000000002")) << format;
    EXPECT_FALSE(Has(all.out, "0abc0000000000000000000000000001")) << format;
    EXPECT_TRUE(Has(all.out, "0000000000000025")) << format;
    EXPECT_TRUE(Has(all.out, "http.response.status_code")) << format;
  }
  const Output two = Weft({"export", "--db", store.path()});
  EXPECT_EQ(std::count(two.out.begin(), two.out.end(), '\n'), 2) << "a line per trace";
  EXPECT_TRUE(Has(Weft({"export", "--db", store.path(), "0abc0000000000000000000000000001"}).out,
                  "\"intValue\":\"200\""));
  EXPECT_EQ(Weft({"export", "--db", store.path(), "--format", "xml"}).code, kExitUsage);
  EXPECT_EQ(Weft({"export", "--db", store.path(), "--service", "absent"}).code, kExitNotFound);
}

TEST(ReadCommands, CompareNamesWhatBecameSlower) {
  const auto shop = [](int64_t cart_ms) {
    test::TraceBatch batch;
    for (uint64_t n = 1; n <= 20; ++n) {
      const int64_t start = test::kShopNoon + static_cast<int64_t>(n) * kSecond;
      batch.BeginTrace(1, n);
      batch.AddSpan(n << 8, 0, WEFT_KIND_SERVER, "front", "GET /", start,
                    start + (cart_ms + 10) * kMillisecond);
      batch.AddSpan(n << 8 | 1, n << 8, WEFT_KIND_CLIENT, "front", "GET", start + kMillisecond,
                    start + (cart_ms + 3) * kMillisecond);
      batch.AddSpan(n << 8 | 2, n << 8 | 1, WEFT_KIND_SERVER, "cart", "GET /cart",
                    start + 2 * kMillisecond, start + (cart_ms + 2) * kMillisecond);
    }
    return batch;
  };
  const test::ShopStore before(shop(20)), after(shop(50));
  const Output changed = Weft({"compare", before.path(), after.path()});
  EXPECT_EQ(changed.code, kExitOk) << changed.err;
  EXPECT_TRUE(Has(changed.out, "+30ms      cart  GET /cart")) << changed.out;
  EXPECT_TRUE(Has(changed.out, "20ms > 50ms")) << changed.out;
  EXPECT_TRUE(
      Has(Weft({"compare", before.path(), after.path(), "--json"}).out, "\"change_ns\": 30000000"));
  EXPECT_EQ(Weft({"compare", "--db", before.path(), "-2h..-1h", "-1h.."}).code, kExitNotFound);
  EXPECT_EQ(Weft({"compare", "--db", before.path(), "-2x..-1h", "-1h.."}).code, kExitUsage);
  EXPECT_EQ(Weft({"compare", "--db", before.path(), "2023-11-14..2023-11-15", "2023-11-14.."}).code,
            kExitOk);
}

TEST(ReadCommands, TracesShowsHowDurationsAreSpread) {
  const test::ShopStore store;
  const Output spread = Weft({"traces", "--db", store.path(), "--histogram"});
  EXPECT_TRUE(Has(spread.out, "50.3ms") || Has(spread.out, "33.6ms")) << spread.out;
  EXPECT_EQ(Weft({"traces", "--db", store.path(), "--follow", "--json"}).code, kExitUsage);
}

// As a process that was killed after it had put the log aside, before the new store was in place.
TEST(ReadCommands, ARecoverThatWasKilledHasLostNothingAndSaysHowToGoOn) {
  const test::ShopStore store;
  const std::string db = store.path(), bad = db + ".bad";
  std::filesystem::create_hard_link(db, bad);
  const bool logged = std::filesystem::exists(db + "-wal");
  if (logged) std::filesystem::rename(db + "-wal", bad + "-wal");
  std::ofstream(db + ".rescued") << "half";
  const Output again = Weft({"recover", "--replace", db});
  EXPECT_EQ(again.code, kExitUsage) << again.err;
  const size_t begin = again.err.find("nothing is lost: ") + 17, end = again.err.find(", then run");
  ASSERT_NE(end, std::string::npos) << again.err;
  ASSERT_EQ(std::system(again.err.substr(begin, end - begin).c_str()), 0) << again.err;
  EXPECT_FALSE(std::filesystem::exists(bad));
  EXPECT_EQ(std::filesystem::exists(db + "-wal"), logged);
  const Output done = Weft({"recover", "--replace", db});
  EXPECT_EQ(done.code, kExitOk) << done.err;
  EXPECT_TRUE(std::filesystem::exists(bad));
  EXPECT_FALSE(std::filesystem::exists(db + ".rescued"));
  EXPECT_EQ(Weft({"traces", "--db", db}).code, kExitOk);
}

TEST(ReadCommands, RecoverPutsTheLogAsideAndWritesOverNoneThatIsThere) {
  const test::ShopStore store;
  const std::string copy = store.path() + "-copy";
  ASSERT_TRUE(store.db.Execute("VACUUM INTO '" + copy + "'"));
  std::ofstream(copy + "-wal") << "a log";
  std::ofstream(copy + ".bad-wal") << "an older log";
  const Output refused = Weft({"recover", "--replace", copy});
  EXPECT_EQ(refused.code, kExitUsage);
  EXPECT_TRUE(Has(refused.err, ".bad-wal is there already: move it away")) << refused.err;
  std::filesystem::remove(copy + ".bad-wal");
  EXPECT_EQ(Weft({"recover", "--replace", copy}).code, kExitOk);
  EXPECT_FALSE(std::filesystem::exists(copy + "-wal"));
  EXPECT_TRUE(std::filesystem::exists(copy + ".bad-wal"));
}

TEST(ReadCommands, GraphIsATableForTheTerminalAsWell) {
  const test::ShopStore store;
  const Output text = Weft({"graph", "--db", store.path(), "--text"});
  EXPECT_EQ(text.code, kExitOk) << text.err;
  EXPECT_TRUE(Has(text.out, "(outside)  front")) << text.out;
  EXPECT_TRUE(Has(text.out, "not traced")) << text.out;
}

TEST(ReadCommands, CompletionAndManualPagesKnowEveryCommandAndOption) {
  for (const char* shell : {"bash", "zsh", "fish"}) {
    const std::string script = Weft({"completion", shell}).out;
    for (const auto& command : AllCommands())
      EXPECT_TRUE(Has(script, std::string(command->Info().name))) << shell;
    EXPECT_TRUE(Has(script, "min-duration")) << shell;
  }
  EXPECT_EQ(Weft({"completion", "tcsh"}).code, kExitUsage);
  EXPECT_TRUE(Has(Weft({"man"}).out, "weft\\-compare"));
  const std::string page = Weft({"man", "traces"}).out;
  EXPECT_TRUE(Has(page, "\\-\\-min\\-duration")) << page;
  EXPECT_EQ(Weft({"man", "trcae"}).code, kExitNotFound);
}

TEST(ReadCommands, EvalScoresAgainstTheTruth) {
  const test::ShopStore store;
  const Output json = Weft({"eval", store.path(), "--json"});
  EXPECT_EQ(json.code, kExitOk) << json.err;
  for (const char* part : {"\"trace_exact\": 1", "\"span_accuracy\": 1", "\"services\"",
                           "\"cross_process_accuracy\": 1", "\"spans\": 8", "\"traces\": 2"})
    EXPECT_TRUE(Has(json.out, part)) << part << " in " << json.out;
  const Output one = Weft({"eval", "--db", store.path(), "--roots", "r2-r2", "--json"});
  EXPECT_TRUE(Has(one.out, "\"spans\": 5")) << one.out;
  EXPECT_EQ(Weft({"eval", "--db", store.path(), "--roots", "2"}).code, kExitUsage);
}

TEST(ReadCommands, SeveralDatabasesAreReadAsOne) {
  const test::ShopStore shop;
  test::TraceBatch other;
  other.BeginTrace(0xdef, 1);
  other.AddSpan(0x77, 0, WEFT_KIND_SERVER, "front", "GET /other", 5, 9);
  const test::ShopStore more(other);
  const std::string both = shop.path() + "," + more.path();
  EXPECT_EQ(Weft({"sql", "--db", both, "--format", "csv", "select count(*) as n from traces"}).out,
            "n\n3\n");
  const Output views = Weft({"sql", "--db", both});
  EXPECT_TRUE(Has(views.out, "service_graph")) << views.out << views.err;
  const Output traces = Weft({"traces", "--db", shop.path(), "--db", more.path(), "--limit", "2"});
  EXPECT_TRUE(Has(traces.out, "POST /order") && !Has(traces.out, "GET /other")) << traces.out;
  EXPECT_TRUE(Has(Weft({"trace", "--db", both, "0000000000000def"}).out, "GET /other"));
  EXPECT_TRUE(Has(Weft({"explain", "--db", both, "0000000000000024"}).out, "POST /order"));
  EXPECT_TRUE(Has(Weft({"graph", "--db", both}).out, "3 requests"));
  EXPECT_TRUE(Has(Weft({"eval", "--db", both, "--json"}).out, "\"spans\": 8"));
  const Output slow = Weft({"sql", "--db", both, "--timeout", "20ms",
                            "with n(i) as (select 1 union all select i + 1 from n) "
                            "select count(*) from n"});
  EXPECT_TRUE(Has(slow.err, "not done after 20ms")) << slow.err;
}

TEST(ReadCommands, AMissingDatabaseIsNamed) {
  for (const char* command : {"traces", "graph", "sql", "eval"}) {
    const Output output = Weft({command, "--db", "/nonexistent/weft.db"});
    EXPECT_EQ(output.code, kExitNotFound) << command;
    EXPECT_TRUE(Has(output.err, "/nonexistent/weft.db")) << output.err;
  }
}

}  // namespace
}  // namespace weft::cli
