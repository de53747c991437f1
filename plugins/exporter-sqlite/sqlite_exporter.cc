// sqlite: kept traces into one SQLite file (sinks/sqlite/sqlite_sink.h).
//
// The engine counts rows and drops; this counts, as plugin.sqlite.*, what only the sink knows: open
// spans that were replaced by their ended selves, duplicates, replays that were skipped, and what
// retention removed.
#include <memory>
#include <string>

#include "engine/api/plugin.h"
#include "sinks/sqlite/sqlite_sink.h"

namespace {

class SqliteExporter {
 public:
  static constexpr const char* kName = "sqlite";
  static constexpr const char* kVersion = "0.1.0";
  static constexpr const char* kConfigSchema = R"({
    "type": "object",
    "properties": {
      "path": {"type": "string", "default": "weft.db", "description": "the database file"},
      "group": {"type": "string", "default": "",
                "description": "who is in this group may read the file; empty: only its owner"},
      "topic": {"type": "string", "default": "",
                "description": "the log whose offsets are stored; empty: they end with the process"},
      "max_age_ns": {"type": "integer", "minimum": 0, "default": 86400000000000,
                     "description": "traces older than this are removed; 0: no limit"},
      "max_bytes": {"type": "integer", "minimum": 0, "default": 5000000000,
                    "description": "the oldest traces are removed past this size; 0: no limit"}
    }
  })";

  SqliteExporter(const weft::sdk::Host& host, const weft::sdk::PluginConfig& config) : host_(host) {
    weft::sinks::SqliteSinkOptions options;
    options.path = config.Text("path", options.path);
    options.topic = config.Text("topic", "");
    options.group = config.Text("group", "");
    options.max_age_ns =
        static_cast<int64_t>(config.Number("max_age_ns", static_cast<double>(options.max_age_ns)));
    options.max_bytes =
        static_cast<uint64_t>(config.Number("max_bytes", static_cast<double>(options.max_bytes)));
    auto sink = weft::sinks::SqliteSink::Open(options, clock_);
    if (!sink) weft::sdk::Refuse(sink.error().code == weft::Code::kInvalid, sink.error().message);
    sink_ = std::move(*sink);
  }

  weft_outcome Export(const weft_spans& spans, const weft_traces& traces, const weft_source& source,
                      std::string& why) {
    weft::Error error;
    const weft_outcome outcome = sink_->Write(spans, traces, source, &error);
    why = std::move(error.message);
    Report();
    return outcome;
  }

  // Everything accepted is committed already; idle time is for retention.
  bool Flush(uint64_t) {
    const bool done = sink_->Retire().has_value();
    Report();
    return done;
  }

 private:
  void Report() {
    const weft::sinks::SqliteSinkCounts& now = sink_->counts();
    host_.Count("traces", now.traces - told_.traces);
    host_.Count("replaced", now.replaced - told_.replaced);
    host_.Count("duplicates", now.duplicates - told_.duplicates);
    host_.Count("replayed", now.replayed - told_.replayed);
    host_.Count("overflow", now.overflow - told_.overflow);
    host_.Count("clock_steps", now.clock_steps - told_.clock_steps);
    host_.Count("retired", now.retired - told_.retired);
    host_.Count("retired_traces", now.retired_traces - told_.retired_traces);
    told_ = now;
  }

  weft::sdk::Host host_;
  weft::SystemClock clock_;
  std::unique_ptr<weft::sinks::SqliteSink> sink_;
  weft::sinks::SqliteSinkCounts told_;
};

}  // namespace

WEFT_EXPORTER(SqliteExporter)
