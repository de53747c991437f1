#include "sources/ebpf/process_metadata.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

#include "engine/base/hash.h"
#include "sources/ebpf/process_cgroup.h"
#include "sources/ebpf/process_service_name.h"
#include "engine/base/ascii.h"
#include "sources/ebpf/redact.h"

namespace weft::ebpf {
namespace {

constexpr size_t kMaxFile = 262144;
constexpr size_t kMaxAncestors = 16;

// At most kMaxFile bytes of a file; false if it cannot be opened or read.
bool ReadFile(const std::string& path, std::string* out) {
  out->clear();
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return false;
  std::array<char, 4096> buffer;
  ssize_t n = 0;
  while (out->size() < kMaxFile && (n = read(fd, buffer.data(), buffer.size())) > 0)
    out->append(buffer.data(), static_cast<size_t>(n));
  close(fd);
  return n >= 0;
}

std::string ReadLink(const std::string& path) {
  std::array<char, 4096> buffer;
  const ssize_t n = readlink(path.c_str(), buffer.data(), buffer.size());
  return n > 0 ? std::string(buffer.data(), static_cast<size_t>(n)) : std::string();
}

std::string FirstLine(std::string text) {
  text.resize(std::min(text.find('\n'), text.size()));
  return text;
}

std::vector<std::string_view> SplitZero(std::string_view text) {
  std::vector<std::string_view> parts;
  while (!text.empty()) {
    const size_t end = text.find('\0');
    parts.push_back(text.substr(0, end));
    if (end == std::string_view::npos) break;
    text.remove_prefix(end + 1);
  }
  return parts;
}

struct Stat {
  uint32_t parent = 0;
  uint64_t start_ticks = 0;
};

// proc(5): the name, field 2, may hold blanks and brackets; parent is field 4, starttime 22.
bool ParseStat(std::string_view text, Stat* stat) {
  const size_t close = text.rfind(')');
  if (close == std::string_view::npos) return false;
  text.remove_prefix(std::min(close + 2, text.size()));
  for (int field = 3; field <= 22; ++field) {
    const std::string_view value = text.substr(0, text.find(' '));
    if (field == 4) stat->parent = static_cast<uint32_t>(ParseDecimal(value).value_or(0));
    if (field == 22) {
      const auto ticks = ParseDecimal(value.substr(0, value.find('\n')));
      if (!ticks) return false;
      stat->start_ticks = *ticks;
      return true;
    }
    if (value.size() == text.size()) return false;
    text.remove_prefix(value.size() + 1);
  }
  return false;
}

std::string_view Variable(const std::vector<std::string_view>& environment, std::string_view name) {
  for (const std::string_view v : environment)
    if (v.size() > name.size() && v.starts_with(name) && v[name.size()] == '=')
      return v.substr(name.size() + 1);
  return {};
}

// OpenTelemetry, OTEL_RESOURCE_ATTRIBUTES: key=value,key=value; values percent-encoded.
std::vector<std::pair<std::string, std::string>> ParseResource(std::string_view text) {
  constexpr size_t kMaxAttributes = 32;
  std::vector<std::pair<std::string, std::string>> attributes;
  while (!text.empty() && attributes.size() < kMaxAttributes) {
    const size_t comma = text.find(',');
    const std::string_view pair = text.substr(0, comma);
    const size_t equals = pair.find('=');
    if (equals != std::string_view::npos && equals > 0) {
      std::string value;
      const std::string_view raw = TrimBlank(pair.substr(equals + 1));
      for (size_t i = 0; i < raw.size(); ++i) {
        if (raw[i] == '%' && i + 2 < raw.size() && HexValue(raw[i + 1]) >= 0 &&
            HexValue(raw[i + 2]) >= 0) {
          value.push_back(static_cast<char>(HexValue(raw[i + 1]) * 16 + HexValue(raw[i + 2])));
          i += 2;
        } else {
          value.push_back(raw[i]);
        }
      }
      attributes.emplace_back(TrimBlank(pair.substr(0, equals)), std::move(value));
    }
    if (comma == std::string_view::npos) break;
    text.remove_prefix(comma + 1);
  }
  return attributes;
}

// Docker's own record of a container holds its name: "Name":"/shop-cart".
std::string DockerName(const std::string& root, const std::string& id) {
  std::string text;
  if (!ReadFile(root + "/var/lib/docker/containers/" + id + "/config.v2.json", &text)) return {};
  constexpr std::string_view kKey = "\"Name\":\"/";
  const size_t at = text.find(kKey);
  if (at == std::string::npos) return {};
  const std::string_view rest = std::string_view(text).substr(at + kKey.size());
  return std::string(rest.substr(0, rest.find('"')));
}

// A pod's host name is <deployment>-<replica set>-<random>; the last two say nothing.
std::string_view WorkloadOfPod(std::string_view host) {
  constexpr std::string_view kSafe = "bcdfghjklmnpqrstvwxz2456789";  // of Kubernetes' generator
  const auto generated = [&](std::string_view part, size_t min, size_t max) {
    return part.size() >= min && part.size() <= max &&
           part.find_first_not_of(kSafe) == std::string_view::npos;
  };
  size_t dash = host.rfind('-');
  if (dash == std::string_view::npos || dash == 0) return host;
  const std::string_view last = host.substr(dash + 1);
  if (std::ranges::all_of(last, IsDigit)) return host.substr(0, dash);  // a stateful set's ordinal
  if (!generated(last, 5, 5)) return host;
  host = host.substr(0, dash);
  dash = host.rfind('-');
  if (dash == std::string_view::npos || dash == 0) return host;
  return generated(host.substr(dash + 1), 6, 10) ? host.substr(0, dash) : host;
}

// A shell between the unit and the program is a start script; anything else is a program of its own
// that starts others (cron, supervisord), whose unit does not name what it starts.
bool IsStarter(std::string_view executable) {
  const std::string_view name = executable.substr(executable.rfind('/') + 1);
  constexpr std::array<std::string_view, 10> kStarters = {
      "sh", "bash", "dash", "zsh", "env", "sudo", "su", "runuser", "tini", "setpriv"};
  return std::ranges::find(kStarters, name) != kStarters.end();
}

}  // namespace

ProcessMetadata::ProcessMetadata(Options options, const Clock& clock, Metrics& metrics)
    : options_(std::move(options)),
      clock_(clock),
      unreadable_(metrics.Get("agent.process_unreadable")),
      evicted_(metrics.Get("agent.process_evicted")) {
  std::string text;
  if (ReadFile(options_.root + "/proc/sys/kernel/hostname", &text)) host_name_ = FirstLine(text);
  if (ReadFile(options_.root + "/etc/machine-id", &text)) host_id_ = FirstLine(text);
  if (host_name_.empty()) host_name_ = "localhost";
  if (host_id_.empty()) host_id_ = host_name_;
}

const ProcessInfo& ProcessMetadata::Get(uint32_t pid, int64_t now) {
  if (last_ == nullptr || last_->info.pid != pid) {
    const auto [it, is_new] = entries_.try_emplace(pid);
    last_ = &it->second;
    if (is_new) {
      last_->info.pid = pid;
      Read(last_);
      last_->used_ns = last_->read_ns = now;
      if (entries_.size() > options_.max_entries) Evict(now);
      return entries_.find(pid)->second.info;
    }
  }
  Entry& entry = *last_;
  entry.used_ns = now;
  if (entry.exited_ns != 0 && now - entry.read_ns >= kRetryNs) {
    // A forked child may have got the number again; no exec tells about it.
    entry.read_ns = now;
    std::string text;
    Stat stat;
    if (ReadFile(options_.root + "/proc/" + std::to_string(pid) + "/stat", &text) &&
        ParseStat(text, &stat) && stat.start_ticks != entry.info.start_ticks) {
      entry = Entry{};
      entry.info.pid = pid;
      entry.used_ns = entry.read_ns = now;
      Read(&entry);
      return entry.info;
    }
  }
  const bool retry =
      !entry.info.complete && entry.exited_ns == 0 && now - entry.read_ns >= kRetryNs;
  if (retry) {
    entry.read_ns = now;
    Read(&entry);
  }
  return entry.info;
}

void ProcessMetadata::OnExec(uint32_t pid, std::string_view comm) {
  if (!comm.empty()) comms_[pid] = comm;
  const auto it = entries_.find(pid);
  if (it == entries_.end()) return;  // nobody has seen an identity yet that could change
  Entry& entry = it->second;
  if (entry.exited_ns != 0) {  // the pid is used again
    last_ = nullptr;
    entries_.erase(it);
    return;
  }
  ++entry.exec_count;
  entry.info = ProcessInfo{};
  entry.info.pid = pid;
  Read(&entry);
  entry.read_ns = clock_.MonotonicNs();
}

void ProcessMetadata::OnExit(uint32_t pid) {
  const int64_t now = clock_.MonotonicNs();
  comms_.erase(pid);
  const auto it = entries_.find(pid);
  if (it != entries_.end() && it->second.exited_ns == 0) it->second.exited_ns = now;
  if (now - swept_ns_ < kSecond) return;
  swept_ns_ = now;
  last_ = nullptr;
  std::erase_if(entries_, [&](const auto& e) {
    return e.second.exited_ns != 0 && now - e.second.exited_ns >= kKeepNs;
  });
}

void ProcessMetadata::Evict(int64_t now) {
  // The dead first, the longest dead of them; then who has not been asked for longest.
  const auto rank = [&](const Entry& e) {
    return e.exited_ns != 0 ? e.exited_ns - now : e.used_ns;
  };
  const auto victim = std::ranges::min_element(
      entries_, [&](const auto& a, const auto& b) { return rank(a.second) < rank(b.second); });
  last_ = nullptr;
  entries_.erase(victim);
  evicted_.Add();
}

void ProcessMetadata::Read(Entry* entry) {
  ProcessInfo& info = entry->info;
  const std::string folder = options_.root + "/proc/" + std::to_string(info.pid);
  std::string stat_text, command_line, environment, cgroup;
  Stat stat;
  const bool alive = ReadFile(folder + "/stat", &stat_text) && ParseStat(stat_text, &stat);
  if (alive && info.start_ticks != 0 && info.start_ticks != stat.start_ticks) {
    // Another process by now; what is asked about is the one before.
    info.complete = true;
    return;
  }
  const bool has_command = ReadFile(folder + "/cmdline", &command_line) && !command_line.empty();
  ReadFile(folder + "/environ", &environment);
  ReadFile(folder + "/cgroup", &cgroup);
  const std::string executable = ReadLink(folder + "/exe");
  // Without CAP_SYS_PTRACE it will not be readable later either.
  const bool denied = executable.empty() && (errno == EACCES || errno == EPERM);
  info.start_ticks = stat.start_ticks;
  info.complete = alive && has_command && (!executable.empty() || denied);
  if (!info.complete || denied) unreadable_.Add();
  Describe(executable, command_line, environment, cgroup, stat.parent, &info);
  // The id is fixed at first sight: a process that could be read later only is still the same one.
  if (info.id == 0) Identify(cgroup, entry->exec_count, &info);
}

void ProcessMetadata::Identify(const std::string& cgroup, uint32_t exec_count, ProcessInfo* info) {
  const std::string_view program =
      std::string_view(info->executable).substr(info->executable.rfind('/') + 1);
  info->shown_pid = info->pid;
  for (const std::string& unit : options_.units) {
    if (cgroup.find(unit) == std::string::npos && unit != info->service_name && unit != program)
      continue;
    info->id = HashCombine(HashCombine(HashText(host_id_), HashText(unit)), HashText(cgroup));
    info->shown_pid = unit_pids_.try_emplace(info->id, info->pid).first->second;
    return;
  }
  info->id = HashCombine(HashCombine(HashText(host_id_), info->pid),
                         HashCombine(info->start_ticks, exec_count));
}

void ProcessMetadata::Describe(const std::string& executable, const std::string& command_line,
                               const std::string& environment, const std::string& cgroup,
                               uint32_t parent, ProcessInfo* info) {
  const std::vector<std::string_view> arguments = SplitZero(command_line);
  const std::vector<std::string_view> variables = SplitZero(environment);
  const CgroupOwner owner = ReadCgroup(cgroup);
  info->executable = executable;
  if (info->executable.empty() && !arguments.empty()) info->executable = arguments[0];
  const auto comm = comms_.find(info->pid);
  if (info->executable.empty() && comm != comms_.end()) info->executable = comm->second;
  info->attributes.clear();
  const auto add = [&](std::string_view key, std::string_view value) {
    if (!value.empty()) info->attributes.emplace_back(key, value);
  };
  std::string from_resource;
  for (auto& [key, value] : ParseResource(Variable(variables, "OTEL_RESOURCE_ATTRIBUTES"))) {
    if (key == "service.name") from_resource = value;
    std::string text;
    redactor_.HeaderValue(key, value, &text);
    if (key != "service.name") add(key, text);
  }
  std::string shown;
  redactor_.CommandLine(command_line, &shown);
  add("process.command_line", shown);
  add("container.id", owner.container_id);
  add("k8s.pod.uid", owner.pod_uid);
  add("systemd.unit", owner.unit);

  std::string& name = info->service_name;
  name = Variable(variables, "OTEL_SERVICE_NAME");
  if (name.empty()) name = from_resource;
  if (name.empty() && !owner.pod_uid.empty()) name = WorkloadOfPod(Variable(variables, "HOSTNAME"));
  if (name.empty() && !owner.container_id.empty()) {
    name = DockerName(options_.root, owner.container_id);
    add("container.name", name);
  }
  if (name.empty() && !owner.unit.empty() && IsOfUnit(executable, cgroup, parent))
    name = ServiceOfUnit(owner.unit);
  const std::string folder = options_.root + "/proc/" + std::to_string(info->pid);
  if (name.empty()) name = ServiceNameFromCommand(executable, arguments, ReadLink(folder + "/cwd"));
  if (name.empty() && comm != comms_.end()) name = comm->second;
  if (name.empty()) name = "pid-" + std::to_string(info->pid);
  std::string clean;
  redactor_.Text(name, &clean);
  name = std::move(clean);
}

// Whether the unit's name is the process's: the unit started it, by itself, through a start script,
// or through a parent that is the same program.
bool ProcessMetadata::IsOfUnit(const std::string& executable, const std::string& cgroup,
                               uint32_t parent) const {
  for (size_t i = 0; i < kMaxAncestors && parent > 1; ++i) {
    const std::string folder = options_.root + "/proc/" + std::to_string(parent);
    std::string text;
    Stat stat;
    if (!ReadFile(folder + "/cgroup", &text) || text != cgroup) return true;
    const std::string other = ReadLink(folder + "/exe");
    if (other != executable && !IsStarter(other)) return false;
    if (!ReadFile(folder + "/stat", &text) || !ParseStat(text, &stat)) return true;
    parent = stat.parent;
  }
  return true;
}

}  // namespace weft::ebpf
