#include "sources/ebpf/process_filter.h"

#include <algorithm>
#include <fstream>
#include <string>
#include <utility>

#include <fmt/format.h>

namespace weft::ebpf {
namespace {

std::string_view LastPart(std::string_view path) {
  const size_t slash = path.rfind('/');
  return slash == std::string_view::npos ? path : path.substr(slash + 1);
}

}  // namespace

ProcessFilter::ProcessFilter(const EbpfConfig& config, ProcessMetadata& processes)
    : include_(config.include), exclude_(config.exclude), processes_(processes) {}

bool ProcessFilter::Wanted(uint32_t pid, bool* first) {
  *first = false;
  if (!selects()) return true;
  const auto [it, added] = verdicts_.try_emplace(pid, false);
  if (added) {
    it->second = Decide(pid);
    *first = true;
  }
  return it->second;
}

std::vector<uint32_t> ProcessFilter::Replace(ProcessSelector include, ProcessSelector exclude) {
  std::vector<uint32_t> unwanted;
  for (const auto& [pid, wanted] : verdicts_)
    if (!wanted) unwanted.push_back(pid);
  verdicts_.clear();
  include_ = std::move(include);
  exclude_ = std::move(exclude);
  return unwanted;
}

bool ProcessFilter::Decide(uint32_t pid) {
  if (Matches(exclude_, pid)) return false;
  return include_.empty() || Matches(include_, pid);
}

bool ProcessFilter::Matches(const ProcessSelector& selector, uint32_t pid) const {
  if (std::ranges::find(selector.pids, pid) != selector.pids.end()) return true;
  if (!selector.names.empty()) {
    const ProcessInfo& info = processes_.Get(pid);
    for (const std::string& name : selector.names)
      if (name == info.service_name || name == LastPart(info.executable)) return true;
  }
  if (!selector.cgroups.empty()) {
    std::ifstream file(fmt::format("/proc/{}/cgroup", pid));
    std::string line;
    while (std::getline(file, line))
      for (const std::string& cgroup : selector.cgroups)
        if (line.find(cgroup) != std::string::npos) return true;
  }
  return false;
}

}  // namespace weft::ebpf
