#include <cstdio>

#include <fmt/format.h>

#include "engine/cli/commands.h"
#include "engine/cli/store_option.h"
#include "engine/cli/trace_filter_option.h"
#include "sql/set_reader.h"
#include "sql/trace_json.h"

namespace weft::cli {
namespace {

class Export final : public Command {
 public:
  CommandInfo Info() const override {
    return {"export", "Write traces as JSON of others: OTLP, Jaeger, Zipkin",
            "On standard output: otlp is one export request per line and trace, as the Collector's "
            "file exporter writes and its receivers read; jaeger is what Jaeger's UI opens from a "
            "file; zipkin is a list for POST /api/v2/spans. Newest first. Without an id, what the "
            "filter selects.",
            "weft export --last 1h --errors > failed.otlp.jsonl\n"
            "weft export 4bf92f3577b34da6 --format jaeger > trace.json\n"
            "weft export --format zipkin | curl -d @- -H 'Content-Type: application/json' "
            "localhost:9411/api/v2/spans"};
  }

  void Declare(Options& options) override {
    DeclareStore(options, &stores_);
    options.Text("--format", &format_, "otlp, jaeger or zipkin", "FORMAT");
    filter_.Declare(options);
    options.Int("-n,--limit", &limit_, 1, 100'000'000, "At most so many traces");
    options.Positionals("id", &ids_, "Trace ids, or their beginnings");
  }

  Result<int> Run(CommandContext& context) override {
    if (format_ != "otlp" && format_ != "jaeger" && format_ != "zipkin")
      return Fail(Code::kInvalid,
                  fmt::format("--format {}: expected otlp, jaeger or zipkin", format_));
    auto filter = filter_.Make(context.clock);
    if (!filter) return std::unexpected(filter.error());
    filter->limit = static_cast<size_t>(limit_);
    const auto stores = OpenStore(stores_, context);
    if (!stores) return std::unexpected(stores.error());
    auto traces = Select(*stores, *filter);
    if (!traces) return std::unexpected(traces.error());
    std::fputs(format_ == "jaeger" ? "{\"data\":[" : format_ == "zipkin" ? "[" : "", stdout);
    bool first = true;
    for (const sql::StoredTrace& trace : *traces) {
      const auto spans = sql::ReadSpans((*stores)[trace.store], trace.row);
      if (!spans) return std::unexpected(spans.error());
      if (spans->empty()) continue;  // retention took it meanwhile
      Write(trace, *spans, first);
      first = false;
    }
    if (format_ == "jaeger")
      fmt::print("],\"total\":{},\"limit\":0,\"offset\":0,\"errors\":null}}\n", traces->size());
    if (format_ == "zipkin") fmt::print("]\n");
    if (!traces->empty()) return kExitOk;
    PrintNote(fmt::format("no trace matches; {}\n", NoMatchHint(*stores, *filter, context.clock)));
    return kExitNotFound;
  }

 private:
  Result<std::vector<sql::StoredTrace>> Select(const sql::StoreSet& stores,
                                               const sql::TraceFilter& filter) const {
    if (ids_.empty()) return sql::SearchTraces(stores, filter);
    std::vector<sql::StoredTrace> traces;
    for (const std::string& id : ids_) {
      auto trace = sql::FindTrace(stores, id);
      if (!trace) return std::unexpected(trace.error());
      traces.push_back(std::move(*trace));
    }
    return traces;
  }

  void Write(const sql::StoredTrace& trace, const std::vector<sql::StoredSpan>& spans, bool first) {
    text_.clear();
    if (format_ == "otlp") {
      sql::AppendOtlpJson(text_, trace, spans);
      text_ += '\n';
    } else {
      if (!first) text_ += ",\n";
      format_ == "jaeger" ? sql::AppendJaegerJson(text_, trace, spans)
                          : sql::AppendZipkinJson(text_, trace, spans);
    }
    std::fwrite(text_.data(), 1, text_.size(), stdout);
  }

  StoreNames stores_ = kDefaultStore;
  TraceFilterOption filter_;
  std::vector<std::string> ids_;
  std::string format_ = "otlp", text_;
  int64_t limit_ = 1'000;
};

}  // namespace

std::unique_ptr<Command> MakeExport() { return std::make_unique<Export>(); }

}  // namespace weft::cli
