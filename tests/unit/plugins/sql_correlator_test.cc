// The correlator sql, through the loader and the C ABI.
#include <fstream>
#include <sstream>

#include <gmock/gmock.h>

#include "engine/base/config.h"
#include "tests/accuracy/decider.h"
#include "tests/unit/plugins/plugin_fixture.h"
#include "tests/unit/plugins/window_builder.h"

namespace weft {
namespace {

using ::testing::HasSubstr;

std::string Quoted(const std::string& text) {
  std::string out = "\"";
  for (const char c : text)
    if (c == '\n')
      out += "\\n";
    else if (c == '"')
      out += "\\\"";
    else
      out += c;
  return out + "\"";
}

class SqlCorrelatorTest : public PluginFixture {
 protected:
  const plugin::PluginInstance& Sql(const std::string& query, const std::string& more = "") {
    return Make(plugin::Kind::kCorrelator, "sql", "{\"query\":" + Quoted(query) + more + "}");
  }
  std::string Refusal(const std::string& query) {
    plugin::PluginLoader loader(WEFT_PLUGIN_FOLDER);
    auto loaded = loader.Load(plugin::Kind::kCorrelator, "sql");
    EXPECT_TRUE(loaded);
    const auto made = plugin::PluginInstance::Create(*loaded, "{\"query\":" + Quoted(query) + "}",
                                                     {*log_, metrics_, clock_});
    return made ? "" : made.error().message;
  }
  uint64_t Count(const std::string& name) { return metrics_.Get("plugin.sql." + name).Get(); }
  accuracy::ReplayResult Run(const WindowBuilder& made, const plugin::PluginInstance& instance) {
    auto result = accuracy::Replay(made.recording(), {&instance});
    EXPECT_TRUE(result) << result.error().message;
    return std::move(*result);
  }
};

// Two requests at once; the call is of the first one, on its thread.
struct TwoRequests : WindowBuilder {
  int32_t first = Request(0, 7), second = Request(10, 8);
  int32_t call = Call(first, 20, 30, 7);
  TwoRequests() {
    End(first, 100);
    End(second, 90);
  }
};

const char* const kByThread =
    "SELECT c.row, s.row, 4.0 FROM spans c JOIN spans s ON s.kind = 'server'"
    " AND s.request_tid = c.request_tid WHERE c.wants_parent";

TEST_F(SqlCorrelatorTest, LinksAsTheQuerySays) {
  const TwoRequests made;
  EXPECT_EQ(Run(made, Sql(kByThread)).parents[static_cast<size_t>(made.call)], made.first);
  EXPECT_EQ(Run(made, Sql("SELECT c.row, max(s.row), 4 FROM spans c, spans s"
                          " WHERE c.wants_parent AND s.kind = 'server' GROUP BY c.row"))
                .parents[static_cast<size_t>(made.call)],
            made.second);
}

TEST_F(SqlCorrelatorTest, ANullRequestSpeaksForNoCauseHere) {
  const TwoRequests made;
  const auto result = Run(made, Sql("SELECT row, NULL, 20 FROM spans WHERE wants_parent"));
  EXPECT_EQ(result.parents[static_cast<size_t>(made.call)], -1);
}

TEST_F(SqlCorrelatorTest, RowsThatNameNoCallOrNoRequestAreCounted) {
  const TwoRequests made;
  Run(made, Sql("SELECT 99, 0, 1 UNION ALL SELECT c.row, c.row, 1 FROM spans c WHERE c.wants_parent"
                " UNION ALL SELECT c.row, 0, NULL FROM spans c WHERE c.wants_parent"
                " UNION ALL SELECT 'x', 0, 1"));
  EXPECT_EQ(Count("senseless_rows"), 4u);
}

TEST_F(SqlCorrelatorTest, LeavesWindowsWithTooManySpansToOthers) {
  const TwoRequests made;
  const auto result =
      Run(made, Sql("SELECT row, NULL, 20 FROM spans WHERE wants_parent", ",\"max_rows\":2"));
  EXPECT_NE(result.parents[static_cast<size_t>(made.call)], -1);
  EXPECT_EQ(Count("windows_too_large"), 1u);
}

TEST_F(SqlCorrelatorTest, DoesNotBelieveAQueryThatReturnsTooMuch) {
  const TwoRequests made;
  const auto result = Run(made, Sql("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n"
                                    " WHERE i < 5000) SELECT c.row, NULL, 20 FROM spans c, n"
                                    " WHERE c.wants_parent",
                                    ",\"max_voices\":1000"));
  EXPECT_NE(result.parents[static_cast<size_t>(made.call)], -1);
  EXPECT_EQ(Count("windows_too_many_voices"), 1u);
}

// A clock that goes on by a millisecond whenever it is read.
class RunningClock final : public Clock {
 public:
  int64_t MonotonicNs() const override { return now_ns_ += kMillisecond; }
  int64_t UnixNs() const override { return 0; }

 private:
  mutable std::atomic<int64_t> now_ns_ = 0;
};

TEST_F(SqlCorrelatorTest, EndsAQueryThatTakesTooLong) {
  const TwoRequests made;
  const RunningClock running;
  plugin::PluginLoader loader(WEFT_PLUGIN_FOLDER);
  const auto quiet = NullLogger();
  auto endless = plugin::PluginInstance::Create(
      *loader.Load(plugin::Kind::kCorrelator, "sql"),
      "{\"query\":\"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT c.row,"
      " NULL, 20 FROM spans c, n WHERE c.wants_parent AND n.i < 0\",\"max_ms\":5}",
      {*quiet, metrics_, running});
  ASSERT_TRUE(endless) << endless.error().message;
  Run(made, *endless);
  EXPECT_EQ(Count("windows_too_long"), 1u);
}

TEST_F(SqlCorrelatorTest, RefusesWhatIsNoQueryOrDoesMoreThanRead) {
  EXPECT_THAT(Refusal("SELEC 1"), HasSubstr("syntax error"));
  EXPECT_THAT(Refusal("SELECT row FROM spans"), HasSubstr("log-odds"));
  EXPECT_THAT(Refusal("SELECT row, row, absent FROM spans"), HasSubstr("no such column"));
  EXPECT_THAT(Refusal("SELECT 1, 2, 3; SELECT 1, 2, 3"), HasSubstr("one statement"));
  EXPECT_THAT(Refusal(""), HasSubstr("no statement"));
  for (const char* harmful :
       {"DELETE FROM spans", "ATTACH '/tmp/x' AS x", "PRAGMA user_version", "CREATE TABLE x(y)",
        "INSERT INTO spans (row) VALUES (1) RETURNING row, row, row"})
    EXPECT_NE(Refusal(harmful), "") << harmful;
}

// The example that is shipped: the same thread, else the latest request that encloses the call.
TEST_F(SqlCorrelatorTest, TheExampleJoinsByMetadata) {
  const auto config = LoadConfigFile(WEFT_SOURCE_DIR "/configs/sql-correlator.yaml");
  ASSERT_TRUE(config) << config.error().message;
  ASSERT_EQ(config->correlators.size(), 2u);
  const auto& sql = Make(plugin::Kind::kCorrelator, "sql", config->correlators[1].config_json);
  const TwoRequests made;
  EXPECT_EQ(Run(made, sql).parents[static_cast<size_t>(made.call)], made.first);
  TwoRequests unknown;
  for (const int32_t row : {unknown.first, unknown.second, unknown.call}) unknown.Of(row).tid = 0;
  EXPECT_EQ(Run(unknown, sql).parents[static_cast<size_t>(unknown.call)], unknown.second);
  unknown.Of(unknown.call).end_ns = 95 * kMicrosecond;  // the second one had ended
  EXPECT_EQ(Run(unknown, sql).parents[static_cast<size_t>(unknown.call)], unknown.first);
}

}  // namespace
}  // namespace weft
