// The commands of weft, one function per file of this folder; commands.cc has the list. Commands
// that need an optional part (SQLite, BPF) are there under its macro, with MakeMissing otherwise.
#pragma once

#include <memory>
#include <vector>

#include "engine/cli/command.h"

namespace weft::cli {

std::vector<std::unique_ptr<Command>> AllCommands();

std::unique_ptr<Command> MakeAgent();
std::unique_ptr<Command> MakeCompare();
std::unique_ptr<Command> MakeCompletion();
std::unique_ptr<Command> MakeDoctor();
std::unique_ptr<Command> MakeEngine();
std::unique_ptr<Command> MakeEval();
std::unique_ptr<Command> MakeExplain();
std::unique_ptr<Command> MakeExport();
std::unique_ptr<Command> MakeGraph();
std::unique_ptr<Command> MakeMan();
std::unique_ptr<Command> MakeImportPolicies();
std::unique_ptr<Command> MakeRecord();
std::unique_ptr<Command> MakeRecover();
std::unique_ptr<Command> MakeReplay();
std::unique_ptr<Command> MakeRun();
std::unique_ptr<Command> MakeServe();
std::unique_ptr<Command> MakeSnapshot();
std::unique_ptr<Command> MakeSql();
std::unique_ptr<Command> MakeTop();
std::unique_ptr<Command> MakeTopicsCommand();
std::unique_ptr<Command> MakeTrace();
std::unique_ptr<Command> MakeTraces();
std::unique_ptr<Command> MakeValidate();
std::unique_ptr<Command> MakeWhatIf();

}  // namespace weft::cli
