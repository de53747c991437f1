#include <cstdio>
#include <vector>

#include <fmt/format.h>

#include "engine/api/plugin_abi.h"
#include "engine/base/units.h"
#include "engine/cli/commands.h"
#include "engine/cli/duration_histogram.h"
#include "engine/cli/followed_rows.h"
#include "engine/cli/json_writer.h"
#include "engine/cli/stop_signal.h"
#include "engine/cli/store_option.h"
#include "engine/cli/text_table.h"
#include "engine/cli/trace_filter_option.h"
#include "sql/set_reader.h"

namespace weft::cli {
namespace {

constexpr int kNarrow = 80;  // columns

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
            "for are those of one span that fits; without, those of the whole trace. --histogram "
            "shows how the durations of what was found are spread, --follow goes on with what is "
            "stored from now on, oldest first, until Ctrl-C; what late spans make fit within 30 s "
            "after, too.",
            "weft traces                                                   # the newest\n"
            "weft traces --service shop-cart --min-duration 50ms --last 5m # slow ones\n"
            "weft traces --errors --attr http.response.status_code=503     # failed ones\n"
            "weft traces --limit 10000 --last 1h --histogram               # how long they take\n"
            "weft traces --follow --errors                                 # as they come\n"
            "weft traces --limit 1000 --json | jq .                        # for programs"};
  }

  void Declare(Options& options) override {
    DeclareStore(options, &stores_);
    filter_.Declare(options);
    options.Int("-n,--limit", &limit_, 1, 1'000'000, "At most so many");
    options.Flag("--histogram", &histogram_, "How the durations are spread, below the table");
    options.Flag("-f,--follow", &follow_, "Go on with new ones until Ctrl-C");
    options.Flag("--json", &json_, "As JSON");
  }

  Result<int> Run(CommandContext& context) override {
    auto filter = filter_.Make(context.clock);
    if (!filter) return std::unexpected(filter.error());
    filter->limit = static_cast<size_t>(limit_);
    if (follow_) return Follow(*filter, context);
    const auto stores = OpenStore(stores_, context);
    if (!stores) return std::unexpected(stores.error());
    const auto traces = sql::SearchTraces(*stores, *filter);
    if (!traces) return std::unexpected(traces.error());
    json_ ? PrintJson(*traces) : PrintTable(*traces, context.clock);
    if (histogram_ && !json_) PrintHistogram(*traces);
    if (!traces->empty() || json_) return kExitOk;
    PrintNote(fmt::format("no trace matches; {}\n", NoMatchHint(*stores, *filter, context.clock)));
    return kExitNotFound;
  }

 private:
  Result<int> Follow(sql::TraceFilter filter, CommandContext& context) {
    if (json_ || histogram_)
      return Fail(Code::kInvalid,
                  "--follow prints lines: it goes with neither --json nor --histogram");
    constexpr int64_t kPause = kSecond / 2;
    StopSignal stop;
    const auto stores = OpenStore(stores_, context);
    if (!stores) return std::unexpected(stores.error());
    std::vector<FollowedRows> followed(stores->size(), FollowedRows(ChangesWithTime(filter)));
    for (filter.limit = 1'000'000; !stop.requested(); stop.Wait(kPause)) {
      for (size_t i = 0; i < stores->size(); ++i)
        WEFT_TRY(PrintNew((*stores)[i], filter, context.clock.MonotonicNs(), followed[i]));
      if (std::fflush(stdout) != 0) return kExitOk;  // whoever read it has gone
    }
    return kExitOk;
  }

  // Whether late spans can make a trace fit that did not when it was stored.
  static bool ChangesWithTime(const sql::TraceFilter& filter) {
    return !filter.service.empty() || !filter.operation.empty() || !filter.attributes.empty() ||
           filter.errors || filter.min_duration_ns > 0;
  }

  static Result<void> PrintNew(const sql::Database& store, sql::TraceFilter filter, int64_t now_ns,
                               FollowedRows& followed) {
    const auto version = store.QueryInt("PRAGMA data_version");
    if (!version) return std::unexpected(version.error());
    const auto last = store.QueryInt("SELECT coalesce(max(id), 0) FROM trace_rows");
    if (!last) return std::unexpected(last.error());
    const auto after = followed.Look(now_ns, *version, *last);
    if (!after) return {};
    filter.after_row = *after;
    const auto traces = sql::SearchTraces(store, filter);
    if (!traces) return std::unexpected(traces.error());
    for (auto t = traces->rbegin(); t != traces->rend(); ++t)
      if (t->row <= *last && followed.Show(t->row)) PrintLine(*t);  // newer ones come next time
    return {};
  }

  static void PrintLine(const sql::StoredTrace& t) {
    fmt::print("{}  {}  {:>7}  {:>4} spans  {}  {}{}\n", t.trace_id.substr(0, 16),
               UtcTime(t.start_ns).substr(11), ShortDuration(t.duration_ns), t.spans,
               Printable(t.service), Printable(t.operation),
               t.errors ? fmt::format("  {} failed", t.errors) : "");
  }

  static void PrintHistogram(const std::vector<sql::StoredTrace>& traces) {
    std::vector<int64_t> durations;
    for (const sql::StoredTrace& t : traces) durations.push_back(t.duration_ns);
    fmt::print("\n{}", DurationHistogram(durations, Stdout()));
  }

  static void PrintTable(const std::vector<sql::StoredTrace>& traces, const Clock& clock) {
    if (traces.empty()) return;
    const OutputStyle style = Stdout();
    const bool narrow = !style.piped && style.width < kNarrow;
    // The date only where it is not today's.
    const std::string today = UtcTime(clock.UnixNs()).substr(0, 11);
    TextTable table =
        narrow ? TextTable({"trace", "start", "duration", "failed", "request", "remarks"})
               : TextTable({"trace", "start (UTC)", "duration", "spans", "errors", "service",
                            "operation", "remarks"});
    table.Keep(0);
    table.Keep(1);
    table.OmitEmptyLast();
    for (const sql::StoredTrace& t : traces) {
      std::string start = UtcTime(t.start_ns);
      const bool of_today = start.starts_with(today);
      const std::string errors = t.errors ? std::to_string(t.errors) : "";
      if (narrow) {  // a beginning of the id is enough to ask for it
        start = of_today ? start.substr(11, 8) : start.substr(5, 11);
        table.Add({t.trace_id.substr(0, 10), start, ShortDuration(t.duration_ns), errors,
                   t.service + " " + t.operation, Remarks(t)});
        continue;
      }
      if (of_today) start.erase(0, today.size());
      table.Add({t.trace_id.substr(0, 16), start, ShortDuration(t.duration_ns),
                 std::to_string(t.spans), errors, t.service, t.operation, Remarks(t)});
    }
    fmt::print("{}", table.Render(style));
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
  TraceFilterOption filter_;
  int64_t limit_ = 20;
  bool json_ = false, histogram_ = false, follow_ = false;
};

}  // namespace

std::unique_ptr<Command> MakeTraces() { return std::make_unique<Traces>(); }

}  // namespace weft::cli
