// CgroupOwner: what a cgroup path says about who runs a process: a container, a pod, a unit.
//
// Pure; reads the text of /proc/PID/cgroup of either version. Used by ProcessMetadata.
#pragma once

#include <string>
#include <string_view>

namespace weft::ebpf {

struct CgroupOwner {
  std::string container_id;  // 64 hex digits: docker, containerd, cri-o, podman
  std::string pod_uid;
  std::string unit;  // "shop-cart.service"; empty for user sessions, init and transient units
};

CgroupOwner ReadCgroup(std::string_view text);
// "shop-cart.service" -> shop-cart; escapes (\x2d) undone.
std::string ServiceOfUnit(std::string_view unit);

}  // namespace weft::ebpf
