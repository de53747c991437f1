#include "engine/cli/result_writer.h"

#include <string>
#include <vector>

#include <fmt/format.h>

#include "engine/base/json_text.h"
#include "engine/cli/terminal.h"
#include "engine/cli/text_table.h"

namespace weft::cli {
namespace {

std::vector<std::string> Names(const sql::Statement& statement) {
  std::vector<std::string> names;
  const int n = sqlite3_column_count(statement.get());
  for (int i = 0; i < n; ++i) names.emplace_back(sqlite3_column_name(statement.get(), i));
  return names;
}

// NULL is empty text; blobs are hex.
std::string Cell(const sql::Statement& statement, int column) {
  switch (sqlite3_column_type(statement.get(), column)) {
    case SQLITE_NULL: return "";
    case SQLITE_FLOAT: return fmt::format("{:.15g}", statement.Double(column));
    case SQLITE_BLOB: {
      std::string hex;
      for (const char c : statement.Text(column))
        hex += fmt::format("{:02x}", static_cast<unsigned char>(c));
      return hex;
    }
    default: return std::string(statement.Text(column));
  }
}

std::vector<std::string> Cells(const sql::Statement& statement) {
  std::vector<std::string> cells;
  const int n = sqlite3_column_count(statement.get());
  for (int i = 0; i < n; ++i) cells.push_back(Cell(statement, i));
  return cells;
}

class TableWriter final : public ResultWriter {
 public:
  explicit TableWriter(std::FILE* out) : out_(out) {}
  void Begin(const sql::Statement& statement) override {
    const std::vector<std::string> names = Names(statement);
    table_ = std::make_unique<TextTable>(names);
    table_->WrapLast();
    for (size_t i = 0; i < names.size(); ++i)  // what is asked for next
      if (names[i].ends_with("_id")) table_->Keep(i);
  }
  void Row(const sql::Statement& statement) override {
    if (!table_) {
      fmt::print(out_, "{}\n", Printable(fmt::format("{}", fmt::join(Cells(statement), "  "))));
      return;
    }
    table_->Add(Cells(statement));
    if (++rows_ == kMeasured) End();
  }
  void End() override {
    if (!table_) return;
    fmt::print(out_, "{}", table_->Render(Stdout()));
    table_.reset();
  }

 private:
  static constexpr int kMeasured = 1'000;
  std::FILE* out_;
  std::unique_ptr<TextTable> table_;
  int rows_ = 0;
};

class CsvWriter final : public ResultWriter {
 public:
  explicit CsvWriter(std::FILE* out) : out_(out) {}
  void Begin(const sql::Statement& statement) override { Line(Names(statement)); }
  void Row(const sql::Statement& statement) override { Line(Cells(statement)); }
  void End() override {}

 private:
  // RFC 4180, but lines end as everywhere here.
  void Line(const std::vector<std::string>& cells) {
    std::string line;
    for (size_t i = 0; i < cells.size(); ++i) {
      if (i != 0) line += ',';
      if (cells[i].find_first_of(",\"\r\n") == std::string::npos) {
        line += cells[i];
        continue;
      }
      line += '"';
      for (const char c : cells[i]) line.append(c == '"' ? 2 : 1, c);
      line += '"';
    }
    fmt::print(out_, "{}\n", line);
  }
  std::FILE* out_;
};

class MarkdownWriter final : public ResultWriter {
 public:
  explicit MarkdownWriter(std::FILE* out) : out_(out) {}
  void Begin(const sql::Statement& statement) override {
    const auto names = Names(statement);
    Line(names);
    Line(std::vector<std::string>(names.size(), "---"));
  }
  void Row(const sql::Statement& statement) override { Line(Cells(statement)); }
  void End() override {}

 private:
  void Line(const std::vector<std::string>& cells) {
    std::string line = "|";
    for (const std::string& cell : cells) {
      line += ' ';
      for (const char c : Printable(cell)) c == '|' ? line += "\\|" : line += c;
      line += " |";
    }
    fmt::print(out_, "{}\n", line);
  }
  std::FILE* out_;
};

class JsonRows final : public ResultWriter {
 public:
  explicit JsonRows(std::FILE* out) : out_(out) {}
  void Begin(const sql::Statement& statement) override {
    names_ = Names(statement);
    first_ = true;
    fmt::print(out_, "[");
  }
  void Row(const sql::Statement& statement) override {
    std::string line = first_ ? "\n  {" : ",\n  {";
    first_ = false;
    for (size_t i = 0; i < names_.size(); ++i) {
      const int column = static_cast<int>(i);
      if (i != 0) line += ", ";
      AppendJsonString(line, names_[i]);
      line += ": ";
      switch (sqlite3_column_type(statement.get(), column)) {
        case SQLITE_NULL: line += "null"; break;
        case SQLITE_INTEGER: AppendInt(line, statement.Int(column)); break;
        case SQLITE_FLOAT: AppendDouble(line, statement.Double(column)); break;
        default: AppendJsonString(line, Cell(statement, column));
      }
    }
    fmt::print(out_, "{}}}", line);
  }
  void End() override { fmt::print(out_, "{}]\n", first_ ? "" : "\n"); }

 private:
  std::FILE* out_;
  std::vector<std::string> names_;
  bool first_ = true;
};

}  // namespace

Result<std::unique_ptr<ResultWriter>> MakeResultWriter(std::string_view format, std::FILE* out) {
  if (format == "table") return std::make_unique<TableWriter>(out);
  if (format == "csv") return std::make_unique<CsvWriter>(out);
  if (format == "json") return std::make_unique<JsonRows>(out);
  if (format == "markdown") return std::make_unique<MarkdownWriter>(out);
  return Fail(Code::kInvalid,
              fmt::format("--format {}: expected table, csv, json or markdown", format));
}

}  // namespace weft::cli
