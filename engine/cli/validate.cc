#include "engine/cli/commands.h"

namespace weft::cli {
namespace {

class Validate final : public Command {
 public:
  CommandInfo Info() const override {
    return {"validate", "Check a configuration file",
            "Says for each mistake the file, line and key, and the nearest key that exists.",
            "weft validate weft.yaml                      # check it\n"
            "weft validate --print-defaults > weft.yaml   # every key with default and meaning"};
  }
  void Declare(Options& options) override {
    options.Positional("file", &file_, false, "Configuration file (YAML)");
    options.Flag("--print-defaults", &print_defaults_,
                 "Print the complete default configuration with comments");
  }
  Result<int> Run(CommandContext&) override {
    return Fail(Code::kUnsupported, "the configuration loader is not there yet");
  }

 private:
  std::string file_;
  bool print_defaults_ = false;
};

}  // namespace

std::unique_ptr<Command> MakeValidate() { return std::make_unique<Validate>(); }

}  // namespace weft::cli
