#include <atomic>
#include <filesystem>
#include <thread>

#include <fmt/format.h>

#include "engine/cli/commands.h"
#include "engine/cli/pipeline.h"
#include "engine/cli/run_options.h"
#include "engine/cli/topic_traces.h"
#include "engine/cli/what_if_tally.h"
#include "engine/plugin/loader.h"
#include "sources/replay/replay_source.h"

namespace weft::cli {
namespace {

// The samplers of a configuration, outside a pipeline.
class Samplers {
 public:
  static Result<std::unique_ptr<Samplers>> Make(const Config& config,
                                                const plugin::Services& services) {
    auto out = std::make_unique<Samplers>();
    plugin::PluginLoader loader(config.plugin_dir.empty()
                                    ? plugin::DefaultPluginFolder()
                                    : std::filesystem::path(config.plugin_dir));
    std::vector<trace::Sampler> chain;
    for (const PluginChoice& choice : config.samplers) {
      auto loaded = loader.Load(plugin::Kind::kSampler, choice.name);
      if (!loaded) return Fail(Code::kInvalid, loaded.error().message);
      auto made = plugin::PluginInstance::Create(*loaded, choice.config_json, services);
      if (!made) return std::unexpected(made.error());
      out->instances_.push_back(std::make_unique<plugin::PluginInstance>(std::move(*made)));
      chain.push_back(
          {choice.name, &out->instances_.back()->sampler(), out->instances_.back()->handle()});
    }
    out->chain_ =
        std::make_unique<trace::SamplerChain>(std::move(chain), services.metrics, services.log);
    return out;
  }
  trace::SamplerChain& chain() { return *chain_; }

 private:
  std::vector<std::unique_ptr<plugin::PluginInstance>> instances_;
  std::unique_ptr<trace::SamplerChain> chain_;
};

constexpr weft_exporter kTaker{sizeof(weft_exporter),
                               [](void* tally, const weft_spans* spans, const weft_traces* traces,
                                  const weft_source*, weft_error*) -> int32_t {
                                 static_cast<WhatIfTally*>(tally)->Take(*spans, *traces);
                                 return WEFT_EXPORT_OK;
                               },
                               nullptr, nullptr, nullptr};

class WhatIf final : public Command {
 public:
  CommandInfo Info() const override {
    return {"what-if", "What other samplers would have kept of a recording, or of Kafka",
            "Makes the traces of the recording anew, asks the samplers of the configuration "
            "(before) and\nthose of --rules (after) about each, and counts. Nothing is stored and "
            "no running weft is\ntouched. Budgets per second are of the recorded seconds. With "
            "--range it reads what was\nappended to weft.spans then, or to --topic (OTLP), in no "
            "consumer group; traces that\nbegan before the range, or ended after it, are seen in "
            "part.",
            "weft what-if shop.weft.zst --rules new.yaml                    # against keeping all\n"
            "weft what-if shop.weft.zst --config weft.yaml --rules new.yaml # against today's\n"
            "weft what-if --brokers kafka:9092 --range -2h..-1h --rules new.yaml\n"
            "weft what-if --brokers kafka:9092 --topic otlp_spans --range 0.. --rules new.yaml\n"
            "weft import-policies collector.yaml > new.yaml && weft what-if shop.weft.zst --rules "
            "new.yaml"};
  }
  void Declare(Options& options) override {
    options.Positional("file", &file_, false, "Recording of `weft record` or `weft run --record`");
    topic_.Declare(options);
    options.Text("--rules", &rules_, "Configuration file whose samplers are tried", "FILE");
    shared_.DeclareConfig(options);
    options.Int("--examples", &examples_, 0, 1000, "Traces to name for each rule and difference");
    options.Flag("--json", &json_, "Counts and examples as JSON");
  }

  Result<int> Run(CommandContext& context) override {
    if (rules_.empty()) return Fail(Code::kInvalid, "name the file with the new samplers: --rules");
    auto config = shared_.Load();
    if (!config) return std::unexpected(config.error());
    auto rules = LoadConfigFile(rules_);
    if (!rules) return std::unexpected(rules.error());
    if (file_.empty() != topic_.given())
      return Fail(Code::kInvalid,
                  "name a recording, or what to read of Kafka: --range -2h..-1h (one of both)");
    WEFT_TRY(topic_.CheckOptions());

    Metrics metrics, asked;  // the samplers' counters are not those of the run
    const plugin::Services services{context.log, metrics, context.clock};
    const plugin::Services apart{context.log, asked, context.clock};
    if (rules->plugin_dir.empty()) rules->plugin_dir = config->plugin_dir;
    auto before = Samplers::Make(*config, apart);
    if (!before) return Context(std::move(before.error()), "before");
    auto after = Samplers::Make(*rules, apart);
    if (!after) return Context(std::move(after.error()), rules_);
    const std::string name = config->samplers.empty() ? "all kept" : "the configuration";

    WhatIfTally tally((*before)->chain(), (*after)->chain(), static_cast<size_t>(examples_));
    WEFT_TRY(topic_.given() ? OfTopic(context, *config, services, tally)
                            : OfRecording(context, *config, services, tally));
    fmt::print("{}", json_ ? WhatIfJson(tally) : WhatIfText(tally, name, rules_));
    const uint64_t failures = asked.Get("trace.sampler_failures").Get();
    if (failures > 0) context.log.Error(fmt::format("samplers failed {} times", failures));
    return failures > 0 ? kExitFailure : kExitOk;
  }

 private:
  // All traces, in one partition, into the tally.
  Result<void> OfRecording(CommandContext& context, Config config, const plugin::Services& services,
                           WhatIfTally& tally) const {
    if (!std::filesystem::exists(file_))
      return Fail(Code::kNotFound, fmt::format("{}: no such recording", file_));
    auto reader = sources::RecordingReader::Open(file_);
    if (!reader) return std::unexpected(reader.error());
    config.samplers.clear();
    config.exporters.clear();
    config.transport.kind = "memory";
    config.partitions = 1;
    auto pipeline =
        Pipeline::Start(config, services, {}, {{{"what-if", &kTaker, &tally}}, /*as_judged=*/true});
    if (!pipeline) return std::unexpected(pipeline.error());
    sources::ReplaySource source(*reader, (*pipeline)->transport(), {.drop_truth = true},
                                 context.clock, services.metrics);
    const Result<void> replayed = source.Run();
    WEFT_TRY((*pipeline)->Stop(context.clock.MonotonicNs() + 3600 * kSecond));
    if (const auto failure = (*pipeline)->Failure()) return std::unexpected(*failure);
    return replayed;
  }

  Result<void> OfTopic(CommandContext& context, const Config& config,
                       const plugin::Services& services, WhatIfTally& tally) const {
    auto trace = TraceConfigOf(config);
    if (!trace) return std::unexpected(std::move(trace.error()));
    trace->as_judged = true;
    const auto counts =
        topic_.Read(config, services, {*trace, {}, false, [&](const trace::ExportBatchPtr& batch) {
                                         tally.Take(batch->view.spans(), batch->traces.View());
                                         return Result<void>{};
                                       }});
    if (!counts) return std::unexpected(counts.error());
    if (const std::string note = TopicTraces::Note(*counts); !note.empty()) context.log.Warn(note);
    return {};
  }

  RunOptions shared_;
  TopicTraces topic_;
  std::string file_, rules_;
  int64_t examples_ = 3;
  bool json_ = false;
};

}  // namespace

std::unique_ptr<Command> MakeWhatIf() { return std::make_unique<WhatIf>(); }

}  // namespace weft::cli
