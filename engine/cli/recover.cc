// `weft recover`: what a damaged store still has, into a new one.
#include <cerrno>
#include <cstring>
#include <sys/stat.h>
#include <unistd.h>

#include <fmt/format.h>

#include "engine/cli/commands.h"
#include "sinks/sqlite/store_lock.h"
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

Result<void> Rename(const std::string& from, const std::string& to) {
  if (::rename(from.c_str(), to.c_str()) == 0 || errno == ENOENT) return {};
  return Fail(Code::kIo,
              fmt::format("{} cannot be renamed to {}: {}", from, to, std::strerror(errno)));
}

// The log goes with the damaged file: SQLite would take it for the new one's.
Result<void> PutInPlace(const std::string& rescued, const std::string& store,
                        const std::string& kept) {
  struct stat was {};
  // Whoever could read and write it still can.
  if (::stat(store.c_str(), &was) == 0 && (::chown(rescued.c_str(), was.st_uid, was.st_gid) != 0 ||
                                           ::chmod(rescued.c_str(), was.st_mode & 0777) != 0))
    return Fail(Code::kDenied,
                fmt::format("{} cannot be given to the owner of {}: {}; it has what was read",
                            rescued, store, std::strerror(errno)));
  for (const char* suffix : {"-wal", "-shm", ""}) WEFT_TRY(Rename(store + suffix, kept + suffix));
  return Rename(rescued, store);
}

class Recover final : public Command {
 public:
  CommandInfo Info() const override {
    return {
        "recover", "Read what a damaged store still has into a new one",
        "Says what could not be read, by table and row ids. With --replace the new store takes the "
        "damaged\none's place, which stays beside it as FILE.bad; stop the weft that writes to it "
        "first. Exit code 0:\neverything was read; 1: something was lost, and the new store has "
        "the "
        "rest.",
        "weft recover weft.db rescued.db\n"
        "weft recover --replace /var/lib/weft/weft.db"};
  }
  void Declare(Options& options) override {
    options.Positional("damaged", &from_, true, "The store that cannot be read");
    options.Positional("out", &to_, false, "File to write; must not be there yet");
    options.Flag("--replace", &replace_,
                 "Put it in the damaged one's place, which becomes FILE.bad");
  }

  Result<int> Run(CommandContext&) override {
    if (replace_ != to_.empty())
      return Fail(Code::kInvalid, "name a file to write, or --replace: one of both");
    if (!replace_) return Salvage(to_);
    const std::string rescued = from_ + ".rescued", kept = from_ + ".bad";
    if (::access(kept.c_str(), F_OK) == 0)
      return Fail(Code::kInvalid, fmt::format("{} is there already: move it away", kept));
    const auto lock = sinks::StoreLock::Take(from_);
    if (!lock) return std::unexpected(lock.error());
    auto code = Salvage(rescued);
    if (!code) return code;
    WEFT_TRY(PutInPlace(rescued, from_, kept));
    PrintNote(fmt::format("weft: {} is what was read; the damaged one is {}\n", from_, kept));
    return code;
  }

 private:
  Result<int> Salvage(const std::string& to) const {
    const auto saved = sql::SalvageStore(from_, to);
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
    PrintNote(fmt::format("weft: {}: {} traces of {} spans\n", to, saved->traces, saved->spans));
    return saved->whole() ? kExitOk : kExitFailure;
  }

  std::string from_, to_;
  bool replace_ = false;
};

}  // namespace

std::unique_ptr<Command> MakeRecover() { return std::make_unique<Recover>(); }

}  // namespace weft::cli
