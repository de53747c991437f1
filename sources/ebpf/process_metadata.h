// ProcessMetadata: who a pid is: identity, executable, service name, container or unit, and the
// resource attributes that its environment names. Read from /proc on first sight and cached.
//
// Called by the agent for every process whose bytes it sees. One thread. /proc may be read too
// early (between fork and exec) or too late (the process is gone): incomplete entries are read
// again on later calls, and entries outlive their process by a minute because its last records come
// late. Command lines are redacted before they leave this class.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "engine/base/clock.h"
#include "engine/base/metrics.h"
#include "sources/ebpf/redact.h"

namespace weft::ebpf {

struct ProcessInfo {
  uint64_t id = 0;  // process id of the data model: host id, pid, start time, exec count
  uint32_t pid = 0;
  uint32_t shown_pid = 0;  // of a unit of several processes: the first of it that was seen
  bool complete = false;   // everything below was readable
  uint64_t start_ticks = 0;
  std::string service_name;  // never empty
  std::string executable;    // full path; of the command's name where the link is unreadable
  // process.command_line, container.id, k8s.pod.uid, systemd.unit, OTEL_RESOURCE_ATTRIBUTES ...
  std::vector<std::pair<std::string, std::string>> attributes;
};

class ProcessMetadata {
 public:
  struct Options {
    std::string root = {};  // in front of /proc, /etc, /var/lib/docker; empty: the real ones
    // Processes that share an id: by a part of the cgroup's path, the service's name or the name of
    // the executable. Those of one cgroup are one unit.
    std::vector<std::string> units = {};
    size_t max_entries = 8192;  // the oldest dead entry goes first, then the least recently used
  };
  // `metrics`: agent.process_unreadable, agent.process_evicted. References must outlive this.
  ProcessMetadata(Options options, const Clock& clock, Metrics& metrics);

  // Never fails: a process that cannot be read is named after its pid. Lent until the next call.
  // `now_ns`: about the time, of a record for instance, which spares reading the clock.
  const ProcessInfo& Get(uint32_t pid, int64_t now_ns);
  const ProcessInfo& Get(uint32_t pid) { return Get(pid, clock_.MonotonicNs()); }
  // From the control ring. After OnExec the process has a new id; after OnExit the entry stays for
  // kKeepNs, unless the pid is used again.
  // `comm` names a process that is gone before /proc can be read.
  void OnExec(uint32_t pid, std::string_view comm = {});
  void OnExit(uint32_t pid);

  const std::string& host_id() const { return host_id_; }  // machine-id, else the host name
  const std::string& host_name() const { return host_name_; }
  size_t size() const { return entries_.size(); }

  static constexpr int64_t kKeepNs = 60 * kSecond;
  static constexpr int64_t kRetryNs = 100 * kMillisecond;

 private:
  struct Entry {
    ProcessInfo info;
    uint32_t exec_count = 0;
    int64_t read_ns = 0;
    int64_t used_ns = 0;
    int64_t exited_ns = 0;  // 0: alive as far as known
  };
  void Read(Entry* entry);
  void Describe(const std::string& executable, const std::string& command_line,
                const std::string& environment, const std::string& cgroup, uint32_t parent,
                ProcessInfo* info);
  bool IsOfUnit(const std::string& executable, const std::string& cgroup, uint32_t parent) const;
  // Which process of the data model this is.
  void Identify(const std::string& cgroup, uint32_t exec_count, ProcessInfo* info);
  void Evict(int64_t now);

  Options options_;
  const Clock& clock_;
  Counter& unreadable_;
  Counter& evicted_;
  std::string host_id_, host_name_;
  Redactor redactor_{{}};
  int64_t swept_ns_ = 0;
  std::unordered_map<uint32_t, Entry> entries_;
  Entry* last_ = nullptr;  // of entries_, asked for last; null after anything was erased
  std::unordered_map<uint64_t, uint32_t> unit_pids_;  // by id; as many as there are cgroups
  std::unordered_map<uint32_t, std::string> comms_;   // of processes that live, since their exec
};

}  // namespace weft::ebpf
