// `weft snapshot`: a consistent copy of a store, while it is written.

#include <fmt/format.h>

#include "engine/base/clock.h"
#include "engine/base/units.h"
#include "engine/cli/commands.h"
#include "engine/cli/progress_line.h"
#include "engine/cli/stop_signal.h"
#include "sql/snapshot.h"

namespace weft::cli {
namespace {

constexpr int64_t kProgressInterval = 200 * kMillisecond;

class Snapshot final : public Command {
 public:
  CommandInfo Info() const override {
    return {
        "snapshot", "Copy a store, consistently, while weft writes to it",
        "The copy is what the store was when the command began: one file without a log beside it, "
        "which\nanybody who may read it can read in any folder. The writer never waits; meanwhile "
        "its log grows\nby what it writes. The copy is private to you; give it other rights with "
        "chmod.",
        "weft snapshot /tmp/now.db                                # of ./weft.db\n"
        "weft snapshot --db /var/lib/weft/weft.db /srv/copies/$(date +%F).db\n"
        "weft traces --db /tmp/now.db"};
  }
  void Declare(Options& options) override {
    options.Text("-d,--db", &db_, "Store to copy", "FILE");
    options.Flag("--quiet", &quiet_, "Nothing on stderr but errors");
    options.Positional("out", &out_, true, "File to write; must not be there yet");
  }

  Result<int> Run(CommandContext& context) override {
    StopSignal stop;
    ProgressLine progress(stderr, !quiet_);
    int64_t shown_ns = 0;
    const auto go_on = [&](uint64_t done, uint64_t all) {
      const int64_t now = context.clock.MonotonicNs();
      if (progress.active() && now - shown_ns >= kProgressInterval) {
        shown_ns = now;
        progress.Show(fmt::format("{} of {}", ShortSize(done), ShortSize(all)));
      }
      return !stop.requested();
    };
    const int64_t begun_ns = context.clock.MonotonicNs();
    const auto bytes = sql::CopyStore(db_, out_, go_on);
    progress.Clear();
    if (!bytes) return std::unexpected(bytes.error());
    if (!quiet_)
      PrintNote(fmt::format("weft: {}: {} in {}\n", out_, ShortSize(*bytes),
                            ShortDuration(context.clock.MonotonicNs() - begun_ns)));
    return kExitOk;
  }

 private:
  std::string db_ = "weft.db", out_;
  bool quiet_ = false;
};

}  // namespace

std::unique_ptr<Command> MakeSnapshot() { return std::make_unique<Snapshot>(); }

}  // namespace weft::cli
