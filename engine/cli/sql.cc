#include <charconv>
#include <cstdio>
#include <map>

#include <fmt/format.h>

#include "engine/base/units.h"
#include "engine/cli/commands.h"
#include "engine/cli/result_writer.h"
#include "engine/cli/store_option.h"
#include "engine/cli/terminal.h"
#include "sql/embedded_sql.h"
#include "sql/functions.h"
#include "sql/serve/view_docs.h"
#include "sql/union_tables.h"

namespace weft::cli {
namespace {

// Virtual machine steps between two looks at the clock: well under a millisecond.
constexpr int kStepsPerLook = 10'000;

// What stands for a query that begins with a dot.
constexpr std::string_view kColumns =
    "(SELECT group_concat(name, ', ') FROM pragma_table_info(m.name)) AS columns";
constexpr std::string_view kOfKind =
    "SELECT m.name, {} FROM sqlite_master m WHERE {} AND m.name NOT LIKE 'sqlite_%'"
    " AND m.name NOT LIKE '%\\_of\\_stores' ESCAPE '\\' ORDER BY m.name";
// Over several stores the views about single rows are virtual tables.
constexpr std::string_view kIsView = "(m.type = 'view' OR m.sql LIKE 'CREATE VIRTUAL%')";
constexpr std::string_view kIsTable = "m.type = 'table' AND m.sql NOT LIKE 'CREATE VIRTUAL%'";
constexpr std::string_view kFunctions =
    "SELECT column1 AS function, column2 AS gives FROM (VALUES"
    "('attribute(attributes, key)', 'the value of a key; dots need no quotes'),"
    "('duration(text)', 'nanoseconds of 50ms, 5m, ...'),"
    "('duration_text(ns)', 'a duration as people write it'),"
    "('percentile(value, percent)', 'aggregate: nearest rank'),"
    "('span_id(text)', 'the integer that span_rows.span_id has'),"
    "('span_id_text(integer)', 'and back'),"
    "('time_text(ns)', 'UTC with milliseconds'),"
    "('trace_id_text(blob)', 'as in the views'))";

// An expression: what the view m.name answers.
std::string Questions() {
  std::vector<serve::ViewDoc> docs;
  for (const sql::SqlFile& file : sql::ViewFiles()) serve::AppendViewDocs(file.text, docs);
  std::string out = "CASE m.name";
  for (const serve::ViewDoc& doc : docs) {
    out += fmt::format(" WHEN '{}' THEN '", doc.name);
    for (const char c : doc.question) out.append(c == '\'' ? 2 : 1, c);
    out += "'";
  }
  return out + " END";
}

// The SQL for ".views" and the like; kInvalid names those that there are.
Result<std::string> Expand(std::string_view text) {
  if (text == ".views")
    return fmt::format(
        kOfKind, fmt::format("coalesce({}, '') AS question, {}", Questions(), kColumns), kIsView);
  if (text == ".tables") return fmt::format(kOfKind, kColumns, kIsTable);
  if (text == ".functions") return std::string(kFunctions);
  static constexpr std::string_view kSchema = ".schema ";
  if (text.starts_with(kSchema)) {
    std::string name;
    for (const char c : text.substr(kSchema.size())) name.append(c == '\'' ? 2 : 1, c);
    return fmt::format("SELECT sql FROM sqlite_master WHERE name = '{}'", name);
  }
  return Fail(Code::kInvalid,
              fmt::format("{}: expected .views, .tables, .functions or .schema NAME", text));
}

// Lines of EXPLAIN QUERY PLAN as a tree.
Result<void> PrintPlan(sql::Statement& plan) {
  std::map<int64_t, int> depth;
  for (;;) {
    const Result<bool> row = plan.Step();
    if (!row) return std::unexpected(row.error());
    if (!*row) return {};
    const auto above = depth.find(plan.Int(1));
    const int here = above == depth.end() ? 0 : above->second + 1;
    depth[plan.Int(0)] = here;
    fmt::print("{:{}}{}\n", "", 2 * here, Printable(plan.Text(3)));
  }
}

class Sql final : public Command {
 public:
  CommandInfo Info() const override {
    return {
        "sql", "Ask the database in SQL, read-only",
        "Without a query, or with .views: what there is to ask; .tables has what is behind it, "
        ".schema NAME how it is made, .functions what weft adds to SQL. docs/sql.md has a question "
        "for each view. Several statements may be given, with ; between them; - reads them from "
        "standard input. --param fills :name, @name, $name or ?1 in. Any SQLite tool can open the "
        "file as well.",
        "weft sql                                      # what there is to ask\n"
        "weft sql \"select service, operation, count, p95_ms from red_hour order by p95_ms desc\"\n"
        "weft sql \"select * from critical_path where trace_id = :id\" --param id=4bf92f...\n"
        "weft sql --format csv \"select * from spans where service = 'cart'\" > spans.csv\n"
        "weft sql --explain \"select * from spans where service = 'cart'\"  # are indexes used?"};
  }

  void Declare(Options& options) override {
    DeclareStore(options, &stores_);
    options.Positional("query", &query_, false, "SQL");
    options.Text("--format", &format_, "table, csv, json or markdown", "FORMAT");
    options.Flag("--json", &json_, "The same as --format json");
    options.Duration("--timeout", &timeout_ns_, "Give up after so long");
    options.List("-p,--param", &parameters_, "Values for :NAME in the query", "NAME=VALUE");
    options.Flag("--explain", &explain_, "Show how SQLite would search, and do not");
    options.Flag("--write", &write_, "Let the query change the database; only one, and with care");
  }

  Result<int> Run(CommandContext& context) override {
    auto writer = MakeResultWriter(json_ ? "json" : format_, stdout);
    if (!writer) return std::unexpected(writer.error());
    WEFT_TRY(ReadQuery());
    const auto stores = OpenStore(stores_, context);
    if (!stores) return std::unexpected(stores.error());
    Result<sql::Database> own = Own(*stores);
    if (!own) return std::unexpected(own.error());
    const sql::Database& db = *own ? *own : (*stores)[0];
    // What it sorts may be larger than memory.
    if (!*own) WEFT_TRY(db.Execute("PRAGMA temp_store = FILE"));
    clock_ = &context.clock;
    deadline_ns_ = clock_->MonotonicNs() + timeout_ns_;
    for (const sql::Database& store : *stores) Limit(store);
    if (*own) Limit(*own);
    if (const int rc = sql::RegisterFunctions(db.get()); rc != SQLITE_OK)
      return Fail(sql::CodeOf(rc), sqlite3_errmsg(db.get()));
    const auto done = RunAll(db, query_, **writer);
    std::fflush(stdout);
    if (done) return kExitOk;
    if (done.error().code == Code::kCancelled)
      return Fail(Code::kCancelled, fmt::format("not done after {}; --timeout gives it more time",
                                                FormatDuration(timeout_ns_)));
    if (done.error().code == Code::kDenied && !write_)
      return Fail(Code::kInvalid, done.error().message + "; --write allows it");
    return std::unexpected(done.error());
  }

 private:
  Result<void> ReadQuery() {
    if (query_ == "-") {
      query_.clear();
      char part[4096];
      while (const size_t n = std::fread(part, 1, sizeof part, stdin)) query_.append(part, n);
    }
    if (query_.empty()) query_ = ".views";
    if (query_[0] != '.') return {};
    Result<std::string> text = Expand(query_);
    if (!text) return std::unexpected(text.error());
    query_ = std::move(*text);
    return {};
  }

  // A connection beside the stores': for writing, or over several of them; none is needed for one.
  Result<sql::Database> Own(const sql::StoreSet& stores) const {
    if (stores.size() > 1) {
      if (write_) return Fail(Code::kInvalid, "--write: name one database with --db");
      return sql::OpenUnion(stores);
    }
    return write_ ? sql::Database::OpenForWriting(stores[0].path()) : Result<sql::Database>{};
  }

  void Limit(const sql::Database& db) {
    sqlite3_progress_handler(db.get(), kStepsPerLook, &Sql::Expired, this);
  }
  static int Expired(void* self) noexcept {
    const Sql& command = *static_cast<Sql*>(self);
    return command.clock_->MonotonicNs() > command.deadline_ns_;
  }

  Result<void> RunAll(const sql::Database& db, std::string_view text, ResultWriter& writer) {
    while (!text.empty()) {
      sqlite3_stmt* raw = nullptr;
      const char* tail = nullptr;
      const int rc =
          sqlite3_prepare_v2(db.get(), text.data(), static_cast<int>(text.size()), &raw, &tail);
      if (rc != SQLITE_OK) return Fail(sql::CodeOf(rc), sqlite3_errmsg(db.get()));
      const std::string_view one = text.substr(0, static_cast<size_t>(tail - text.data()));
      text.remove_prefix(one.size());
      if (raw == nullptr) continue;  // blanks or a comment
      sql::Statement statement(raw);
      if (explain_) {
        Result<sql::Statement> plan = db.Prepare(fmt::format("EXPLAIN QUERY PLAN {}", one));
        if (!plan) return std::unexpected(plan.error());
        WEFT_TRY(PrintPlan(*plan));
        continue;
      }
      WEFT_TRY(BindAll(statement));
      WEFT_TRY(RunOne(statement, writer));
    }
    return {};
  }

  // The value that --param has for a name without its sign, as the command line gave it.
  const std::string* Find(std::string_view name) {
    // A comma inside a value divided it.
    for (size_t i = 1; i < parameters_.size();) {
      if (parameters_[i].find('=') != std::string::npos) {
        ++i;
        continue;
      }
      parameters_[i - 1] += "," + parameters_[i];
      parameters_.erase(parameters_.begin() + static_cast<std::ptrdiff_t>(i));
    }
    for (const std::string& parameter : parameters_)
      if (parameter.size() > name.size() && parameter.starts_with(name) &&
          parameter[name.size()] == '=')
        return &parameter;
    return nullptr;
  }

  Result<void> BindAll(sql::Statement& statement) {
    for (int i = 1; i <= sqlite3_bind_parameter_count(statement.get()); ++i) {
      const char* const given = sqlite3_bind_parameter_name(statement.get(), i);
      const std::string name = given ? given + 1 : std::to_string(i);
      const std::string* const parameter = Find(name);
      if (!parameter)
        return Fail(Code::kInvalid, fmt::format("the query has a parameter {}; --param {}=VALUE",
                                                given ? given : "?", name));
      const auto value = std::string_view(*parameter).substr(name.size() + 1);
      const char* const end = value.data() + value.size();
      int64_t whole = 0;
      double number = 0;
      if (const auto read = std::from_chars(value.data(), end, whole);
          read.ec == std::errc{} && read.ptr == end)
        statement.Bind(i, whole);
      else if (const auto real = std::from_chars(value.data(), end, number);
               real.ec == std::errc{} && real.ptr == end)
        statement.Bind(i, number);
      else
        statement.Bind(i, value);
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
  std::vector<std::string> parameters_;
  bool json_ = false, explain_ = false, write_ = false;
  int64_t timeout_ns_ = 60 * kSecond, deadline_ns_ = 0;
  const Clock* clock_ = nullptr;
};

}  // namespace

std::unique_ptr<Command> MakeSql() { return std::make_unique<Sql>(); }

}  // namespace weft::cli
