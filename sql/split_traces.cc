#include "sql/split_traces.h"

#include <map>

#include "sql/embedded_sql.h"
#include "sql/schema.h"
#include "sql/split_gather.h"
#include "sql/trace_reader.h"

namespace weft::sql {

Result<std::vector<SplitTrace>> FindSplitTraces(std::span<const Database> stores) {
  std::map<std::string, std::vector<SplitTrace::Part>> parts;
  for (const Database& db : stores) {
    Result<Statement> marked = db.Prepare("SELECT trace_id FROM trace_rows WHERE flags & 1024");
    if (!marked) return std::unexpected(marked.error());
    for (;;) {
      const Result<bool> row = marked->Step();
      if (!row) return std::unexpected(row.error());
      if (!*row) break;
      parts.try_emplace(std::string(marked->Text(0)));
    }
  }
  for (size_t store = 0; store < stores.size() && !parts.empty(); ++store) {
    Result<Statement> find =
        stores[store].Prepare("SELECT id FROM trace_rows WHERE lower(hex(trace_id)) = ?1");
    if (!find) return std::unexpected(find.error());
    for (auto& [id, where] : parts) {
      const std::string hex = TraceIdOf(id);
      find->Bind(1, std::string_view(hex));
      const Result<bool> row = find->Step();
      if (!row) return std::unexpected(row.error());
      if (!*row) continue;
      where.push_back({store, find->Int(0)});
      find->Reset();
    }
  }
  std::vector<SplitTrace> split;
  for (auto& [id, where] : parts)
    if (where.size() > 1) split.push_back({id, std::move(where)});
  return split;
}

Result<Database> GatherSplit(std::span<const Database> stores,
                             const std::vector<SplitTrace>& traces) {
  Result<Database> to = Database::OpenInMemory();
  if (!to) return to;
  WEFT_TRY(ApplySchema(*to));
  WEFT_TRY(to->Execute("BEGIN"));
  WEFT_TRY(SplitGather(stores, *to).Run(traces));
  WEFT_TRY(to->Execute("COMMIT"));
  return to;
}

Result<void> HideSplit(const Database& db, const std::vector<SplitTrace>& traces, size_t store) {
  WEFT_TRY(db.Execute("CREATE TEMP TABLE split_traces(id INTEGER PRIMARY KEY)"));
  Result<Statement> add = db.Prepare("INSERT INTO temp.split_traces VALUES(?1)");
  if (!add) return std::unexpected(add.error());
  bool any = false;
  for (const SplitTrace& trace : traces) {
    for (const SplitTrace::Part& part : trace.parts) {
      if (part.store != store) continue;
      add->Bind(1, part.row);
      WEFT_TRY(add->Run());
      any = true;
    }
  }
  if (!any) return {};
  // Names in temp go before those of the file, and names in temp views mean temp's first: so all
  // views, made once more, see the tables without those traces.
  WEFT_TRY(
      db.Execute("CREATE TEMP VIEW trace_rows AS SELECT * FROM main.trace_rows"
                 " WHERE id NOT IN (SELECT id FROM temp.split_traces);"
                 "CREATE TEMP VIEW span_rows AS SELECT * FROM main.span_rows"
                 " WHERE id >> 20 NOT IN (SELECT id FROM temp.split_traces)"));
  static constexpr std::string_view kCreate = "CREATE VIEW ";
  for (const SqlFile& file : ViewFiles()) {
    std::string text(file.text);
    for (size_t at = 0; (at = text.find(kCreate, at)) != text.npos; at += kCreate.size())
      text.replace(at, kCreate.size(), "CREATE TEMP VIEW ");
    if (auto made = db.Execute(text); !made) return Context(made.error(), file.name);
  }
  return {};
}

}  // namespace weft::sql
