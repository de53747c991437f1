#include "engine/cli/commands.h"

int main(int argc, char** argv) {
  return weft::cli::Dispatch(argc, argv, weft::cli::AllCommands());
}
