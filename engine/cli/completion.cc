#include <fmt/format.h>

#include "engine/cli/command_shape.h"
#include "engine/cli/commands.h"

namespace weft::cli {
namespace {

std::string Names(const std::vector<OptionShape>& shapes) {
  std::string names = "--help";
  for (const OptionShape& shape : shapes)
    if (!shape.positional()) names += " " + shape.names.back();
  return names;
}

// In single quotes of a shell.
std::string Quoted(std::string_view text) {
  std::string out = "'";
  for (const char c : text) c == '\'' ? out += "'\\''" : out += c;
  return out + "'";
}

std::string Bash(const std::vector<std::unique_ptr<Command>>& commands) {
  std::string list, cases;
  for (const auto& command : commands) {
    const std::string name(command->Info().name);
    list += (list.empty() ? "" : " ") + name;
    cases += fmt::format("    {}) words={} ;;\n", name, Quoted(Names(ShapeOf(*command))));
  }
  return fmt::format(
      "# bash completion of weft: source <(weft completion bash)\n"
      "_weft() {{\n"
      "  local word=${{COMP_WORDS[COMP_CWORD]}} words={}\n"
      "  if [ \"$COMP_CWORD\" -gt 1 ]; then\n"
      "    case ${{COMP_WORDS[1]}} in\n{}    esac\n"
      "    case $word in -*) ;; *) COMPREPLY=($(compgen -f -- \"$word\")); return ;; esac\n"
      "  fi\n"
      "  COMPREPLY=($(compgen -W \"$words\" -- \"$word\"))\n"
      "}}\n"
      "complete -o filenames -F _weft weft\n",
      Quoted(list), cases);
}

std::string Zsh(const std::vector<std::unique_ptr<Command>>& commands) {
  std::string list, cases;
  // _arguments takes : and brackets for its own.
  const auto plain = [](std::string_view text) {
    std::string out;
    for (const char c : text) {
      if (c == ':' || c == '[' || c == ']' || c == '\\') out += '\\';
      out += c;
    }
    return out;
  };
  for (const auto& command : commands) {
    const CommandInfo info = command->Info();
    list += fmt::format("    {}\n", Quoted(fmt::format("{}:{}", info.name, plain(info.summary))));
    cases += fmt::format("    {}) _arguments", info.name);
    for (const OptionShape& shape : ShapeOf(*command)) {
      if (shape.positional()) continue;
      cases += fmt::format(
          " \\\n      {}",
          Quoted(fmt::format("{}[{}]{}", shape.names.back(), plain(shape.help),
                             shape.value.empty() ? "" : ":" + plain(shape.value) + ":_files")));
    }
    cases += " \\\n      '*:file:_files' ;;\n";
  }
  return fmt::format(
      "#compdef weft\n"
      "# zsh completion of weft: source <(weft completion zsh)\n"
      "_weft() {{\n"
      "  local -a commands=(\n{}  )\n"
      "  if (( CURRENT == 2 )); then _describe command commands; return; fi\n"
      "  local command=$words[2]\n"
      "  shift words; (( CURRENT-- ))\n"
      "  case $command in\n{}  esac\n"
      "}}\n"
      "compdef _weft weft\n",
      list, cases);
}

std::string Fish(const std::vector<std::unique_ptr<Command>>& commands) {
  std::string out = "# fish completion of weft: weft completion fish | source\n";
  for (const auto& command : commands) {
    const CommandInfo info = command->Info();
    out += fmt::format("complete -c weft -n __fish_use_subcommand -a {} -d {}\n", info.name,
                       Quoted(info.summary));
    for (const OptionShape& shape : ShapeOf(*command)) {
      if (shape.positional()) continue;
      out += fmt::format("complete -c weft -n '__fish_seen_subcommand_from {}' -l {}{} -d {}\n",
                         info.name, shape.names.back().substr(2), shape.value.empty() ? "" : " -r",
                         Quoted(shape.help));
    }
  }
  return out;
}

class Completion final : public Command {
 public:
  CommandInfo Info() const override {
    return {"completion", "Print the completion script of a shell", "",
            "weft completion bash > /etc/bash_completion.d/weft\n"
            "source <(weft completion zsh)                  # in ~/.zshrc\n"
            "weft completion fish | source                  # in config.fish"};
  }
  void Declare(Options& options) override {
    options.Positional("shell", &shell_, true, "bash, zsh or fish");
  }
  Result<int> Run(CommandContext&) override {
    const auto commands = AllCommands();
    if (shell_ == "bash")
      fmt::print("{}", Bash(commands));
    else if (shell_ == "zsh")
      fmt::print("{}", Zsh(commands));
    else if (shell_ == "fish")
      fmt::print("{}", Fish(commands));
    else
      return Fail(Code::kInvalid, fmt::format("{}: expected bash, zsh or fish", shell_));
    return kExitOk;
  }

 private:
  std::string shell_;
};

}  // namespace

std::unique_ptr<Command> MakeCompletion() { return std::make_unique<Completion>(); }

}  // namespace weft::cli
