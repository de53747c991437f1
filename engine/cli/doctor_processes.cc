#include "engine/cli/doctor_processes.h"

#include <algorithm>
#include <map>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "engine/base/clock.h"
#include "engine/base/units.h"

namespace weft::cli {
namespace {

// A run writes its counters every 5 s.
constexpr int64_t kSilence = 20 * kSecond;
constexpr size_t kMaxPorts = 4;

std::string Ports(const std::vector<uint16_t>& listens) {
  if (listens.size() <= kMaxPorts) return fmt::format("{}", fmt::join(listens, ", "));
  return fmt::format("{}, ...", fmt::join(listens.begin(), listens.begin() + kMaxPorts, ", "));
}

// Which key of the selection names the process; empty: none.
std::string MatchedBy(const EbpfSelection& selection, const ebpf::SocketProcess& process) {
  if (std::ranges::find(selection.pids, int64_t{process.pid}) != selection.pids.end())
    return "pids";
  for (const std::string& name : selection.processes)
    if (name == process.name || name == process.service) return "processes";
  for (const std::string& cgroup : selection.cgroups)
    if (process.cgroup.find(cgroup) != process.cgroup.npos) return "cgroups";
  return "";
}

bool Empty(const EbpfSelection& selection) {
  return selection.pids.empty() && selection.processes.empty() && selection.cgroups.empty();
}

bool LeftOut(const Config& config, const ebpf::SocketProcess& process, ProcessVerdict* verdict) {
  const EbpfSettings& settings = config.ebpf;
  if (process.name == "weft") {
    verdict->why = "weft never traces itself";
    return true;
  }
  if (const std::string key = MatchedBy(settings.exclude, process); !key.empty()) {
    verdict->why = "excluded by sources.ebpf.exclude." + key;
    verdict->remedy =
        fmt::format("take it out of sources.ebpf.exclude.{}, then: kill -HUP of weft", key);
    return true;
  }
  if (!Empty(settings.include) && MatchedBy(settings.include, process).empty()) {
    verdict->why = "not in sources.ebpf.include";
    verdict->remedy = fmt::format(
        "add {} to sources.ebpf.include.processes, then: kill -HUP of weft", process.name);
    return true;
  }
  return false;
}

void WhyNotSeen(const ebpf::SocketProcess& process, const StoreState& store, int64_t now_ns,
                ProcessVerdict* verdict) {
  if (!store.problem.empty()) {
    verdict->why = "the store cannot be read";
  } else if (!store.exists || store.run_started_ns == 0) {
    verdict->why = "nothing has been traced into this store";
    verdict->remedy = "weft run, or name its store: weft doctor --db FILE";
  } else if (store.run_ended || now_ns - store.run_updated_ns > kSilence) {
    verdict->why = process.start_ns > store.run_updated_ns
                       ? "started after weft had ended"
                       : "weft is not running, and has nothing of it among the newest spans";
    verdict->remedy = "weft run";
  } else if (process.foreign_bits) {
    verdict->why = "a 32-bit program: the system-call hooks do not see its calls";
    verdict->remedy = "sources.ebpf.hooks: socket (kernel 6.16 or newer)";
  } else if (process.connections == 0 && process.unix_streams == 0) {
    verdict->why = "listens, and nobody is connected";
  } else if (process.connections == 0) {
    verdict->why = process.start_ns < store.run_started_ns
                       ? "only Unix sockets, opened before weft or idle since it began"
                       : "only Unix sockets, idle since weft began";
  } else {
    verdict->why = process.start_ns < store.run_started_ns
                       ? "started before weft; no exchange has ended on its connections since"
                       : "no exchange has ended on its connections yet";
  }
}

ProcessVerdict Judge(const ebpf::SocketProcess& process, const Config& config,
                     const StoreState& store, const TracedProcess* seen, int64_t now_ns) {
  ProcessVerdict verdict;
  verdict.pid = process.pid;
  verdict.name = process.service.empty() ? process.name : process.service;
  verdict.ports = Ports(process.listens);
  if (LeftOut(config, process, &verdict)) {
    verdict.tracing = Tracing::kLeftOut;
  } else if (seen != nullptr && seen->spans > 0) {
    verdict.tracing = Tracing::kTraced;
    verdict.why = fmt::format("{} spans of {}", seen->spans, seen->service);
    if (seen->tcp_spans > 0)
      verdict.why += fmt::format("; {} of bytes only{}", seen->tcp_spans,
                                 seen->guess.empty() ? "" : ", which look like " + seen->guess);
  } else if (seen != nullptr) {
    verdict.tracing = Tracing::kBytesOnly;
    const bool tls = process.tls || seen->guess.find("tls") != seen->guess.npos;
    verdict.why = fmt::format("{} spans of bytes only: {}", seen->tcp_spans,
                              tls                   ? "TLS, which weft does not decrypt"
                              : seen->guess.empty() ? "no protocol that weft knows"
                                                    : "looks like " + seen->guess);
  } else {
    WhyNotSeen(process, store, now_ns, &verdict);
  }
  if (process.uring && verdict.tracing != Tracing::kLeftOut)
    verdict.why += "; what it moves by io_uring the system-call hooks do not see";
  if (process.foreign_network) verdict.why += "; in a network namespace of its own";
  return verdict;
}

}  // namespace

std::string_view TracingName(Tracing tracing) {
  switch (tracing) {
    case Tracing::kTraced: return "traced";
    case Tracing::kBytesOnly: return "bytes only";
    case Tracing::kNotSeen: return "not seen";
    case Tracing::kLeftOut: return "left out";
  }
  return "?";
}

std::vector<ProcessVerdict> JudgeProcesses(const std::vector<ebpf::SocketProcess>& processes,
                                           const Config& config, const StoreState& store,
                                           int64_t now_ns) {
  std::map<uint32_t, TracedProcess> seen;  // a pid may have had several services
  for (const TracedProcess& one : store.traced) {
    const auto [known, fresh] = seen.try_emplace(one.pid, one);
    if (fresh) continue;
    known->second.spans += one.spans;
    known->second.tcp_spans += one.tcp_spans;
  }
  std::vector<ProcessVerdict> out;
  for (const ebpf::SocketProcess& process : processes) {
    const auto found = seen.find(process.pid);
    // The number of a process that was there before it is not it.
    const bool same = found != seen.end() && process.start_ns <= store.newest_ns + kSecond;
    out.push_back(Judge(process, config, store, same ? &found->second : nullptr, now_ns));
  }
  return out;
}

}  // namespace weft::cli
