#include <cstdio>
#include <cstdlib>

#include <fmt/format.h>

#include "engine/cli/commands.h"
#include "engine/cli/dot_graph.h"
#include "engine/cli/store_option.h"

namespace weft::cli {
namespace {

class Graph final : public Command {
 public:
  CommandInfo Info() const override {
    return {"graph", "Draw which services call which",
            "DOT on standard output. Boxes are services, dashed ones are not traced themselves; "
            "lines are calls with their number, 95th percentile and failures.",
            "weft graph --last 5m | dot -Tsvg > graph.svg    # the last five minutes\n"
            "weft graph --svg > graph.svg                    # the same, calling dot itself"};
  }

  void Declare(Options& options) override {
    DeclareStore(options, &stores_);
    options.Duration("--last", &last_ns_, "Calls begun in the last so much time");
    options.Flag("--svg", &svg_, "SVG instead of DOT (needs Graphviz)");
  }

  Result<int> Run(CommandContext& context) override {
    const auto stores = OpenStore(stores_);
    if (!stores) return std::unexpected(stores.error());
    const auto edges = sql::ReadServiceGraph(*stores, Since(context.clock, last_ns_), INT64_MAX);
    if (!edges) return std::unexpected(edges.error());
    if (edges->empty()) {
      PrintNote(fmt::format("no calls; {}\n", NewestTraceHint(*stores, context.clock)));
      return kExitNotFound;
    }
    const std::string dot = DotGraph(*edges);
    if (svg_) return Draw(dot);
    fmt::print("{}", dot);
    return kExitOk;
  }

 private:
  static Result<int> Draw(const std::string& dot) {
    if (std::system("command -v dot >/dev/null 2>&1") != 0)
      return Fail(Code::kUnsupported, "--svg needs Graphviz: apt-get install graphviz");
    std::fflush(stdout);
    FILE* const pipe = ::popen("dot -Tsvg", "w");
    if (!pipe) return Fail(Code::kIo, "dot could not be started");
    std::fwrite(dot.data(), 1, dot.size(), pipe);
    if (::pclose(pipe) != 0) return Fail(Code::kIo, "dot failed");
    return kExitOk;
  }

  StoreNames stores_ = kDefaultStore;
  int64_t last_ns_ = 0;
  bool svg_ = false;
};

}  // namespace

std::unique_ptr<Command> MakeGraph() { return std::make_unique<Graph>(); }

}  // namespace weft::cli
