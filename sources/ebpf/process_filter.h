// ProcessFilter: which processes are watched, by name, pid and cgroup. Decided once per process at
// its first record, again after an exec. One thread.
#pragma once

#include <cstdint>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "sources/ebpf/ebpf_config.h"
#include "sources/ebpf/process_metadata.h"

namespace weft::ebpf {

class ProcessFilter {
 public:
  ProcessFilter(const EbpfConfig& config, ProcessMetadata& processes);

  // Sets *first when this call made the decision.
  bool Wanted(uint32_t pid, bool* first);
  void Forget(uint32_t pid) { verdicts_.erase(pid); }
  // Whether there may be processes that are not wanted.
  bool selects() const { return !include_.empty() || !exclude_.empty(); }
  // Decides anew from now on; returns the processes that were not wanted so far.
  std::vector<uint32_t> Replace(ProcessSelector include, ProcessSelector exclude);

 private:
  bool Decide(uint32_t pid);
  bool Matches(const ProcessSelector& selector, uint32_t pid) const;

  ProcessSelector include_, exclude_;
  ProcessMetadata& processes_;
  std::unordered_map<uint32_t, bool> verdicts_;
};

}  // namespace weft::ebpf
