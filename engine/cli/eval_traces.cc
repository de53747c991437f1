#include "engine/cli/eval_traces.h"

#include <algorithm>
#include <ctime>
#include <filesystem>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "engine/eval/baselines.h"
#include "engine/eval/load_change.h"
#include "engine/eval/stage_run.h"
#include "engine/plugin/instance.h"
#include "sources/replay/trace_file.h"

namespace weft::cli {
namespace {

double CpuSeconds() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

// "hotel_load150" of "/data/hotel_load150.csv.gz".
std::string NameOf(const std::string& file) {
  std::string name = std::filesystem::path(file).filename().string();
  for (const std::string_view end : {".gz", ".zst", ".csv", ".json", ".jsonl", ".ndjson"})
    if (name.ends_with(end)) name.resize(name.size() - end.size());
  return name;
}

std::string ChainName(const std::vector<PluginChoice>& chain) {
  std::string name;
  for (const PluginChoice& one : chain) name.append(name.empty() ? "" : "+").append(one.name);
  return name;
}

stitch::StitchConfig StageConfig(const Config& config) {
  stitch::StitchConfig out;
  out.window_ns = config.stitch.window_ns;
  out.lookahead_ns = config.stitch.look_ahead_ns;
  out.min_confidence = config.stitch.min_confidence;
  return out;
}

}  // namespace

TraceEval::TraceEval(const TraceEvalSettings& settings, const Config& config,
                     CommandContext& context)
    : settings_(settings),
      config_(config),
      context_(context),
      loader_(config.plugin_dir.empty() ? plugin::DefaultPluginFolder()
                                        : std::filesystem::path(config.plugin_dir)) {}

Result<eval::KnownTraces> TraceEval::Read(const std::string& file) {
  auto traces = sources::TraceFile::Open(file);
  if (!traces) return std::unexpected(traces.error());
  eval::KnownTracesBuilder builder(NameOf(file));
  api::SpanTable table;
  for (bool more = true; more;) {
    table.Clear();
    const auto read = (*traces)->Next(&table);
    if (!read) return std::unexpected(read.error());
    more = *read;
    builder.Add(table.View());
  }
  const auto& totals = (*traces)->totals();
  for (const std::string& complaint : totals.complaints) context_.log.Warn(complaint);
  if (totals.malformed > totals.complaints.size())
    context_.log.Warn(fmt::format("{}: {} malformed entries in all", file, totals.malformed));
  eval::KnownTraces known = builder.Build();
  if (known.calls() == 0)
    return Fail(Code::kInvalid,
                fmt::format("{}: {} spans, but no calls to find a parent of", file, totals.spans));
  return known;
}

Result<TraceEval::Load> TraceEval::Change(const eval::KnownTraces& recorded,
                                          double compress) const {
  Load load{recorded, {}, 0, {}, {}};
  if (compress != 1) eval::Compress(load.known, compress);
  if (settings_.slow) {
    load.slow = settings_.slow->random ? eval::SlowService::Draw(load.known, settings_.seed)
                                       : *settings_.slow;
    const auto phases = eval::SlowDown(load.known, load.slow);
    if (!phases) return std::unexpected(phases.error());
    load.phases = *phases;
  }
  if (settings_.lose_client > 0 || settings_.lose_server > 0)
    eval::Lose(load.known, settings_.lose_client, settings_.lose_server, settings_.seed);
  load.ambiguous = eval::Ambiguous(load.known);
  load.concurrency = eval::MeanOpen(load.known);
  if (settings_.noise_ns > 0) eval::AddNoise(load.known, settings_.noise_ns, settings_.seed);
  return load;
}

EvalRow TraceEval::RowOf(const Load& load, std::string_view name, const eval::Parents& parents,
                         const std::vector<float>& confidence, double seconds) const {
  EvalRow row;
  row.file = load.known.name;
  row.correlator = name;
  row.concurrency = load.concurrency;
  row.score = eval::Evaluate(load.known, load.ambiguous, parents);
  row.reliability = eval::Calibration(load.known, parents, confidence);
  if (load.phases) {
    row.slow = load.slow;
    row.phases = eval::ScorePhases(load.known, *load.phases, load.slow.service, parents);
  }
  row.us_per_span =
      1e6 * seconds / static_cast<double>(std::max<size_t>(load.known.spans.size(), 1));
  return row;
}

Result<EvalRow> TraceEval::RunChain(const std::vector<PluginChoice>& chain, std::string_view name,
                                    const Load& load) {
  Metrics metrics;
  const plugin::Services services{context_.log, metrics, context_.clock};
  std::vector<plugin::PluginInstance> instances;
  for (const PluginChoice& choice : chain) {
    auto loaded = loader_.Load(plugin::Kind::kCorrelator, choice.name);
    if (!loaded) return Fail(Code::kInvalid, loaded.error().message);
    auto instance = plugin::PluginInstance::Create(*loaded, choice.config_json, services);
    if (!instance) return std::unexpected(instance.error());
    instances.push_back(std::move(*instance));
  }
  std::vector<stitch::ChainLink> links;
  for (size_t i = 0; i < chain.size(); ++i)
    links.push_back({chain[i].name, &instances[i].correlator(), instances[i].handle()});
  const auto run = eval::RunStage(load.known, links, StageConfig(config_), {metrics, context_.log});
  if (!run) return std::unexpected(run.error());
  EvalRow row = RowOf(load, name, run->parents, run->confidence, run->seconds);
  row.bytes_per_process = run->bytes_per_process;
  return row;
}

void TraceEval::RunRules(const Load& load, std::vector<EvalRow>& rows) {
  const std::vector<float> sure(load.known.spans.size(), 1);  // a rule knows no doubt
  const auto rule = [&](std::string_view name, eval::Parents (*find)(const eval::KnownTraces&)) {
    const double begun = CpuSeconds();
    const eval::Parents parents = find(load.known);
    rows.push_back(RowOf(load, name, parents, sure, CpuSeconds() - begun));
  };
  rule("latest-open", eval::LatestOpen);
  rule("fcfs", eval::FirstComeFirstServed);
  rule("nested-fifo", eval::NestedFifo);
  const std::vector<PluginChoice> one = {{"delay", R"({"hypotheses":1})"}};
  if (const auto greedy = RunChain(one, "greedy", load))
    rows.push_back(*greedy);
  else
    context_.log.Warn("greedy is left out: " + greedy.error().message);
}

Result<std::vector<EvalRow>> TraceEval::Run(const eval::KnownTraces& recorded, double compress) {
  const auto load = Change(recorded, compress);
  if (!load) return std::unexpected(load.error());
  std::vector<EvalRow> rows;
  const auto chain = RunChain(config_.correlators, ChainName(config_.correlators), *load);
  if (!chain) return std::unexpected(chain.error());
  rows.push_back(*chain);
  if (settings_.baselines) RunRules(*load, rows);
  for (EvalRow& row : rows) row.compress = compress;
  return rows;
}

}  // namespace weft::cli
