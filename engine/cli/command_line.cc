// The one file that knows CLI11, which costs five seconds of compile time per file that includes
// it.
#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <new>

#include <fmt/format.h>

#include "engine/base/nearest_word.h"
#include "engine/base/units.h"
#include "engine/cli/command.h"
#include "engine/cli/crash_note.h"
#include "engine/cli/terminal.h"
#include "engine/cli/version.h"

namespace weft::cli {
namespace {

constexpr std::string_view kFooter =
    "Examples:\n"
    "  weft run                                    # trace every process on this host into "
    "./weft.db\n"
    "  weft traces --service shop-cart --min-duration 50ms --last 5m\n"
    "  weft trace 4bf92f3577b34da6                 # waterfall; a unique prefix of the id is "
    "enough\n"
    "  weft explain 00f067aa0ba902b7               # why this parent\n"
    "  weft graph --last 5m | dot -Tsvg > graph.svg\n"
    "  weft sql \"select service, count(*), p95_ms from red group by 1\"\n"
    "  weft top                                    # what is going on now: rates, lag, loss\n"
    "  weft doctor                                 # what works here, what does not, and what "
    "mends it\n"
    "\n"
    "Exit codes:\n"
    "  0 done   1 failed   2 wrong command line or configuration\n"
    "  3 privileges or kernel features are missing   4 not found   5 doctor found something to "
    "mend\n";

// CLI11 reports a failed conversion by a returned text; its own type checks know no units.
class CliOptions final : public Options {
 public:
  explicit CliOptions(CLI::App& app) : app_(app) {}

  void Flag(std::string_view name, bool* out, std::string_view help) override {
    app_.add_flag(std::string(name), *out, std::string(help));
  }
  void Text(std::string_view name, std::string* out, std::string_view help,
            std::string_view value_name) override {
    Named(app_.add_option(std::string(name), *out, std::string(help)), value_name, !out->empty());
  }
  void List(std::string_view name, std::vector<std::string>* out, std::string_view help,
            std::string_view value_name) override {
    Named(app_.add_option(std::string(name), *out, std::string(help))
              ->delimiter(',')
              ->allow_extra_args(false),
          value_name, !out->empty());
  }
  void Ints(std::string_view name, std::vector<int64_t>* out, int64_t min, int64_t max,
            std::string_view help) override {
    Named(app_.add_option(std::string(name), *out, std::string(help))
              ->delimiter(',')
              ->allow_extra_args(false)
              ->check(CLI::Range(min, max)),
          "N,N,...", false);
  }
  void Int(std::string_view name, int64_t* out, int64_t min, int64_t max,
           std::string_view help) override {
    app_.add_option(std::string(name), *out, std::string(help))
        ->check(CLI::Range(min, max))
        ->capture_default_str();
  }
  void Number(std::string_view name, double* out, double min, double max,
              std::string_view help) override {
    app_.add_option(std::string(name), *out, std::string(help))
        ->check(CLI::Range(min, max))
        ->capture_default_str();
  }
  void Duration(std::string_view name, int64_t* ns, std::string_view help) override {
    const auto parse = [ns](const std::string& text) {
      const auto value = ParseDuration(text);
      if (!value) throw CLI::ValidationError(value.error().message);
      *ns = *value;
    };
    Named(app_.add_option_function<std::string>(std::string(name), parse, std::string(help)),
          "DURATION", false);
    if (*ns != 0) app_.get_option(LongName(name))->default_str(FormatDuration(*ns));
  }
  void Size(std::string_view name, uint64_t* bytes, std::string_view help) override {
    const auto parse = [bytes](const std::string& text) {
      const auto value = ParseSize(text);
      if (!value) throw CLI::ValidationError(value.error().message);
      *bytes = *value;
    };
    Named(app_.add_option_function<std::string>(std::string(name), parse, std::string(help)),
          "SIZE", false);
    if (*bytes != 0) app_.get_option(LongName(name))->default_str(FormatSize(*bytes));
  }
  void Positional(std::string_view name, std::string* out, bool required,
                  std::string_view help) override {
    app_.add_option(std::string(name), *out, std::string(help))->required(required);
  }
  void Positionals(std::string_view name, std::vector<std::string>* out,
                   std::string_view help) override {
    app_.add_option(std::string(name), *out, std::string(help));
  }

 private:
  static void Named(CLI::Option* option, std::string_view value_name, bool show_default) {
    option->type_name(std::string(value_name));
    if (show_default) option->capture_default_str();
  }
  static std::string LongName(std::string_view name) {
    return std::string(name.substr(name.find("--")));
  }
  CLI::App& app_;
};

class Missing final : public Command {
 public:
  Missing(std::string_view name, std::string_view part, std::string_view packages)
      : name_(name), part_(part), packages_(packages) {}
  CommandInfo Info() const override {
    return {name_, "(not in this build)", "", "weft doctor   # what this build can do"};
  }
  void Declare(Options&) override {}
  Result<int> Run(CommandContext&) override {
    return Fail(
        Code::kUnsupported,
        fmt::format("this weft was built without {}, which '{}' needs: install {} and build "
                    "again (`make build` prints what it found)",
                    part_, name_, packages_));
  }

 private:
  std::string_view name_, part_, packages_;
};

// Paragraphs as wide as the terminal, up to what reads well. Lines that are indented stay.
std::string Paragraphs(std::string_view text) {
  const auto width = static_cast<size_t>(std::clamp(Stdout().width, 40, 100));
  std::string out, paragraph;
  const auto end_paragraph = [&] {
    if (!paragraph.empty()) out.append(Wrap(paragraph, width, 0)).append("\n");
    paragraph.clear();
  };
  while (!text.empty()) {
    const std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(line.size() + 1, text.size()));
    if (line.empty() || line[0] == ' ') {
      end_paragraph();
      out.append(line).append("\n");
    } else {
      paragraph.append(paragraph.empty() ? "" : " ").append(line);
    }
  }
  end_paragraph();
  return out;
}

std::string Footer(const CommandInfo& info) {
  std::string out;
  if (!info.details.empty()) out.append(Paragraphs(info.details)).append("\n");
  out.append("Examples:\n");
  for (size_t at = 0; at < info.examples.size();) {
    const size_t end = std::min(info.examples.find('\n', at), info.examples.size());
    out.append("  ").append(info.examples.substr(at, end - at)).append("\n");
    at = end + 1;
  }
  return out;
}

// CLI11 would say "a subcommand is required" to `weft trcae`.
std::string UnknownCommand(int argc, char** argv,
                           const std::vector<std::unique_ptr<Command>>& commands) {
  if (argc < 2 || argv[1][0] == '-') return {};
  const std::string_view word = argv[1];
  std::vector<std::string_view> names;
  for (const auto& command : commands) names.push_back(command->Info().name);
  if (std::find(names.begin(), names.end(), word) != names.end()) return {};
  const std::string_view near = NearestWord(word, names);
  return fmt::format("'{}' is not a command{} (`weft --help` lists them)", word,
                     near.empty() ? "" : fmt::format("; did you mean '{}'?", near));
}

int RunCommand(Command& command, LogLevel level, bool given) {
  const SystemClock clock;
  const auto log = StderrLogger(level);
  std::error_code ignored;
  CommandContext context{clock, *log, given,
                         std::filesystem::read_symlink("/proc/self/exe", ignored)};
  const Result<int> result = command.Run(context);
  if (!result) {
    PrintNote(fmt::format("weft {}: {}\n", command.Info().name, result.error().message));
    return ExitCodeOf(result.error());
  }
  // What the answer is redirected to may be full; that shows only here.
  if (std::fflush(stdout) == 0 && std::ferror(stdout) == 0)
    return *result == kExitOk && context.incomplete ? kExitFailure : *result;
  PrintNote(
      fmt::format("weft {}: standard output: {}\n", command.Info().name, std::strerror(errno)));
  return kExitFailure;
}

int DispatchOrThrow(int argc, char** argv, std::vector<std::unique_ptr<Command>> commands) {
  CLI::App app("Distributed traces of programs that nobody had to instrument.", "weft");
  app.footer(std::string(kFooter));
  app.set_version_flag("--version", VersionText);
  app.require_subcommand(1);
  std::string level = "warn";
  const CLI::Option* const level_option =
      app.add_option("--log-level", level, "Lines at or above this level go to stderr")
          ->capture_default_str()
          ->check(CLI::IsMember({"debug", "info", "warn", "error"}));

  for (const auto& command : commands) {
    const CommandInfo info = command->Info();
    CLI::App* sub = app.add_subcommand(std::string(info.name), std::string(info.summary));
    sub->footer(Footer(info));
    sub->fallthrough();  // `weft run --log-level debug` is what people type
    CliOptions options(*sub);
    command->Declare(options);
  }
  if (const std::string unknown = UnknownCommand(argc, argv, commands); !unknown.empty()) {
    PrintNote(fmt::format("weft: {}\n", unknown));
    return kExitUsage;
  }
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    // --help and --version arrive as "errors" with code 0.
    return app.exit(e) == 0 ? kExitOk : kExitUsage;
  }
  const LogLevel log_level = level == "debug"  ? LogLevel::kDebug
                             : level == "info" ? LogLevel::kInfo
                             : level == "warn" ? LogLevel::kWarn
                                               : LogLevel::kError;
  const std::string chosen = app.get_subcommands().front()->get_name();
  for (const auto& command : commands)
    if (command->Info().name == chosen)
      return RunCommand(*command, log_level, level_option->count() > 0);
  return kExitUsage;
}

}  // namespace

int ExitCodeOf(const Error& error) {
  switch (error.code) {
    case Code::kInvalid: return kExitUsage;
    case Code::kDenied:
    case Code::kUnsupported: return kExitDenied;
    case Code::kNotFound: return kExitNotFound;
    default: return kExitFailure;
  }
}

std::unique_ptr<Command> MakeMissing(std::string_view name, std::string_view part,
                                     std::string_view packages) {
  return std::make_unique<Missing>(name, part, packages);
}

void PrintNote(const std::string& text) { (void)std::fputs(text.c_str(), stderr); }

int Dispatch(int argc, char** argv, std::vector<std::unique_ptr<Command>> commands) {
  InstallCrashNote();
  try {
    return DispatchOrThrow(argc, argv, std::move(commands));
  } catch (const std::bad_alloc&) {
    std::fputs("weft: out of memory\n", stderr);
  } catch (const std::exception& e) {
    PrintNote(fmt::format("weft: internal error: {}\n", e.what()));
  }
  return kExitFailure;
}

}  // namespace weft::cli
