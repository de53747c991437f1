#include <cstdio>
#include <cstdlib>
#include <set>

#include <fmt/format.h>

#include "engine/base/units.h"
#include "engine/cli/commands.h"
#include "engine/cli/dot_graph.h"
#include "engine/cli/store_option.h"
#include "engine/cli/text_table.h"

namespace weft::cli {
namespace {

class Graph final : public Command {
 public:
  CommandInfo Info() const override {
    return {"graph", "Draw which services call which",
            "DOT on standard output, or a table with --text. Boxes are services, dashed ones are "
            "not traced themselves; "
            "lines are calls with their number, 95th percentile and failures.",
            "weft graph --last 5m | dot -Tsvg > graph.svg    # the last five minutes\n"
            "weft graph --svg > graph.svg                    # the same, calling dot itself\n"
            "weft graph --text                               # in the terminal"};
  }

  void Declare(Options& options) override {
    DeclareStore(options, &stores_);
    options.Duration("--last", &last_ns_, "Calls begun in the last so much time");
    options.Flag("--text", &text_, "A table instead of DOT");
    options.Flag("--exact", &exact_, "Read every trace, however many there are");
    options.Flag("--svg", &svg_, "SVG instead of DOT (needs Graphviz)");
  }

  Result<int> Run(CommandContext& context) override {
    const auto stores = OpenStore(stores_, context);
    if (!stores) return std::unexpected(stores.error());
    const auto graph = sql::ReadServiceGraph(*stores, Since(context.clock, last_ns_), INT64_MAX,
                                             exact_ ? UINT64_MAX : sql::kGraphSpans);
    if (!graph) return std::unexpected(graph.error());
    const auto& edges = graph->edges;
    if (graph->one_in > 1)
      PrintNote(
          fmt::format("weft: of one trace in {}; numbers of calls are estimates; --exact "
                      "reads all of them\n",
                      graph->one_in));
    if (edges.empty()) {
      PrintNote(fmt::format("no calls; {}\n", NewestTraceHint(*stores, context.clock)));
      return kExitNotFound;
    }
    if (text_) return Print(edges);
    const std::string dot = DotGraph(edges);
    if (svg_) return Draw(dot);
    fmt::print("{}", dot);
    return kExitOk;
  }

 private:
  // Callers in the order of their calls, each with what it calls.
  static Result<int> Print(const std::vector<sql::GraphEdge>& edges) {
    TextTable table({"caller", "callee", "calls", "failed", "p50", "p95", ""});
    std::set<std::string> seen;
    for (const sql::GraphEdge& first : edges) {
      if (!seen.insert(first.caller).second) continue;
      for (const sql::GraphEdge& e : edges)
        if (e.caller == first.caller)
          table.Add({e.caller.empty() ? "(outside)" : e.caller, e.callee, std::to_string(e.calls),
                     e.errors ? std::to_string(e.errors) : "", ShortDuration(e.p50_ns),
                     ShortDuration(e.p95_ns), e.traced ? "" : "not traced"});
    }
    fmt::print("{}", table.Render(Stdout()));
    return kExitOk;
  }

  static Result<int> Draw(const std::string& dot) {
    if (std::system("command -v dot >/dev/null 2>&1") != 0)
      return Fail(Code::kUnsupported, "--svg needs Graphviz: apt-get install graphviz");
    // Its output is read first: `weft graph --svg | head` ends as any command does before `head`.
    FILE* const input = std::tmpfile();
    if (!input) return Fail(Code::kIo, "no temporary file for dot");
    std::fwrite(dot.data(), 1, dot.size(), input);
    std::rewind(input);
    FILE* const pipe = ::popen(fmt::format("dot -Tsvg <&{}", ::fileno(input)).c_str(), "re");
    std::fclose(input);
    if (!pipe) return Fail(Code::kIo, "dot could not be started");
    std::string svg;
    char part[4096];
    while (const size_t n = std::fread(part, 1, sizeof part, pipe)) svg.append(part, n);
    if (::pclose(pipe) != 0) return Fail(Code::kIo, "dot failed");
    fmt::print("{}", svg);
    return kExitOk;
  }

  StoreNames stores_ = kDefaultStore;
  int64_t last_ns_ = 0;
  bool svg_ = false, text_ = false, exact_ = false;
};

}  // namespace

std::unique_ptr<Command> MakeGraph() { return std::make_unique<Graph>(); }

}  // namespace weft::cli
