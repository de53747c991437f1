// The reading commands from the command line to what they print.
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
  EXPECT_EQ(write.code, kExitDenied);
  EXPECT_TRUE(Has(write.err, "readonly")) << write.err;
  const Output wrong = Weft({"sql", "--db", store.path(), "select absent"});
  EXPECT_EQ(wrong.code, kExitUsage);
  EXPECT_TRUE(Has(wrong.err, "no such column: absent"));
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
  EXPECT_TRUE(Has(Weft({"sql", "--db", both}).out, "service_graph"));
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
