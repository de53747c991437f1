#include "engine/cli/doctor_store.h"

#include <filesystem>

#include <sys/statvfs.h>

#include <fmt/format.h>

#include "engine/base/clock.h"
#include "engine/base/units.h"

namespace weft::cli {
namespace {

using ebpf::Check;
using ebpf::CheckState;

constexpr uint64_t kLittleDisk = 1'000'000'000, kNoDisk = 50'000'000;
// A run writes its counters every 5 s.
constexpr int64_t kSilence = 20 * kSecond;

uint64_t Sum(const Counters& counters, std::string_view wanted) {
  uint64_t sum = 0;
  for (const auto& [name, value] : counters)
    if (std::string_view(name).substr(0, name.find('{')) == wanted) sum += value;
  return sum;
}

}  // namespace

Check CheckDisk(const std::string& path) {
  const auto folder = std::filesystem::absolute(path).parent_path();
  struct statvfs disk {};
  if (statvfs(folder.c_str(), &disk) != 0)
    return {"disk", CheckState::kFail, fmt::format("{}: not there", folder.string()),
            fmt::format("mkdir -p {}", folder.string())};
  const uint64_t available = disk.f_bavail * disk.f_frsize;
  const std::string detail = fmt::format("{} free at {}", ShortSize(available), folder.string());
  if (available < kNoDisk)
    return {"disk", CheckState::kFail, detail,
            fmt::format("make room there (du -xh {} | sort -h | tail), or name another place: "
                        "store.path",
                        folder.string())};
  if (available < kLittleDisk)
    return {"disk", CheckState::kWarn, detail, "set store.max_bytes below what is free"};
  return {"disk", CheckState::kOk, detail, ""};
}

Check CheckStore(const StoreState& store, const std::string& path) {
  if (!store.exists)
    return {"store", CheckState::kOk, fmt::format("{} is not there yet; `weft run` makes it", path),
            ""};
  if (store.problem.empty())
    return {"store", CheckState::kOk,
            fmt::format("{}: {} traces, {} spans, {}", path, store.traces, store.spans,
                        ShortSize(store.bytes)),
            ""};
  std::string remedy;
  switch (store.problem_code) {
    case Code::kDenied: remedy = fmt::format("sudo weft doctor --db {}", path); break;
    case Code::kCorrupt: remedy = fmt::format("weft recover --replace {}", path); break;
    case Code::kInvalid: remedy = fmt::format("mv {0} {0}.bad", path); break;
    default: remedy = fmt::format("fuser -v {} says who has it open", path);
  }
  return {"store", CheckState::kFail, store.problem, remedy};
}

Check CheckLedger(const StoreState& store, int64_t now_ns) {
  const LedgerTotals totals = TotalLedger(store.ledger);
  if (store.run_ended && totals.unexplained > 0)
    return {"ledger", CheckState::kFail, LedgerLine(totals),
            "report it with the output of: weft doctor --json"};
  std::string detail = LedgerLine(totals);
  if (!store.run_ended) {
    // Counters of a run that goes on were not all read at the same moment.
    detail.resize(detail.find("; unexplained"));
    const int64_t silent_ns = now_ns - store.run_updated_ns;
    detail += silent_ns < kSilence
                  ? "; it runs, and will add up at its end"
                  : fmt::format(
                        "; it was killed: the last word is {} old, and what was on its way "
                        "then is in no count",
                        ShortDuration(silent_ns));
  }
  const std::string remedy = LossRemedy(store.ledger);
  return {"ledger", remedy.empty() ? CheckState::kOk : CheckState::kWarn, detail, remedy};
}

std::string LossRemedy(const Counters& counters) {
  const auto sum = [&](std::string_view name) { return Sum(counters, name); };
  if (const uint64_t ring = sum("kernel.ring_full"))
    return fmt::format("{} records found the ring full: raise sources.ebpf.ring_bytes", ring);
  if (const uint64_t map = sum("kernel.map_full"))
    return fmt::format(
        "{} records found no memory for their connection in the kernel: trace fewer processes "
        "(sources.ebpf.include)",
        map);
  const uint64_t shrunk = sum("memory.shrunk");
  if (const uint64_t queue = sum("agent.dropped"))
    return fmt::format(
        "{} observations found the queues full: {}", queue,
        shrunk > 0 ? "its cgroup was short of memory; systemctl set-property weft MemoryMax=2G"
                   : "raise transport.memory_bytes");
  if (const uint64_t stop = sum("stitch.lost_at_stop"))
    return fmt::format("{} observations were not decided when it had to end: raise --stop-timeout",
                       stop);
  if (const uint64_t sink = sum("sink.dropped"))
    return fmt::format("{} spans did not get to a sink: the messages of its exporter say why",
                       sink);
  if (const uint64_t gaps = sum("agent.gap_bytes"))
    return fmt::format(
        "{} bytes of traced streams went by unseen, by calls that `hooks` above names", gaps);
  if (const uint64_t uring = sum("kernel.uring_calls"))
    return fmt::format(
        "{} calls of io_uring, whose bytes are not seen: sources.ebpf.hooks: socket sees them",
        uring);
  if (shrunk > 0)
    return fmt::format(
        "its cgroup was short of memory {} times, nothing was lost: systemctl set-property weft "
        "MemoryMax=2G",
        shrunk);
  return "";
}

}  // namespace weft::cli
