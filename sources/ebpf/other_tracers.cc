#include "sources/ebpf/other_tracers.h"

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>

#include <unistd.h>

#include <fmt/format.h>

#if WEFT_HAVE_BPF
#include <bpf/bpf.h>
#endif

namespace weft::ebpf {
namespace {

namespace fs = std::filesystem;

// Of enum bpf_prog_type: numbers never change.
constexpr uint32_t kKprobe = 2, kTracepoint = 5, kPerfEvent = 7, kSockOps = 13, kRawTracepoint = 17,
                   kTracing = 26, kLsm = 29;
constexpr size_t kMaxNames = 4;

bool Traces(uint32_t type) {
  return type == kKprobe || type == kTracepoint || type == kPerfEvent || type == kRawTracepoint ||
         type == kTracing || type == kLsm;
}

std::string ReadFile(const fs::path& path) {
  std::ifstream file(path);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

// Ours are those of processes called weft: another weft is named apart.
std::map<uint32_t, std::string> Holders() {
  std::map<uint32_t, std::string> holders;
  std::error_code error;
  for (const auto& process : fs::directory_iterator("/proc", error)) {
    const std::string pid = process.path().filename();
    if (pid.find_first_not_of("0123456789") != pid.npos) continue;
    std::string name;
    std::error_code gone;
    for (const auto& fd : fs::directory_iterator(process.path() / "fd", gone)) {
      const std::string target = fs::read_symlink(fd.path(), gone);
      if (!target.starts_with("anon_inode:bpf") && target != "anon_inode:[bpf_link]" &&
          target.find("perf_event") == target.npos)
        continue;
      const auto ids = ProgramsOfFdInfo(ReadFile(process.path() / "fdinfo" / fd.path().filename()));
      if (ids.empty()) continue;
      if (name.empty()) {
        name = ReadFile(process.path() / "comm");
        while (!name.empty() && name.back() == '\n') name.pop_back();
      }
      for (const uint32_t id : ids) holders.emplace(id, fmt::format("{} (pid {})", name, pid));
    }
  }
  return holders;
}

struct Group {
  size_t programs = 0, tracing = 0, socket = 0;
  std::set<std::string> names;
};

std::string Describe(const std::string& holder, const Group& group) {
  std::string names;
  size_t shown = 0;
  for (const std::string& name : group.names) {
    if (shown++ == kMaxNames) break;
    names.append(names.empty() ? "" : ", ").append(name);
  }
  if (group.names.size() > kMaxNames) names += ", ...";
  return fmt::format("{} of {}: {}", group.programs,
                     holder.empty() ? "no process (pinned, or a cgroup's)" : holder, names);
}

}  // namespace

std::vector<uint32_t> ProgramsOfFdInfo(const std::string& text) {
  std::vector<uint32_t> ids;
  std::istringstream lines(text);
  std::string key;
  uint64_t value = 0;
  std::string line;
  while (std::getline(lines, line)) {
    std::istringstream words(line);
    if (words >> key && key == "prog_id:" && words >> value && value != 0 && value <= UINT32_MAX)
      ids.push_back(static_cast<uint32_t>(value));
  }
  return ids;
}

std::vector<Check> DescribeForeign(const std::vector<ForeignProgram>& programs) {
  std::map<std::string, Group> groups;
  size_t harmless = 0;
  for (const ForeignProgram& program : programs) {
    if (!Traces(program.type) && program.type != kSockOps) {
      ++harmless;
      continue;
    }
    Group& group = groups[program.holder];
    ++group.programs;
    group.tracing += Traces(program.type);
    group.socket += program.type == kSockOps;
    group.names.insert(program.name.empty() ? "(no name)" : program.name);
  }
  std::vector<Check> checks;
  for (const auto& [holder, group] : groups) {
    Check check{"other eBPF", CheckState::kOk, Describe(holder, group), ""};
    if (holder.starts_with("weft ")) {
      check.state = CheckState::kWarn;
      check.detail += "; another weft traces this host, and each call pays for both";
      check.remedy = fmt::format("kill {}", holder.substr(holder.find("pid ") + 4));
      check.remedy.pop_back();  // the bracket
    } else if (group.socket > 0) {
      check.state = CheckState::kWarn;
      check.detail += "; it has a say in TCP options, and may leave weft's no room";
      check.remedy = "where requests between hosts are not joined: sources.ebpf.tcp_option: off";
    }
    checks.push_back(std::move(check));
  }
  if (checks.empty())
    checks.push_back({"other eBPF", CheckState::kOk,
                      harmless == 0 ? "no programs of others"
                                    : fmt::format("no tracers; {} programs of others", harmless),
                      ""});
  return checks;
}

#if WEFT_HAVE_BPF

std::vector<Check> CheckOtherTracers() {
  const auto holders = Holders();
  std::vector<ForeignProgram> programs;
  uint32_t id = 0;
  errno = 0;
  while (bpf_prog_get_next_id(id, &id) == 0) {
    const int fd = bpf_prog_get_fd_by_id(id);
    if (fd < 0) continue;  // it is gone
    bpf_prog_info info{};
    uint32_t length = sizeof info;
    if (bpf_obj_get_info_by_fd(fd, &info, &length) == 0) {
      const auto holder = holders.find(id);
      programs.push_back({id,
                          info.type,
                          {info.name, strnlen(info.name, sizeof info.name)},
                          holder == holders.end() ? "" : holder->second});
    }
    close(fd);
  }
  if (programs.empty() && errno == EPERM)
    return {{"other eBPF", CheckState::kOk, "only CAP_SYS_ADMIN may list programs", ""}};
  return DescribeForeign(programs);
}

#else

std::vector<Check> CheckOtherTracers() { return {}; }

#endif

}  // namespace weft::ebpf
