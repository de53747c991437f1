// EbpfConfig: what the eBPF source watches and how much of it. Filled in by the command line from
// YAML; plain data, every default is what `weft run` does without a configuration.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "engine/base/memory_share.h"

namespace weft::ebpf {

// Matches where any of its non-empty lists does.
struct ProcessSelector {
  std::vector<std::string> names;  // service name, or last part of the executable's path
  std::vector<uint32_t> pids;
  std::vector<std::string> cgroups;  // part of the cgroup's path
  bool empty() const { return names.empty() && pids.empty() && cgroups.empty(); }
};

// Where the kernel programs are hooked in; kAuto: the cheapest that the kernel has.
enum class Hooks : unsigned char { kAuto, kSocket, kSyscalls };

// Which connections carry an id in a TCP option; see bpf/tcp_option.bpf.c.
enum class TcpOptionPeers : unsigned char {
  kOff,
  kRemote,  // to trusted networks, but not to this host
  kAll
};

struct EbpfConfig {
  ProcessSelector include;              // empty: every process
  ProcessSelector exclude;              // wins over include; the agent itself is always excluded
  std::vector<uint16_t> include_ports;  // at either end; empty: every port
  std::vector<uint16_t> exclude_ports;  // not together with include_ports

  Hooks hooks = Hooks::kAuto;
  std::vector<std::string> units;  // processes that are one: see ProcessMetadata::Options

  uint32_t capture_bytes = 1024;  // payload prefix per send and receive, 64 to 1024
  // Powers of two, at least one page. Records go into a ring of their CPU, and into the shared one
  // when that is full. All CPUs' together are no larger than the shared one.
  uint32_t data_ring_bytes = 16u << 20;
  uint32_t cpu_ring_bytes = 256u << 10;
  // A connection's end is 48 bytes, its two shortest data records are 240: the data rings, together
  // at most twice the shared one, are full first.
  uint32_t control_ring_bytes = 8u << 20;
  uint32_t poll_ms = 10;
  uint32_t announce_after_ms = 1000;  // a request this old without a response is published as open

  bool capture_truth_header = false;       // X-Weft-Truth, for scoring only
  bool redis_arguments = false;            // show arguments instead of `?`
  std::vector<std::string> headers;        // further headers to keep as attributes
  std::vector<std::string> secret_names;   // further query parameters to redact
  bool tokens = true;                      // publish salted hashes of values
  std::string token_salt;                  // empty: one of this boot of this host
  std::vector<std::string> token_exclude;  // names whose values are not hashed
  bool tcp_spans = true;                   // spans of connections that no parser understands
  TcpOptionPeers tcp_option = TcpOptionPeers::kRemote;
  std::string tcp_option_cgroup;  // only sockets of the cgroup at this path; empty: all
  // Peers whose trace context is believed, as CIDR; empty: loopback and the private ranges.
  std::vector<std::string> trusted_networks;

  const MemoryShare* queue_share = nullptr;  // of what waits for the transport; none: all of it
};

}  // namespace weft::ebpf
