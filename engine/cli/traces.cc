#include <algorithm>

#include <fmt/format.h>

#include "engine/api/plugin_abi.h"
#include "engine/base/units.h"
#include "engine/cli/commands.h"
#include "engine/cli/json_writer.h"
#include "engine/cli/store_option.h"
#include "engine/cli/text_table.h"
#include "sql/set_reader.h"

namespace weft::cli {
namespace {

std::string Remarks(const sql::StoredTrace& t) {
  std::string out;
  const auto add = [&](uint32_t flag, std::string_view text) {
    if (t.flags & flag) out.append(out.empty() ? "" : ", ").append(text);
  };
  add(WEFT_FLAG_INCOMPLETE, "incomplete");
  add(WEFT_FLAG_OPEN, "open");
  add(WEFT_FLAG_LATE, "late spans");
  add(WEFT_FLAG_DEADLINE, "cut short");
  return out;
}

class Traces final : public Command {
 public:
  CommandInfo Info() const override {
    return {"traces", "Find traces: by service, operation, duration, errors, attributes, time",
            "Newest first. With --service, --operation or --attr, the durations and errors asked "
            "for are those of one span that fits; without, those of the whole trace.",
            "weft traces                                                   # the newest\n"
            "weft traces --service shop-cart --min-duration 50ms --last 5m # slow ones\n"
            "weft traces --errors --attr http.response.status_code=503     # failed ones\n"
            "weft traces --limit 1000 --json | jq .                        # for programs"};
  }

  void Declare(Options& options) override {
    DeclareStore(options, &stores_);
    options.Text("-s,--service", &filter_.service, "Spans of this service", "NAME");
    options.Text("-o,--operation", &filter_.operation, "Spans of this operation", "NAME");
    options.Duration("--min-duration", &filter_.min_duration_ns, "At least so long");
    options.Duration("--max-duration", &max_duration_ns_, "At most so long");
    options.Flag("-e,--errors", &filter_.errors, "Failed ones only");
    options.List("-a,--attr", &attributes_, "Spans with this attribute", "KEY=VALUE");
    options.Duration("--last", &last_ns_, "Begun in the last so much time");
    options.Int("-n,--limit", &limit_, 1, 1'000'000, "At most so many");
    options.Flag("--json", &json_, "As JSON");
  }

  Result<int> Run(CommandContext& context) override {
    WEFT_TRY(ParseAttributes());
    if (max_duration_ns_ > 0) filter_.max_duration_ns = max_duration_ns_;
    filter_.from_ns = Since(context.clock, last_ns_);
    filter_.limit = static_cast<size_t>(limit_);
    const auto stores = OpenStore(stores_);
    if (!stores) return std::unexpected(stores.error());
    const auto traces = sql::SearchTraces(*stores, filter_);
    if (!traces) return std::unexpected(traces.error());
    json_ ? PrintJson(*traces) : PrintTable(*traces, context.clock);
    if (!traces->empty() || json_) return kExitOk;
    PrintNote(fmt::format("no trace matches; {}\n", NewestTraceHint(*stores, context.clock)));
    return kExitNotFound;
  }

 private:
  Result<void> ParseAttributes() {
    for (const std::string& text : attributes_) {
      const size_t equals = text.find('=');
      if (equals == 0 || equals == text.npos || text.find('"') < equals)
        return Fail(Code::kInvalid, fmt::format("--attr {}: expected KEY=VALUE", text));
      filter_.attributes.emplace_back(text.substr(0, equals), text.substr(equals + 1));
    }
    return {};
  }

  static void PrintTable(const std::vector<sql::StoredTrace>& traces, const Clock& clock) {
    if (traces.empty()) return;
    // The date only where it is not today's.
    const std::string today = UtcTime(clock.UnixNs()).substr(0, 11);
    TextTable table(
        {"trace", "start (UTC)", "duration", "spans", "errors", "service", "operation", "remarks"});
    for (const sql::StoredTrace& t : traces) {
      std::string start = UtcTime(t.start_ns);
      if (start.starts_with(today)) start.erase(0, today.size());
      table.Add({t.trace_id.substr(0, 16), start, ShortDuration(t.duration_ns),
                 std::to_string(t.spans), t.errors ? std::to_string(t.errors) : "", t.service,
                 t.operation, Remarks(t)});
    }
    fmt::print("{}", table.Render(Stdout()));
  }

  static void PrintJson(const std::vector<sql::StoredTrace>& traces) {
    JsonWriter json;
    json.BeginArray();
    for (const sql::StoredTrace& t : traces) {
      json.BeginObject();
      json.Field("trace_id", t.trace_id);
      json.Field("start_ns", t.start_ns);
      json.Field("duration_ns", t.duration_ns);
      json.Field("service", t.service);
      json.Field("operation", t.operation);
      json.Field("spans", t.spans);
      json.Field("errors", t.errors);
      json.Field("remarks", Remarks(t));
      json.End();
    }
    json.End();
    fmt::print("{}", json.text());
  }

  StoreNames stores_ = kDefaultStore;
  sql::TraceFilter filter_;
  std::vector<std::string> attributes_;
  int64_t max_duration_ns_ = 0, last_ns_ = 0, limit_ = 20;
  bool json_ = false;
};

}  // namespace

std::unique_ptr<Command> MakeTraces() { return std::make_unique<Traces>(); }

}  // namespace weft::cli
