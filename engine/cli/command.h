// Command: one verb of `weft`, in one file of this folder.
//
// To add one: write x.cc with a class and a function MakeX(), declare the function in commands.h
// and add it to the list in commands.cc; nothing registers itself. A command says what it is (with
// examples, which a test demands), declares its options into its own members, and runs. Errors come
// back as Result or as an exit code; only main turns an Error into text and a code (ExitCodeOf).
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "engine/base/clock.h"
#include "engine/base/log.h"
#include "engine/base/result.h"

namespace weft::cli {

// Documented in `weft --help`; scripts rely on them.
enum ExitCode : int {
  kExitOk = 0,
  kExitFailure = 1,    // it was tried and failed: I/O, a corrupt file, a bug
  kExitUsage = 2,      // the command line or the configuration is wrong
  kExitDenied = 3,     // privileges or kernel features are missing
  kExitNotFound = 4,   // no such file, trace or span; nothing matched
  kExitUnhealthy = 5,  // doctor: something needs to be mended
};
int ExitCodeOf(const Error& error);

// Names begin with "--" ("-n,--limit" gives a short form too). The defaults shown in --help are the
// values that the members have when declared. All pointers must outlive the parse: members.
class Options {
 public:
  virtual ~Options() = default;
  virtual void Flag(std::string_view name, bool* out, std::string_view help) = 0;
  virtual void Text(std::string_view name, std::string* out, std::string_view help,
                    std::string_view value_name = "TEXT") = 0;
  // Repeatable; commas separate as well.
  virtual void List(std::string_view name, std::vector<std::string>* out, std::string_view help,
                    std::string_view value_name = "A,B,...") = 0;
  virtual void Ints(std::string_view name, std::vector<int64_t>* out, int64_t min, int64_t max,
                    std::string_view help) = 0;
  virtual void Int(std::string_view name, int64_t* out, int64_t min, int64_t max,
                   std::string_view help) = 0;
  virtual void Number(std::string_view name, double* out, double min, double max,
                      std::string_view help) = 0;
  virtual void Duration(std::string_view name, int64_t* ns, std::string_view help) = 0;
  virtual void Size(std::string_view name, uint64_t* bytes, std::string_view help) = 0;
  virtual void Positional(std::string_view name, std::string* out, bool required,
                          std::string_view help) = 0;
  // All that are given, perhaps none. The last one to be declared.
  virtual void Positionals(std::string_view name, std::vector<std::string>* out,
                           std::string_view help) = 0;
};

struct CommandInfo {
  std::string_view name;      // "run"
  std::string_view summary;   // one line for the list of commands
  std::string_view details;   // paragraphs for `weft run --help`; may be empty
  std::string_view examples;  // one "weft run ..." per line, each with a comment
};

// What main gives to the command that runs. Lent for the call.
struct CommandContext {
  const Clock& clock;
  Logger& log;
  bool log_level_given;          // on the command line: it wins over a configuration
  std::filesystem::path binary;  // of this program, links resolved
  bool incomplete = false;       // set where the answer lacks something: the exit code says so
};

class Command {
 public:
  virtual ~Command() = default;
  virtual CommandInfo Info() const = 0;
  virtual void Declare(Options& options) = 0;
  // Results for pipes go to stdout, everything else to stderr. An ExitCode or an Error.
  virtual Result<int> Run(CommandContext& context) = 0;
};

// Stands in for a command that this build lacks: says which part is missing and how to get it.
std::unique_ptr<Command> MakeMissing(std::string_view name, std::string_view part,
                                     std::string_view packages);

// Text for people, on stderr. If nobody can read it, it is not worth ending for: what fmt::print
// would throw (a full disk, a pipe whose reader has gone) is ignored.
void PrintNote(const std::string& text);

// Parses the command line, runs the command, prints the error if there is one.
int Dispatch(int argc, char** argv, std::vector<std::unique_ptr<Command>> commands);

}  // namespace weft::cli
