#include <algorithm>
#include <cmath>
#include <map>
#include <sys/stat.h>

#include <fmt/format.h>

#include "engine/base/units.h"
#include "engine/cli/commands.h"
#include "engine/cli/json_writer.h"
#include "engine/cli/store_option.h"
#include "engine/cli/text_table.h"
#include "engine/cli/time_range.h"
#include "sql/set_reader.h"
#include "sql/trace_times.h"

namespace weft::cli {
namespace {

// What one side has of one kind of work.
struct Work {
  std::vector<int64_t> durations_ns;
  double path_ns = 0;  // on critical paths, of all its traces
  uint64_t errors = 0;
};

struct Side {
  std::map<std::string, Work> work;  // "cart  GET /cart", or "network from front"
  std::vector<int64_t> traces_ns;    // durations
  uint64_t failed = 0;
};

int64_t Percentile(std::vector<int64_t> values, size_t percent) {
  if (values.empty()) return 0;
  const auto nth =
      values.begin() + static_cast<std::ptrdiff_t>((values.size() * percent + 99) / 100 - 1);
  std::nth_element(values.begin(), nth, values.end());
  return *nth;
}

bool IsCall(const sql::StoredSpan& s) { return s.kind == 3 || s.kind == 4; }

std::string NameOf(const sql::StoredSpan& s, const sql::SpanTimes& times) {
  if (!IsCall(s)) return s.service + "  " + s.operation;
  if (times.has_below) return "network from " + s.service;
  return s.peer.empty() ? "calls of " + s.service : s.peer + " (not traced)";
}

void Add(Side& side, const sql::StoredTrace& trace, const std::vector<sql::StoredSpan>& spans) {
  const std::vector<sql::SpanTimes> times = sql::TimesOf(spans);
  side.traces_ns.push_back(trace.duration_ns);
  side.failed += trace.errors > 0;
  for (size_t i = 0; i < spans.size(); ++i) {
    Work& work = side.work[NameOf(spans[i], times[i])];
    work.durations_ns.push_back(IsCall(spans[i]) ? times[i].self_ns : spans[i].duration_ns);
    work.path_ns += static_cast<double>(times[i].path_ns);
    work.errors += spans[i].status == 2;
  }
}

struct Change {
  std::string name;
  const Work* before = nullptr;
  const Work* after = nullptr;
  double before_ns = 0, after_ns = 0;  // on the critical path of a mean request
  double change() const { return after_ns - before_ns; }
};

class Compare final : public Command {
 public:
  CommandInfo Info() const override {
    return {"compare", "Say what became slower between two times or two databases, and where",
            "A and B are databases, or times in those of --db: FROM..TO, where either is a time "
            "ago (-2h), a UTC time (2026-11-21T12:00) or nothing. Of each side the newest traces "
            "are read, --limit at most. What changed is ranked by its part of the critical path "
            "of a mean request, so the parts add up to the change of the whole: choose one kind "
            "of request with --service and --operation where their mix differs.",
            "weft compare before.db after.db\n"
            "weft compare -2h..-1h -1h..                       # the last hour and the one before\n"
            "weft compare -1d..-23h -1h.. -o 'POST /order'     # one kind of request"};
  }

  void Declare(Options& options) override {
    DeclareStore(options, &stores_);
    options.Positional("a", &a_, true, "Before: database or FROM..TO");
    options.Positional("b", &b_, true, "After: database or FROM..TO");
    options.Text("-s,--service", &service_, "Only requests that begin in this service", "NAME");
    options.Text("-o,--operation", &operation_, "Only requests of this operation", "NAME");
    options.Int("-n,--limit", &limit_, 1, 10'000'000, "At most so many traces a side");
    options.Int("--rows", &rows_, 1, 100'000, "So many of the largest changes");
    options.Flag("--json", &json_, "As JSON");
  }

  Result<int> Run(CommandContext& context) override {
    Side sides[2];
    for (int i = 0; i < 2; ++i) {
      const std::string& name = i == 0 ? a_ : b_;
      if (auto read = Read(name, context, &sides[i]); !read) return std::unexpected(read.error());
      if (!sides[i].traces_ns.empty()) continue;
      return Fail(Code::kNotFound, fmt::format("{}: no trace fits", name));
    }
    const std::vector<Change> changes = Rank(sides[0], sides[1]);
    json_ ? PrintJson(sides, changes) : Print(sides, changes);
    return kExitOk;
  }

 private:
  Result<void> Read(const std::string& name, CommandContext& context, Side* side) const {
    sql::TraceFilter filter;
    filter.limit = static_cast<size_t>(limit_);
    StoreNames names = stores_;
    if (name.find("..") != name.npos && !IsFile(name)) {
      const Result<TimeRange> range = ParseTimeRange(name, context.clock.UnixNs());
      if (!range) return std::unexpected(range.error());
      filter.from_ns = range->from_ns;
      filter.to_ns = range->to_ns;
    } else {
      names = {name};
    }
    const auto stores = OpenStore(names, context);
    if (!stores) return std::unexpected(stores.error());
    // The search is about any span of a trace; asked for is what the root is.
    filter.service = service_;
    filter.operation = operation_;
    const auto traces = sql::SearchTraces(*stores, filter);
    if (!traces) return std::unexpected(traces.error());
    for (const sql::StoredTrace& trace : *traces) {
      if ((!service_.empty() && trace.service != service_) ||
          (!operation_.empty() && trace.operation != operation_))
        continue;
      const auto spans = sql::ReadSpans((*stores)[trace.store], trace.row);
      if (!spans) return std::unexpected(spans.error());
      Add(*side, trace, *spans);
    }
    return {};
  }

  static bool IsFile(const std::string& name) {
    struct stat st {};
    return ::stat(name.c_str(), &st) == 0;
  }

  static std::vector<Change> Rank(const Side& a, const Side& b) {
    std::map<std::string, Change> changes;
    const auto add = [&](const Side& side, bool before) {
      for (const auto& [name, work] : side.work) {
        Change& change = changes[name];
        change.name = name;
        (before ? change.before : change.after) = &work;
        (before ? change.before_ns : change.after_ns) =
            work.path_ns / static_cast<double>(side.traces_ns.size());
      }
    };
    add(a, true);
    add(b, false);
    std::vector<Change> ranked;
    for (auto& [name, change] : changes) ranked.push_back(std::move(change));
    std::stable_sort(ranked.begin(), ranked.end(), [](const Change& x, const Change& y) {
      return std::abs(x.change()) > std::abs(y.change());
    });
    return ranked;
  }

  static std::string Signed(double ns) {
    const std::string text = ShortDuration(std::llround(std::abs(ns)));
    return (ns < 0 ? "-" : "+") + text;
  }
  static std::string Both(const Work* before, const Work* after, size_t percent) {
    const auto one = [&](const Work* work) {
      return work ? ShortDuration(Percentile(work->durations_ns, percent)) : std::string("none");
    };
    return one(before) + " > " + one(after);
  }
  static std::string Failures(const Work* before, const Work* after) {
    const auto one = [](const Work* work) {
      const auto n = work ? static_cast<double>(work->durations_ns.size()) : 1.0;
      return fmt::format("{:.1f} %", work ? 100 * static_cast<double>(work->errors) / n : 0.0);
    };
    const bool any = (before && before->errors) || (after && after->errors);
    return any ? one(before) + " > " + one(after) : "";
  }

  void Print(const Side (&sides)[2], const std::vector<Change>& changes) const {
    TextTable heads({"", "requests", "failed", "p50", "p95"});
    for (int i = 0; i < 2; ++i)
      heads.Add({i == 0 ? a_ : b_, std::to_string(sides[i].traces_ns.size()),
                 std::to_string(sides[i].failed), ShortDuration(Percentile(sides[i].traces_ns, 50)),
                 ShortDuration(Percentile(sides[i].traces_ns, 95))});
    fmt::print("{}\n", heads.Render(Stdout()));
    TextTable table({"a request", "where", "p50", "p95", "failed"});
    for (size_t i = 0; i < std::min(changes.size(), static_cast<size_t>(rows_)); ++i) {
      const Change& c = changes[i];
      table.Add({Signed(c.change()), c.name, Both(c.before, c.after, 50),
                 Both(c.before, c.after, 95), Failures(c.before, c.after)});
    }
    fmt::print("{}", table.Render(Stdout()));
  }

  void PrintJson(const Side (&sides)[2], const std::vector<Change>& changes) const {
    JsonWriter json;
    json.BeginObject();
    for (int i = 0; i < 2; ++i) {
      json.BeginObject(i == 0 ? "a" : "b");
      json.Field("requests", sides[i].traces_ns.size());
      json.Field("failed", sides[i].failed);
      json.Field("p50_ns", Percentile(sides[i].traces_ns, 50));
      json.Field("p95_ns", Percentile(sides[i].traces_ns, 95));
      json.End();
    }
    json.BeginArray("changes");
    for (const Change& c : changes) {
      json.BeginObject();
      json.Field("where", c.name);
      json.Field("change_ns", std::llround(c.change()));
      json.Field("before_ns", std::llround(c.before_ns));
      json.Field("after_ns", std::llround(c.after_ns));
      for (const auto& [name, work] :
           {std::pair{"before", c.before}, std::pair{"after", c.after}}) {
        if (!work) continue;
        json.BeginObject(name);
        json.Field("spans", work->durations_ns.size());
        json.Field("failed", work->errors);
        json.Field("p50_ns", Percentile(work->durations_ns, 50));
        json.Field("p95_ns", Percentile(work->durations_ns, 95));
        json.End();
      }
      json.End();
    }
    json.End();
    json.End();
    fmt::print("{}", json.text());
  }

  StoreNames stores_ = kDefaultStore;
  std::string a_, b_, service_, operation_;
  int64_t limit_ = 10'000, rows_ = 15;
  bool json_ = false;
};

}  // namespace

std::unique_ptr<Command> MakeCompare() { return std::make_unique<Compare>(); }

}  // namespace weft::cli
