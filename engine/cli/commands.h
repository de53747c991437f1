// The commands of weft, one function per file of this folder; main.cc has the list. Commands that
// need an optional part (SQLite, BPF) are in main.cc under its macro, with MakeMissing otherwise.
#pragma once

#include <memory>

#include "engine/cli/command.h"

namespace weft::cli {

std::unique_ptr<Command> MakeValidate();

}  // namespace weft::cli
