#include <cstdio>

#include <fmt/format.h>

#include "engine/base/config.h"
#include "engine/cli/commands.h"
#include "engine/redact/rules.h"
#if WEFT_HAVE_KAFKA
#include "engine/transport/kafka_settings.h"
#endif

namespace weft::cli {
namespace {

class Validate final : public Command {
 public:
  CommandInfo Info() const override {
    return {
        "validate", "Check a configuration file",
        "Names for each mistake the file, line and key, and the nearest key that exists.\nOn "
        "SIGHUP `weft "
        "run`, `agent` and `engine` read their file again; samplers, correlators, log.level and "
        "which\n"
        "processes are watched change at once, what else is changed is named and needs a restart, "
        "and a "
        "wrong\nfile changes nothing.",
        "weft validate weft.yaml                      # exit code 0: it is right, 2: it is not\n"
        "weft validate --print-defaults > weft.yaml   # every key with default and meaning"};
  }
  void Declare(Options& options) override {
    options.Positional("file", &file_, false, "Configuration file (YAML)");
    options.Flag("--print-defaults", &print_defaults_,
                 "Print the complete default configuration with comments");
  }
  Result<int> Run(CommandContext&) override {
    if (print_defaults_) {
      std::fputs(PrintDefaultConfig().c_str(), stdout);
      return kExitOk;
    }
    if (file_.empty()) return Fail(Code::kInvalid, "name a file, or --print-defaults");
    const auto config = LoadConfigFile(file_);
    if (!config) return std::unexpected(config.error());
#if WEFT_HAVE_KAFKA
    if (const auto known = transport::CheckKafkaPassedOn(config->kafka); !known)
      return Context(known.error(), file_);
#endif
    if (const auto rules = redact::Rules::Make(config->redact); !rules)
      return Context(rules.error(), file_);
    fmt::print("{}: ok\n", file_);
    if (const PluginChoice* tail = UncappedTail(*config))
      fmt::print(
          "{}:{}: note: no 'rate' sampler stands after 'tail': who makes every request an "
          "error or slow fills the store; see configs/sampling.yaml\n",
          file_, tail->line);
    return kExitOk;
  }

 private:
  // The sampler that keeps by what requests say of themselves, if no budget stands above it.
  static const PluginChoice* UncappedTail(const Config& config) {
    const PluginChoice* tail = nullptr;
    for (const PluginChoice& sampler : config.samplers) {
      if (sampler.name == "tail") tail = &sampler;
      if (sampler.name == "rate") tail = nullptr;
    }
    return tail;
  }

  std::string file_;
  bool print_defaults_ = false;
};

}  // namespace

std::unique_ptr<Command> MakeValidate() { return std::make_unique<Validate>(); }

}  // namespace weft::cli
