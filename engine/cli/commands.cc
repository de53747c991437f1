// The list of commands, in the order of `weft --help`.
#include "engine/cli/commands.h"

namespace weft::cli {

std::vector<std::unique_ptr<Command>> AllCommands() {
  std::vector<std::unique_ptr<Command>> commands;
  commands.push_back(MakeRun());
  commands.push_back(MakeRecord());
  commands.push_back(MakeReplay());
  commands.push_back(MakeAgent());
  commands.push_back(MakeEngine());
#if WEFT_HAVE_SQLITE
  commands.push_back(MakeTraces());
  commands.push_back(MakeTrace());
  commands.push_back(MakeExplain());
  commands.push_back(MakeGraph());
  commands.push_back(MakeCompare());
  commands.push_back(MakeSql());
  commands.push_back(MakeExport());
  commands.push_back(MakeSnapshot());
  commands.push_back(MakeRecover());
  commands.push_back(MakeServe());
#else
  for (const auto* name :
       {"traces", "trace", "explain", "graph", "sql", "snapshot", "recover", "serve"})
    commands.push_back(MakeMissing(name, "SQLite", "libsqlite3-dev"));
#endif
  commands.push_back(MakeEval());
#if WEFT_HAVE_KAFKA
  commands.push_back(MakeTopicsCommand());
#else
  commands.push_back(MakeMissing("topics", "Kafka", "librdkafka-dev"));
#endif
  commands.push_back(MakeWhatIf());
  commands.push_back(MakeImportPolicies());
  commands.push_back(MakeTop());
  commands.push_back(MakeDoctor());
  commands.push_back(MakeValidate());
  commands.push_back(MakeCompletion());
  commands.push_back(MakeMan());
  return commands;
}

}  // namespace weft::cli
