#include <fstream>
#include <sstream>

#include <fmt/format.h>

#include "engine/cli/commands.h"
#include "engine/cli/policy_import.h"
#include "engine/plugin/instance.h"
#include "engine/plugin/loader.h"

namespace weft::cli {
namespace {

class ImportPoliciesCommand final : public Command {
 public:
  CommandInfo Info() const override {
    return {"import-policies", "Sampling rules of a Collector or of Refinery as weft's",
            "Reads tail_sampling of an OpenTelemetry Collector's configuration, or rules of "
            "Honeycomb's\nRefinery (version 2), and prints a `samplers` section. What could not be "
            "carried over is named,\non stderr and in the file.",
            "weft import-policies collector.yaml > sampling.yaml\n"
            "weft import-policies rules.yaml --name production   # an environment of Refinery"};
  }
  void Declare(Options& options) override {
    options.Positional("file", &file_, true, "The other's configuration (YAML)");
    options.Text("--name", &name_, "Which tail_sampling, or which environment, of several");
    options.Text("--plugin-dir", &plugin_dir_, "Folder of the plugins", "FOLDER");
    options.Flag("--strict", &strict_, "Fail where something was not carried over");
  }
  Result<int> Run(CommandContext& context) override {
    std::ifstream in(file_);
    if (!in) return Fail(Code::kNotFound, fmt::format("{}: cannot be read", file_));
    std::stringstream text;
    text << in.rdbuf();
    plugin::PluginLoader loader(plugin_dir_.empty() ? plugin::DefaultPluginFolder()
                                                    : std::filesystem::path(plugin_dir_));
    auto tail = loader.Load(plugin::Kind::kSampler, "tail");
    if (!tail) return std::unexpected(tail.error());
    Metrics metrics;
    // The sampler itself says what it can do.
    const auto check = [&](const std::string& config) -> std::string {
      auto made =
          plugin::PluginInstance::Create(*tail, config, {context.log, metrics, context.clock});
      if (made) return "";
      const std::string& why = made.error().message;
      const size_t at = why.find("[0]");
      return at == why.npos ? why : why.substr(std::min(why.size(), at + 4));
    };
    const auto imported = ImportPolicies(text.str(), name_, check);
    if (!imported) return Context(imported.error(), file_);
    fmt::print("{}", imported->yaml);
    for (const std::string& note : imported->notes) PrintNote(note + "\n");
    PrintNote(fmt::format("{}: {} carried over, {} not\n", imported->from, imported->carried,
                          imported->refused));
    return strict_ && imported->refused > 0 ? kExitFailure : kExitOk;
  }

 private:
  std::string file_, name_, plugin_dir_;
  bool strict_ = false;
};

}  // namespace

std::unique_ptr<Command> MakeImportPolicies() { return std::make_unique<ImportPoliciesCommand>(); }

}  // namespace weft::cli
