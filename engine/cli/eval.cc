#include <algorithm>
#include <charconv>
#include <cstdio>
#include <filesystem>
#include <fstream>

#include <fmt/format.h>

#include "engine/cli/commands.h"
#include "engine/cli/eval_traces.h"
#include "engine/cli/progress_line.h"
#include "engine/cli/run_options.h"
#include "engine/cli/run_summary.h"
#if WEFT_HAVE_SQLITE
#include "engine/cli/eval_store.h"
#endif

namespace weft::cli {
namespace {

bool IsStore(const std::string& file) {
  std::error_code ignored;
  if (!std::filesystem::is_regular_file(file, ignored)) return false;  // a pipe is read once
  std::string head(15, '\0');
  std::ifstream(file, std::ios::binary).read(head.data(), 15);
  return head == "SQLite format 3";
}

class Eval final : public Command {
 public:
  CommandInfo Info() const override {
    return {
        "eval", "Score links against the truth: of a database or of recorded traces",
        "A database needs spans that carry weft.truth, the X-Weft-Truth header that the agent "
        "records with --capture-truth for scoring only. span: calls whose parent is right; "
        "ambiguous: those made while several requests of the process were open; cross-process: "
        "requests linked to the call that made them; trace exact: root requests that are right as "
        "a whole.\n\n"
        "Traces of others are stripped of their ids, rebuilt by the engine's stage 1 with the "
        "correlators, and compared with what they were, beside rules that know nothing: "
        "latest-open, fcfs, nested-fifo, and greedy (delay with one hypothesis). A lost request's "
        "calls are right where they stay unlinked. With --slow the calls of that service are also "
        "scored by when they began: before it became slow, during it (without LENGTH: the first "
        "quarter of the rest), and after.",
        "weft eval --db build/demo/weft.db                  # per service and in total\n"
        "weft eval weft.db --roots r1-r500 --json           # some root requests, for programs\n"
        "weft eval traces.csv.gz --correlators delay --compress 1,4,16\n"
        "weft eval traces.csv.gz --slow cart:1000@40%      # before, during and after\n"
        "weft eval *.csv.gz --lose-client 0.1 --lose-server 0.1 --noise 50us --csv"};
  }

  void Declare(Options& options) override {
#if WEFT_HAVE_SQLITE
    DeclareStore(options, &stores_);
#endif
    options.Text("--roots", &roots_, "Of a database: only root requests rA to rB", "rA-rB");
    options.Flag("--json", &json_, "As JSON");
    options.Flag("--csv", &csv_, "As CSV (traces only)");
    options.Text("--plot", &plot_, "SVG: whole traces right over concurrency", "FILE");
    options.Text("--plot-confidence", &plot_confidence_, "SVG: what is right over confidence",
                 "FILE");
    shared_.DeclareConfig(options);
    shared_.DeclareChain(options);
    options.List("--set", &set_, "A correlator's setting, such as delay.hypotheses=4",
                 "NAME.KEY=VALUE");
    options.List("--compress", &compress_,
                 "Raise the load: pull the traces' starts together N times", "N,...");
    options.Number("--lose-client", &settings_.lose_client, 0, 1, "Share of calls that get lost");
    options.Number("--lose-server", &settings_.lose_server, 0, 1,
                   "Share of requests that get lost");
    options.Duration("--noise", &settings_.noise_ns,
                     "Every time is read late by a random amount of this deviation");
    options.Text("--slow", &slow_,
                 "A service becomes slower: its own time times FACTOR from TIME (20s, 40%) on; "
                 "random: drawn "
                 "from the seed",
                 "SERVICE:FACTOR@TIME[+LENGTH]|random");
    options.Int("--seed", &seed_, 0, INT64_MAX, "Of what is random");
    options.Flag("--no-baselines", &no_baselines_, "The correlators only");
    options.Positionals("files", &files_, "A database, or files with others' traces");
  }

  Result<int> Run(CommandContext& context) override {
    const auto stores = std::ranges::count_if(files_, IsStore);
    if (files_.empty() || (stores == 1 && files_.size() == 1)) return RunStore(context);
    if (stores > 0)
      return Fail(Code::kInvalid, "one database at a time, and none beside files with traces");
    return RunTraces(context);
  }

 private:
  Result<int> RunStore([[maybe_unused]] CommandContext& context) {
#if WEFT_HAVE_SQLITE
    return ScoreStores(files_.empty() ? stores_ : StoreNames{files_[0]}, roots_, json_, context);
#else
    return Fail(Code::kUnsupported,
                "this build reads no databases: install libsqlite3-dev and build again");
#endif
  }

  Result<int> RunTraces(CommandContext& context) {
    auto config = shared_.Load();
    if (!config) return std::unexpected(config.error());
    WEFT_TRY(Set(*config));
    WEFT_TRY(ParseCompress());
    settings_.seed = static_cast<uint64_t>(seed_);
    settings_.baselines = !no_baselines_;
    if (!slow_.empty()) {
      auto slow = eval::SlowService::Parse(slow_);
      if (!slow) return Context(std::move(slow.error()), "--slow");
      settings_.slow = std::move(*slow);
    }
    TraceEval eval(settings_, *config, context);
    std::vector<EvalRow> rows;
    ProgressLine progress(stderr, true);
    if (csv_) fmt::print("{}", EvalCsvHeader());
    for (const std::string& file : files_) {
      const auto known = eval.Read(file);
      if (!known) return std::unexpected(known.error());
      for (const double compress : settings_.compress) {
        progress.Show(fmt::format("{} x{:g}", file, compress));
        const auto found = eval.Run(*known, compress);
        if (!found) return std::unexpected(found.error());
        progress.Clear();
        rows.insert(rows.end(), found->begin(), found->end());
        if (csv_)
          for (const EvalRow& row : *found) fmt::print("{}", EvalCsv(row));
        std::fflush(stdout);
      }
    }
    if (!plot_.empty()) WEFT_TRY(WriteTextFile(plot_, EvalPlot(rows)));
    if (!plot_confidence_.empty()) WEFT_TRY(WriteTextFile(plot_confidence_, ReliabilityPlot(rows)));
    if (json_)
      fmt::print("{}", EvalJson(rows));
    else if (!csv_)
      fmt::print("{}", EvalText(rows));
    return kExitOk;
  }

  Result<void> ParseCompress() {
    if (compress_.empty()) return {};
    settings_.compress.clear();
    for (const std::string& text : compress_) {
      double factor = 0;
      const auto [rest, error] = std::from_chars(text.data(), text.data() + text.size(), factor);
      if (error != std::errc() || rest != text.data() + text.size() || factor < 0.001 ||
          factor > 1e6)
        return Fail(Code::kInvalid,
                    fmt::format("--compress {}: expected a factor, such as 16", text));
      settings_.compress.push_back(factor);
    }
    return {};
  }

  Result<void> Set(Config& config) {
    for (const std::string& text : set_) {
      const size_t dot = text.find('.'), equals = text.find('=');
      if (dot == text.npos || equals == text.npos || equals < dot)
        return Fail(
            Code::kInvalid,
            fmt::format("--set {}: expected NAME.KEY=VALUE, such as delay.hypotheses=4", text));
      const std::string name = text.substr(0, dot);
      const auto at = std::ranges::find(config.correlators, name, &PluginChoice::name);
      if (at == config.correlators.end())
        return Fail(Code::kInvalid, fmt::format("--set {}: no correlator {}", text, name));
      std::string& json = at->config_json;
      json.pop_back();  // '}'
      json += fmt::format("{}\"{}\":{}}}", json == "{" ? "" : ",",
                          text.substr(dot + 1, equals - dot - 1), text.substr(equals + 1));
    }
    return {};
  }

#if WEFT_HAVE_SQLITE
  StoreNames stores_ = kDefaultStore;
#endif
  RunOptions shared_;
  TraceEvalSettings settings_;
  std::vector<std::string> files_, compress_, set_;
  std::string roots_, slow_, plot_, plot_confidence_;
  int64_t seed_ = 1;
  bool json_ = false, csv_ = false, no_baselines_ = false;
};

}  // namespace

std::unique_ptr<Command> MakeEval() { return std::make_unique<Eval>(); }

}  // namespace weft::cli
