// CommandShape: what a command's options are, as data; for completion scripts and man pages, which
// are made from the same declarations as --help. Pure.
#pragma once

#include <string>
#include <vector>

#include "engine/cli/command.h"

namespace weft::cli {

struct OptionShape {
  std::vector<std::string> names;  // "-n", "--limit"; one without dashes for a positional
  std::string value;               // "" for a flag
  std::string help, standard;      // standard: the default, "" where it says nothing
  bool positional() const { return !names[0].starts_with('-'); }
};

std::vector<OptionShape> ShapeOf(Command& command);

}  // namespace weft::cli
