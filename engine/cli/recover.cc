// `weft recover`: what a damaged store still has, into a new one.
#include <fmt/format.h>

#include "engine/cli/commands.h"
#include "sql/salvage.h"

namespace weft::cli {
namespace {

std::string Ranges(const sql::SalvagedTable& table) {
  constexpr size_t kShown = 5;
  std::string out;
  for (size_t i = 0; i < table.lost.size() && i < kShown; ++i) {
    const auto& [first, last] = table.lost[i];
    out += fmt::format("{}{}..{}", i == 0 ? "" : ", ", first,
                       last == INT64_MAX ? "end" : std::to_string(last));
  }
  if (table.lost.size() > kShown) out += fmt::format(" and {} more", table.lost.size() - kShown);
  return out;
}

class Recover final : public Command {
 public:
  CommandInfo Info() const override {
    return {
        "recover", "Read what a damaged store still has into a new one",
        "Says what could not be read, by table and row ids; the damaged file stays as it is. Stop "
        "the weft\nthat writes to it first. Exit code 0: everything was read; 1: something was "
        "lost, and the new store has\nthe rest.",
        "weft recover weft.db rescued.db && mv weft.db weft.db.bad && mv rescued.db weft.db"};
  }
  void Declare(Options& options) override {
    options.Positional("damaged", &from_, true, "The store that cannot be read");
    options.Positional("out", &to_, true, "File to write; must not be there yet");
  }

  Result<int> Run(CommandContext&) override {
    const auto saved = sql::SalvageStore(from_, to_);
    if (!saved) return std::unexpected(saved.error());
    for (const sql::SalvagedTable& table : saved->tables)
      if (!table.lost.empty())
        PrintNote(fmt::format("weft: {}: {} rows read, not those with ids {}\n", table.name,
                              table.rows, Ranges(table)));
    if (saved->orphans > 0)
      PrintNote(fmt::format("weft: {} spans were read whose trace or operation was not; left out\n",
                            saved->orphans));
    if (saved->short_traces > 0)
      PrintNote(
          fmt::format("weft: {} traces have fewer spans than they had\n", saved->short_traces));
    PrintNote(fmt::format("weft: {}: {} traces of {} spans\n", to_, saved->traces, saved->spans));
    return saved->whole() ? kExitOk : kExitFailure;
  }

 private:
  std::string from_, to_;
};

}  // namespace

std::unique_ptr<Command> MakeRecover() { return std::make_unique<Recover>(); }

}  // namespace weft::cli
