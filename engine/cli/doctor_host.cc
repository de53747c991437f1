#include "engine/cli/doctor_host.h"

#include <map>
#include <string>

#include <sys/timex.h>

#include <fmt/format.h>

#include "engine/base/clock.h"
#include "engine/base/units.h"

namespace weft::cli {
namespace {

using ebpf::Check;
using ebpf::CheckState;

// What a clock may be wrong without anybody having set it.
constexpr int64_t kFuture = 2 * kSecond;

struct Sink {
  uint64_t rows = 0, dropped = 0, refused = 0, retries = 0, pending = 0;
};

// "sqlite" of "sink.rows{sink=sqlite}", where the name begins so.
std::string SinkOf(const std::string& name, std::string_view counter) {
  const std::string prefix = fmt::format("sink.{}{{sink=", counter);
  if (!name.starts_with(prefix) || !name.ends_with('}')) return "";
  return name.substr(prefix.size(), name.size() - prefix.size() - 1);
}

}  // namespace

Check CheckClock(const StoreState& store, int64_t now_ns) {
  if (store.newest_ns > now_ns + kFuture)
    return {"clock", CheckState::kWarn,
            fmt::format("the newest trace is {} in the future: the clock was set back",
                        ShortDuration(store.newest_ns - now_ns)),
            "times of traces are of the clock of their moment; keep it right: timedatectl set-ntp "
            "true"};
  timex state{};
  const int kept = adjtimex(&state);
  if (kept == -1) return {"clock", CheckState::kOk, "nobody says how right it is", ""};
  if (kept == TIME_ERROR || (state.status & STA_UNSYNC) != 0)
    return {"clock", CheckState::kWarn,
            "nothing keeps it right: times of spans of several hosts will not fit together (links "
            "and order within a host do not depend on it)",
            "timedatectl set-ntp true"};
  return {"clock", CheckState::kOk,
          fmt::format("kept right, to {} ms", (state.maxerror + 999) / 1000), ""};
}

std::vector<Check> CheckSinks(const Counters& counters, bool run_ended) {
  std::map<std::string, Sink> sinks;
  for (const auto& [name, value] : counters) {
    if (const auto sink = SinkOf(name, "rows"); !sink.empty()) sinks[sink].rows = value;
    if (const auto sink = SinkOf(name, "dropped"); !sink.empty()) sinks[sink].dropped = value;
    if (const auto sink = SinkOf(name, "refused"); !sink.empty()) sinks[sink].refused = value;
    if (const auto sink = SinkOf(name, "retries"); !sink.empty()) sinks[sink].retries = value;
    if (const auto sink = SinkOf(name, "pending"); !sink.empty()) sinks[sink].pending = value;
  }
  std::vector<Check> checks;
  for (const auto& [name, sink] : sinks) {
    Check check{"sink " + name, CheckState::kOk, fmt::format("{} spans stored", sink.rows), ""};
    if (sink.pending > 0 && !run_ended) check.detail += fmt::format(", {} waiting", sink.pending);
    if (sink.retries > 0) check.detail += fmt::format(", {} batches tried again", sink.retries);
    if (sink.dropped > 0) {
      check.state = CheckState::kWarn;
      const uint64_t refused = std::min(sink.refused, sink.dropped);
      if (refused > 0) check.detail += fmt::format(", {} refused for good", refused);
      if (sink.dropped > refused)
        check.detail +=
            fmt::format(", {} given up: it was away or too slow", sink.dropped - refused);
      check.remedy = "its messages say why: journalctl -u weft | grep 'exporter " + name + "'";
    }
    checks.push_back(std::move(check));
  }
  return checks;
}

}  // namespace weft::cli
