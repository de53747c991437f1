#include <fmt/format.h>

#include "engine/base/nearest_word.h"
#include "engine/cli/command_shape.h"
#include "engine/cli/commands.h"
#include "engine/cli/run_summary.h"

namespace weft::cli {
namespace {

// Text as roff has it: backslashes, dashes that stay dashes, and no line that begins a request.
std::string Roff(std::string_view text) {
  std::string out;
  bool begin = true;
  for (const char c : text) {
    if (begin && (c == '.' || c == '\'')) out += "\\&";
    begin = c == '\n';
    if (c == '\\')
      out += "\\e";
    else if (c == '-')
      out += "\\-";
    else
      out += c;
  }
  return out;
}

std::string Head(const std::string& name, std::string_view summary) {
  return fmt::format(".TH {} 1 \"\" \"weft {}\"\n.SH NAME\n{} \\- {}\n", Roff(name), WEFT_VERSION,
                     Roff(name), Roff(summary));
}

std::string Synopsis(const std::string& name, const std::vector<OptionShape>& shapes) {
  std::string out = fmt::format(".SH SYNOPSIS\n.B weft {}\n[options]", Roff(name));
  for (const OptionShape& shape : shapes)
    if (shape.positional()) out += fmt::format(" \\fI{}\\fR", Roff(shape.names[0]));
  return out + "\n";
}

std::string OptionsOf(const std::vector<OptionShape>& shapes) {
  std::string out;
  for (const OptionShape& shape : shapes) {
    out += ".TP\n";
    for (size_t i = 0; i < shape.names.size(); ++i)
      out += fmt::format("{}\\fB{}\\fR", i == 0 ? "" : ", ", Roff(shape.names[i]));
    if (!shape.value.empty()) out += fmt::format(" \\fI{}\\fR", Roff(shape.value));
    out += fmt::format("\n{}", Roff(shape.help));
    if (!shape.standard.empty()) out += fmt::format(" (default: {})", Roff(shape.standard));
    out += "\n";
  }
  return out.empty() ? "" : ".SH OPTIONS\n" + out;
}

std::string Page(Command& command) {
  const CommandInfo info = command.Info();
  const std::vector<OptionShape> shapes = ShapeOf(command);
  std::string out = Head("weft-" + std::string(info.name), info.summary);
  out += Synopsis(std::string(info.name), shapes);
  if (!info.details.empty()) out += fmt::format(".SH DESCRIPTION\n{}\n", Roff(info.details));
  out += OptionsOf(shapes);
  out +=
      fmt::format(".SH EXAMPLES\n.nf\n{}\n.fi\n.SH SEE ALSO\n.BR weft (1)\n", Roff(info.examples));
  return out;
}

std::string Overview(const std::vector<std::unique_ptr<Command>>& commands) {
  std::string out = Head("weft", "distributed traces of programs that nobody had to instrument");
  out += ".SH SYNOPSIS\n.B weft\n\\fIcommand\\fR [options]\n.SH COMMANDS\n";
  for (const auto& command : commands)
    out += fmt::format(".TP\n.BR weft\\-{} (1)\n{}\n", Roff(command->Info().name),
                       Roff(command->Info().summary));
  out +=
      ".SH EXIT STATUS\n0 done, 1 failed, 2 wrong command line or configuration, 3 privileges or "
      "kernel features are missing, 4 not found, 5 doctor found something to mend\n";
  return out;
}

class Man final : public Command {
 public:
  CommandInfo Info() const override {
    return {"man", "Print a manual page, made from the help",
            "Without a command: the page that lists them.",
            "weft man trace | man -l -                      # read it\n"
            "weft man --all /usr/local/share/man/man1       # every page, as files"};
  }
  void Declare(Options& options) override {
    options.Text("--all", &folder_, "Write every page there instead", "DIR");
    options.Positional("command", &name_, false, "Whose page");
  }
  Result<int> Run(CommandContext&) override {
    const auto commands = AllCommands();
    if (!folder_.empty()) return WriteAll(commands);
    std::vector<std::string_view> names;
    if (name_.empty()) fmt::print("{}", Overview(commands));
    for (const auto& command : commands) {
      names.push_back(command->Info().name);
      if (names.back() != name_) continue;
      fmt::print("{}", Page(*command));
      return kExitOk;
    }
    if (name_.empty()) return kExitOk;
    const std::string_view near = NearestWord(name_, names);
    return Fail(Code::kNotFound,
                fmt::format("'{}' is not a command{}", name_,
                            near.empty() ? "" : fmt::format("; did you mean '{}'?", near)));
  }

 private:
  Result<int> WriteAll(const std::vector<std::unique_ptr<Command>>& commands) const {
    WEFT_TRY(WriteTextFile(folder_ + "/weft.1", Overview(commands)));
    for (const auto& command : commands)
      WEFT_TRY(WriteTextFile(fmt::format("{}/weft-{}.1", folder_, command->Info().name),
                             Page(*command)));
    return kExitOk;
  }

  std::string name_, folder_;
};

}  // namespace

std::unique_ptr<Command> MakeMan() { return std::make_unique<Man>(); }

}  // namespace weft::cli
