// The list of commands. Everything else about the command line is in command_line.cc.
#include "engine/cli/commands.h"

int main(int argc, char** argv) {
  using namespace weft::cli;
  std::vector<std::unique_ptr<Command>> commands;
  commands.push_back(MakeValidate());
  return Dispatch(argc, argv, std::move(commands));
}
