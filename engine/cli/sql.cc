#include <fmt/format.h>

#include "engine/base/units.h"
#include "engine/cli/commands.h"
#include "engine/cli/result_writer.h"
#include "engine/cli/store_option.h"
#include "sql/union_tables.h"

namespace weft::cli {
namespace {

// Virtual machine steps between two looks at the clock: well under a millisecond.
constexpr int kStepsPerLook = 10'000;

constexpr std::string_view kBrowse =
    "SELECT m.type, m.name, group_concat(c.name, ', ') AS columns FROM sqlite_master m,"
    " pragma_table_info(m.name) c WHERE m.type IN ('view', 'table') AND m.name NOT LIKE 'sqlite_%'"
    " GROUP BY m.name ORDER BY m.type DESC, m.name";

class Sql final : public Command {
 public:
  CommandInfo Info() const override {
    return {
        "sql", "Ask the database in SQL, read-only",
        "Without a query: the views and tables with their columns. Start with the views: traces, "
        "spans, attributes, links, red, service_graph, slow_traces, otel_traces. Several "
        "statements may be given, with ; between them. Any SQLite tool can open the file as "
        "well.",
        "weft sql \"select service, count(*), p95_ms from red group by 1\"\n"
        "weft sql \"select * from slow_traces limit 10\"\n"
        "weft sql --format csv \"select * from spans where trace_id = '...'\" > spans.csv\n"
        "weft sql                                      # what there is to ask"};
  }

  void Declare(Options& options) override {
    DeclareStore(options, &stores_);
    options.Positional("query", &query_, false, "SQL");
    options.Text("--format", &format_, "table, csv, json or markdown", "FORMAT");
    options.Flag("--json", &json_, "The same as --format json");
    options.Duration("--timeout", &timeout_ns_, "Give up after so long");
  }

  Result<int> Run(CommandContext& context) override {
    auto writer = MakeResultWriter(json_ ? "json" : format_, stdout);
    if (!writer) return std::unexpected(writer.error());
    const auto stores = OpenStore(stores_);
    if (!stores) return std::unexpected(stores.error());
    sql::Database joined;
    if (stores->size() > 1) {
      auto opened = sql::OpenUnion(*stores);
      if (!opened) return std::unexpected(opened.error());
      joined = std::move(*opened);
      Limit(joined);
    }
    clock_ = &context.clock;
    deadline_ns_ = clock_->MonotonicNs() + timeout_ns_;
    for (const sql::Database& db : *stores) Limit(db);
    const std::string_view text = query_.empty() ? kBrowse : std::string_view(query_);
    const auto done = RunAll(joined ? joined : (*stores)[0], text, **writer);
    std::fflush(stdout);
    if (done) return kExitOk;
    if (done.error().code == Code::kCancelled)
      return Fail(Code::kCancelled, fmt::format("not done after {}; --timeout gives it more time",
                                                FormatDuration(timeout_ns_)));
    return std::unexpected(done.error());
  }

 private:
  void Limit(const sql::Database& db) {
    sqlite3_progress_handler(db.get(), kStepsPerLook, &Sql::Expired, this);
  }
  static int Expired(void* self) noexcept {
    const Sql& command = *static_cast<Sql*>(self);
    return command.clock_->MonotonicNs() > command.deadline_ns_;
  }

  static Result<void> RunAll(const sql::Database& db, std::string_view text, ResultWriter& writer) {
    while (!text.empty()) {
      sqlite3_stmt* raw = nullptr;
      const char* tail = nullptr;
      const int rc =
          sqlite3_prepare_v2(db.get(), text.data(), static_cast<int>(text.size()), &raw, &tail);
      if (rc != SQLITE_OK) return Fail(sql::CodeOf(rc), sqlite3_errmsg(db.get()));
      text.remove_prefix(static_cast<size_t>(tail - text.data()));
      if (raw == nullptr) continue;  // blanks or a comment
      sql::Statement statement(raw);
      WEFT_TRY(RunOne(statement, writer));
    }
    return {};
  }

  static Result<void> RunOne(sql::Statement& statement, ResultWriter& writer) {
    const bool rows = sqlite3_column_count(statement.get()) > 0;
    if (rows) writer.Begin(statement);
    for (;;) {
      const Result<bool> row = statement.Step();
      if (!row) return std::unexpected(row.error());
      if (!*row) break;
      writer.Row(statement);
    }
    if (rows) writer.End();
    return {};
  }

  StoreNames stores_ = kDefaultStore;
  std::string query_, format_ = "table";
  bool json_ = false;
  int64_t timeout_ns_ = 60 * kSecond, deadline_ns_ = 0;
  const Clock* clock_ = nullptr;
};

}  // namespace

std::unique_ptr<Command> MakeSql() { return std::make_unique<Sql>(); }

}  // namespace weft::cli
