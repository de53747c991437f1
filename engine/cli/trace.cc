#include <fmt/format.h>

#include "engine/cli/commands.h"
#include "engine/cli/store_option.h"
#include "engine/cli/waterfall.h"
#include "sql/set_reader.h"

namespace weft::cli {
namespace {

class Trace final : public Command {
 public:
  CommandInfo Info() const override {
    return {"trace", "Show one trace as a waterfall",
            "The beginning of a trace id is enough where only one trace begins so, and the id of a "
            "span leads to its trace. A percentage "
            "with a question mark is how sure weft is of a doubtful link; `weft explain` says why.",
            "weft trace 4bf92f3577b34da6            # a prefix of the id is enough\n"
            "weft trace 4bf92f35 --ids | less       # with span ids, for weft explain"};
  }

  void Declare(Options& options) override {
    DeclareStore(options, &stores_);
    options.Positional("id", &id_, true, "Trace id, or its beginning");
    options.Flag("--ids", &options_.ids, "Span ids in front of the lines");
    options.Int("-n,--limit", &limit_, 1, 1'000'000, "At most so many spans");
    options.Int("--width", &width_, 0, 1'000, "Columns; 0: those of the terminal");
  }

  Result<int> Run(CommandContext& context) override {
    const auto stores = OpenStore(stores_, context);
    if (!stores) return std::unexpected(stores.error());
    const auto trace = Find(*stores);
    if (!trace) return std::unexpected(trace.error());
    const auto spans = sql::ReadSpans((*stores)[trace->store], trace->row);
    if (!spans) return std::unexpected(spans.error());
    OutputStyle style = Stdout();
    if (width_ > 0) style.width = static_cast<int>(width_);
    options_.max_spans = static_cast<size_t>(limit_);
    fmt::print("{}", Waterfall(*trace, *spans, options_, style));
    return kExitOk;
  }

 private:
  // A span's id leads to its trace.
  Result<sql::StoredTrace> Find(const sql::StoreSet& stores) const {
    Result<sql::StoredTrace> trace = sql::FindTrace(stores, id_);
    if (trace || trace.error().code != Code::kNotFound) return trace;
    const auto span = sql::FindSpan(stores, id_);
    if (!span) return trace;
    trace = sql::ReadTrace(stores[span->store], span->trace_row());
    if (trace) trace->store = span->store;
    return trace;
  }

  StoreNames stores_ = kDefaultStore;
  std::string id_;
  WaterfallOptions options_;
  int64_t limit_ = 200, width_ = 0;
};

}  // namespace

std::unique_ptr<Command> MakeTrace() { return std::make_unique<Trace>(); }

}  // namespace weft::cli
