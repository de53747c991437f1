// sql: the user's own correlator, as a SQL query over the window; see window_table.h for the table.
// What a query says counts as a voice like any other's. Limits keep a bad query from holding up
// the engine: then nothing is said of that window, and it is counted.
#include <algorithm>
#include <string>
#include <vector>

#include "engine/api/plugin.h"
#include "plugins/correlator-sql/window_table.h"

namespace weft::plugins::sql {
namespace {

class SqlCorrelator {
 public:
  static constexpr const char* kName = "sql";
  static constexpr const char* kVersion = "1.0.0";
  static constexpr uint64_t kColumns =
      ~uint64_t{WEFT_COLUMN_ATTRIBUTES | WEFT_COLUMN_TOKENS | WEFT_COLUMN_WIRE_ID};
  static constexpr const char* kConfigSchema = R"({
    "type": "object",
    "properties": {
      "query": {"type": "string",
                "description": "SELECT row of the call, row of the request, log-odds"},
      "max_rows": {"type": "integer", "minimum": 1, "maximum": 1000000, "default": 20000,
                   "description": "windows with more spans are left to others"},
      "max_voices": {"type": "integer", "minimum": 1, "maximum": 10000000, "default": 500000,
                     "description": "a query that returns more rows is not believed"},
      "max_ms": {"type": "number", "minimum": 0.01, "maximum": 10000, "default": 50,
                 "description": "time for one window; then the query is ended"}
    },
    "required": ["query"]
  })";

  SqlCorrelator(const sdk::Host& host, const sdk::PluginConfig& config)
      : host_(host),
        max_rows_(static_cast<uint32_t>(config.Number("max_rows", 20000))),
        max_voices_(static_cast<size_t>(config.Number("max_voices", 500000))),
        max_ns_(static_cast<uint64_t>(config.Number("max_ms", 50) * 1e6)),
        table_(config.Text("query", "")) {}

  void Correlate(const weft_spans& window, sdk::Voices& voices) {
    const bool asked = std::any_of(window.kind, window.kind + window.n, [](uint8_t kind) {
      return kind == WEFT_KIND_CLIENT || kind == WEFT_KIND_PRODUCER;
    });
    if (!asked) return;
    if (window.n > max_rows_) return GiveUp("windows_too_large", "has more spans than max_rows");
    switch (table_.Ask(window, host_, host_.NowNs() + max_ns_, max_voices_, &said_)) {
      case WindowTable::Outcome::kDone: break;
      case WindowTable::Outcome::kTooLong:
        return GiveUp("windows_too_long", "took longer than max_ms");
      case WindowTable::Outcome::kTooMany:
        return GiveUp("windows_too_many_voices", "returned more rows than max_voices");
      case WindowTable::Outcome::kFailed:
        return GiveUp("windows_failed", "failed: " + table_.failure());
    }
    host_.Count("senseless_rows", table_.senseless());
    if (table_.senseless() > 0) Warn("returned rows that name no call, or no request");
    for (const Voice& voice : said_)
      voices.Say(voice.call, voice.request, voice.log_odds, WEFT_EVIDENCE_CUSTOM);
  }

 private:
  // Says nothing of this window.
  void GiveUp(std::string_view counter, const std::string& why) {
    host_.Count(counter, 1);
    Warn("over a window " + why);
  }

  // The first time; the counters know the rest.
  void Warn(const std::string& what) {
    if (!warned_) host_.Warn("the query " + what + "; further cases are only counted");
    warned_ = true;
  }

  sdk::Host host_;
  const uint32_t max_rows_;
  const size_t max_voices_;
  const uint64_t max_ns_;
  WindowTable table_;
  std::vector<Voice> said_;
  bool warned_ = false;
};

}  // namespace
}  // namespace weft::plugins::sql

WEFT_CORRELATOR(weft::plugins::sql::SqlCorrelator)
