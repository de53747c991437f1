// `weft recover`: what a damaged store still has, into a new one.
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <sys/stat.h>
#include <unistd.h>

#include <fmt/format.h>

#include "engine/cli/commands.h"
#include "sinks/sqlite/store_lock.h"
#include "sql/part_file.h"
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

constexpr const char* kLogs[] = {"-wal", "-shm"};
constexpr const char* kFiles[] = {"", "-wal", "-shm"};

bool Exists(const std::string& path) {
  struct stat st {};
  return ::lstat(path.c_str(), &st) == 0;
}

bool AreOneFile(const std::string& a, const std::string& b) {
  struct stat first {
  }, second{};
  return ::lstat(a.c_str(), &first) == 0 && ::lstat(b.c_str(), &second) == 0 &&
         first.st_dev == second.st_dev && first.st_ino == second.st_ino;
}

// What takes back a --replace that was ended before the new store had its place: the damaged one
// has both names then, or its log only the second.
std::string TakeBack(const std::string& rescued, const std::string& store,
                     const std::string& kept) {
  std::string moves, removed = "rm -f " + rescued;
  for (const char* suffix : kFiles) {
    const std::string first = store + suffix, second = kept + suffix;
    if (AreOneFile(first, second))
      removed += " " + second;
    else if (Exists(second) && !Exists(first))
      moves += fmt::format("mv {} {} && ", second, first);
  }
  return moves + removed;
}

Result<void> RequireFreeNames(const std::string& rescued, const std::string& store,
                              const std::string& kept) {
  if (AreOneFile(store, kept) || (Exists(rescued) && !Exists(kept)))
    return Fail(Code::kInvalid,
                fmt::format("an earlier `weft recover --replace {}` was ended before its end; "
                            "nothing is lost: {}, then run it again",
                            store, TakeBack(rescued, store, kept)));
  for (const std::string& path : {kept, kept + "-wal", kept + "-shm", rescued})
    if (Exists(path))
      return Fail(Code::kInvalid, fmt::format("{} is there already: move it away", path));
  return {};
}

Error Failed(const std::string& what, const std::string& rescued) {
  return {Code::kIo,
          fmt::format("{}: {}; {} has what was read", what, std::strerror(errno), rescued)};
}

// Wherever it is ended: there is a store by its name, and all of the damaged one by one of its two.
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
  for (const char* suffix : kFiles)
    if (::link((store + suffix).c_str(), (kept + suffix).c_str()) != 0 &&
        (errno != ENOENT || *suffix == '\0'))
      return std::unexpected(
          Failed(fmt::format("{0}{2} cannot get the name {1}{2}", store, kept, suffix), rescued));
  WEFT_TRY(sql::SyncFolderOf(store));
  for (const char* suffix : kLogs)
    if (::unlink((store + suffix).c_str()) != 0 && errno != ENOENT)
      return std::unexpected(Failed(fmt::format("{}{} stays", store, suffix), rescued));
  if (::rename(rescued.c_str(), store.c_str()) != 0)
    return std::unexpected(Failed(store + " cannot be replaced", rescued));
  return sql::SyncFolderOf(store);
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
    // SQLite has its log beside the file, not beside a link to it.
    std::error_code failed;
    if (std::filesystem::is_symlink(from_, failed))
      if (const auto target = std::filesystem::canonical(from_, failed); !failed)
        from_ = target.string();
    const std::string rescued = from_ + ".rescued", kept = from_ + ".bad";
    const auto lock = sinks::StoreLock::Take(from_);
    if (!lock) return std::unexpected(lock.error());
    WEFT_TRY(RequireFreeNames(rescued, from_, kept));
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
