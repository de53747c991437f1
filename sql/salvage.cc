#include "sql/salvage.h"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>

#include <unistd.h>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "sql/database.h"
#include "sql/part_file.h"
#include "sql/schema.h"

namespace weft::sql {
namespace {

constexpr int64_t kEnd = INT64_MAX;

// One table of both stores, by the columns that both have.
class TableCopy {
 public:
  TableCopy(const Database& from, const Database& to, SalvagedTable* out)
      : from_(from), to_(to), out_(*out) {}

  Result<void> Run() {
    WEFT_TRY(ReadShape());
    if (columns_.empty()) return {};  // an older store has no such table
    auto insert = to_.Prepare(fmt::format("INSERT OR REPLACE INTO {}({}) VALUES({})", out_.name,
                                          fmt::join(columns_, ","), Places()));
    if (!insert) return std::unexpected(insert.error());
    insert_ = std::move(*insert);
    if (!by_row_id_) return CopyUnordered();
    for (int64_t first = INT64_MIN; first != kEnd;) {
      auto next = CopyFrom(first);
      if (!next) return std::unexpected(next.error());
      first = *next;
    }
    return {};
  }

 private:
  std::string Places() const {
    std::string out = "?";
    for (size_t i = 1; i < columns_.size(); ++i) out += ",?";
    return out;
  }

  Result<void> ReadShape() {
    auto columns = to_.Prepare(fmt::format("SELECT name FROM pragma_table_info('{}')", out_.name));
    if (!columns) return std::unexpected(columns.error());
    while (true) {
      const auto row = columns->Step();
      if (!row) return std::unexpected(row.error());
      if (!*row) break;
      const std::string column(columns->Text(0));
      if (from_.Prepare(fmt::format("SELECT \"{}\" FROM {}", column, out_.name)))
        columns_.push_back(column);
    }
    by_row_id_ = from_.Prepare(fmt::format("SELECT rowid FROM {}", out_.name)).has_value();
    return {};
  }

  // The columns begin at `first`.
  Result<void> Store(Statement& row, int first) {
    for (int i = 0; i < static_cast<int>(columns_.size()); ++i)
      sqlite3_bind_value(insert_.get(), i + 1, sqlite3_column_value(row.get(), first + i));
    WEFT_TRY(insert_.Run());
    ++out_.rows;
    return {};
  }

  Result<void> CopyUnordered() {
    auto rows =
        from_.Prepare(fmt::format("SELECT {} FROM {}", fmt::join(columns_, ","), out_.name));
    if (!rows) return std::unexpected(rows.error());
    while (true) {
      const auto row = rows->Step();
      if (!row) {
        out_.lost.emplace_back(static_cast<int64_t>(out_.rows) + 1, kEnd);
        return {};
      }
      if (!*row) return {};
      WEFT_TRY(Store(*rows, 0));
    }
  }

  // Copies from the row id on, until a page cannot be read; then finds where reading goes
  // on. kEnd: nowhere.
  Result<int64_t> CopyFrom(int64_t first) {
    auto rows =
        from_.Prepare(fmt::format("SELECT rowid,{0} FROM {1} WHERE rowid >= ?1 ORDER BY rowid",
                                  fmt::join(columns_, ","), out_.name));
    if (!rows) return std::unexpected(rows.error());
    rows->Bind(1, first);
    int64_t after = first == INT64_MIN ? first : first - 1;
    while (true) {
      const auto row = rows->Step();
      if (!row) return PassOver(after);
      if (!*row) return kEnd;
      after = rows->Int(0);
      WEFT_TRY(Store(*rows, 1));
    }
  }

  // The first readable row behind `after`: by steps that double, then by halves,
  // because a page holds neighbours.
  int64_t PassOver(int64_t after) {
    const int64_t from = std::max<int64_t>(after, -1) + 1;
    int64_t unread = from;
    int64_t read = kEnd, high = kEnd;
    for (int64_t step = 1; step < (int64_t{1} << 61); step *= 2) {
      const int64_t tried = from + step;
      if (const int64_t found = FirstFrom(tried); found != kNothing) {
        read = found;  // kEnd: beyond the last row, which may be readable all the same
        high = tried;
        break;
      }
      unread = tried;
    }
    while (high != kEnd && high - unread > 1) {
      const int64_t middle = unread + (high - unread) / 2;
      const int64_t found = FirstFrom(middle);
      if (found == kNothing) {
        unread = middle;
      } else {
        read = std::min(read, found);
        high = middle;
      }
    }
    out_.lost.emplace_back(from, read == kEnd ? kEnd : read - 1);
    return read;
  }

  static constexpr int64_t kNothing = INT64_MIN;
  // kEnd: there is no row from there on; kNothing: it cannot be read.
  int64_t FirstFrom(int64_t row_id) {
    // Not the row id alone: an index would answer for a page that cannot be read.
    auto row =
        from_.Prepare(fmt::format("SELECT rowid,{} FROM {} WHERE rowid >= ?1 ORDER BY rowid"
                                  " LIMIT 1",
                                  fmt::join(columns_, ","), out_.name));
    if (!row) return kNothing;
    row->Bind(1, row_id);
    const auto found = row->Step();
    if (!found) return kNothing;
    return *found ? row->Int(0) : kEnd;
  }

  const Database& from_;
  const Database& to_;
  SalvagedTable& out_;
  std::vector<std::string> columns_;
  bool by_row_id_ = false;
  Statement insert_;
};

Result<uint64_t> Change(const Database& db, std::string_view sql) {
  WEFT_TRY(db.Execute(sql));
  return static_cast<uint64_t>(sqlite3_changes64(db.get()));
}

// What was lost may leave rows that point nowhere.
Result<void> MakeConsistent(const Database& db, Salvaged* out) {
  const auto orphans =
      Change(db,
             "DELETE FROM span_rows WHERE id >> 20 NOT IN (SELECT id FROM trace_rows)"
             " OR operation NOT IN (SELECT id FROM operations)");
  if (!orphans) return std::unexpected(orphans.error());
  out->orphans = *orphans;
  const auto shorter =
      Change(db,
             "UPDATE trace_rows SET spans = (SELECT count(*) FROM span_rows s WHERE s.id >= "
             "trace_rows.id << 20 AND s.id < (trace_rows.id + 1) << 20) WHERE spans <> (SELECT "
             "count(*) FROM span_rows s WHERE s.id >= trace_rows.id << 20 AND s.id < "
             "(trace_rows.id + 1) << 20)");
  if (!shorter) return std::unexpected(shorter.error());
  out->short_traces = *shorter;
  return db.Execute(
      "DELETE FROM trace_rows WHERE spans = 0;"
      "UPDATE span_rows SET connection = 0 WHERE connection <> 0 AND connection NOT IN (SELECT id "
      "FROM connection_rows);"
      "UPDATE span_rows SET attribute_set = 0 WHERE attribute_set <> 0 AND attribute_set NOT IN "
      "(SELECT id FROM attribute_sets)");
}

// A directory with holes would hide what is there: searches read the rows instead.
Result<void> DropDirectories(const Database& db) {
  return db.Execute(
      "DELETE FROM attribute_directory; DELETE FROM attribute_parts; DELETE FROM attribute_groups;"
      "DELETE FROM class_blocks;"
      "INSERT INTO attribute_groups SELECT 0, coalesce(max(id), 0) + 1, 0, 0, x''"
      " FROM trace_rows");
}

Result<Salvaged> Salvage(const Database& from, const std::string& path) {
  auto to = Database::OpenForWriting(path);
  if (!to) return std::unexpected(to.error());
  WEFT_TRY(
      to->Execute("PRAGMA page_size = 4096; PRAGMA auto_vacuum = INCREMENTAL;"
                  "PRAGMA synchronous = OFF"));
  WEFT_TRY(ApplySchema(*to));
  Salvaged out;
  auto tables = to->Prepare(
      "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'");
  if (!tables) return std::unexpected(tables.error());
  while (true) {
    const auto row = tables->Step();
    if (!row) return std::unexpected(row.error());
    if (!*row) break;
    out.tables.push_back({std::string(tables->Text(0)), 0, {}});
  }
  WEFT_TRY(to->Execute("BEGIN"));
  for (SalvagedTable& table : out.tables) WEFT_TRY(TableCopy(from, *to, &table).Run());
  WEFT_TRY(MakeConsistent(*to, &out));
  if (!out.whole()) WEFT_TRY(DropDirectories(*to));
  WEFT_TRY(to->Execute("COMMIT"));
  out.traces = static_cast<uint64_t>(to->QueryInt("SELECT count(*) FROM trace_rows").value_or(0));
  out.spans = static_cast<uint64_t>(to->QueryInt("SELECT count(*) FROM span_rows").value_or(0));
  return out;
}

}  // namespace

bool Salvaged::whole() const {
  return orphans == 0 && short_traces == 0 &&
         std::ranges::all_of(tables, [](const SalvagedTable& t) { return t.lost.empty(); });
}

Result<Salvaged> SalvageStore(const std::string& from, const std::string& to) {
  auto part = PartFile::Create(to);
  if (!part) return std::unexpected(part.error());
  auto source = Database::OpenForReading(from);
  if (!source && source.error().code == Code::kCorrupt) {
    const std::string& why = source.error().message;
    return Fail(Code::kCorrupt,
                fmt::format("{}; not even the list of its tables can be read, so nothing can be "
                            "rescued: mv {} {}.bad",
                            why.substr(0, why.find(';')), from, from));
  }
  if (!source) return std::unexpected(source.error());
  auto out = Salvage(*source, part->path());
  if (out) WEFT_TRY(part->Publish());
  return out;
}

}  // namespace weft::sql
