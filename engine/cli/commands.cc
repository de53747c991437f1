// The list of commands, in the order of `weft --help`.
#include "engine/cli/commands.h"

namespace weft::cli {

std::vector<std::unique_ptr<Command>> AllCommands() {
  std::vector<std::unique_ptr<Command>> commands;
#if WEFT_HAVE_ENGINE
  commands.push_back(MakeRun());
  commands.push_back(MakeRecord());
  commands.push_back(MakeReplay());
#endif
  commands.push_back(MakeDoctor());
  commands.push_back(MakeValidate());
  return commands;
}

}  // namespace weft::cli
