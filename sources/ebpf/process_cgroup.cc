#include "sources/ebpf/process_cgroup.h"

#include <algorithm>

#include "engine/base/ascii.h"

namespace weft::ebpf {
namespace {

constexpr size_t kContainerId = 64;
constexpr size_t kPodUid = 36;

bool IsHex(std::string_view s) {
  return std::ranges::all_of(s, [](char c) { return HexValue(c) >= 0; });
}

// docker-<id>.scope, cri-containerd-<id>.scope, crio-<id>.scope, libpod-<id>.scope, <id>
std::string_view ContainerId(std::string_view component) {
  if (component.ends_with(".scope")) component.remove_suffix(6);
  // Podman's monitor is not the container.
  if (component.starts_with("crio-conmon-") || component.starts_with("libpod-conmon-")) return {};
  // containerd's CRI plugin with cgroupfs: "<anything>:cri-containerd:<id>".
  if (component.size() < kContainerId) return {};
  const std::string_view id = component.substr(component.size() - kContainerId);
  if (component.size() > kContainerId) {
    const char before = component[component.size() - kContainerId - 1];
    if (before != '-' && before != ':') return {};
  }
  return IsHex(id) ? id : std::string_view();
}

// kubepods-burstable-pod<uid with _ for ->.slice, or pod<uid>
std::string PodUid(std::string_view component) {
  if (component.ends_with(".slice")) component.remove_suffix(6);
  const size_t at = component.rfind("pod");
  if (at == std::string_view::npos || component.size() - at - 3 != kPodUid) return {};
  std::string uid(component.substr(at + 3));
  std::ranges::replace(uid, '_', '-');
  return IsHex(uid.substr(0, 8)) && uid[8] == '-' ? uid : std::string();
}

bool IsServiceUnit(std::string_view component) {
  if (!component.ends_with(".service")) return false;
  // user@1000.service holds sessions; run-u12.service is what systemd-run makes up.
  return !component.starts_with("user@") && !component.starts_with("run-") &&
         !component.starts_with("init.");
}

void ReadPath(std::string_view path, CgroupOwner* owner) {
  while (!path.empty()) {
    const size_t begin = path.find_first_not_of('/');
    if (begin == std::string_view::npos) return;
    path.remove_prefix(begin);
    const std::string_view component = path.substr(0, path.find('/'));
    path.remove_prefix(component.size());
    if (const std::string_view id = ContainerId(component); !id.empty()) owner->container_id = id;
    if (std::string uid = PodUid(component); !uid.empty()) owner->pod_uid = std::move(uid);
    if (IsServiceUnit(component)) owner->unit = component;
    if (component.starts_with("session-") && component.ends_with(".scope")) owner->unit.clear();
  }
}

}  // namespace

CgroupOwner ReadCgroup(std::string_view text) {
  CgroupOwner owner;
  while (!text.empty()) {
    const size_t newline = text.find('\n');
    const std::string_view line = text.substr(0, newline);
    // hierarchy:controllers:path; the controllers of "name=systemd" have no colon either
    const size_t first = line.find(':');
    const size_t second = first == std::string_view::npos ? first : line.find(':', first + 1);
    if (second != std::string_view::npos) ReadPath(line.substr(second + 1), &owner);
    if (newline == std::string_view::npos) break;
    text.remove_prefix(newline + 1);
  }
  // Inside a container units are the container's own business.
  if (!owner.container_id.empty()) owner.unit.clear();
  return owner;
}

std::string ServiceOfUnit(std::string_view unit) {
  if (unit.ends_with(".service")) unit.remove_suffix(8);
  std::string name;
  for (size_t i = 0; i < unit.size(); ++i) {
    if (unit[i] == '\\' && i + 3 < unit.size() && unit[i + 1] == 'x' &&
        HexValue(unit[i + 2]) >= 0 && HexValue(unit[i + 3]) >= 0) {
      name.push_back(static_cast<char>(HexValue(unit[i + 2]) * 16 + HexValue(unit[i + 3])));
      i += 3;
    } else {
      name.push_back(unit[i]);
    }
  }
  return name;
}

}  // namespace weft::ebpf
