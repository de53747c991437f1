// StitchConfig: what stage 1 needs to know. Plain values, copied into each partition.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "engine/api/plugin_abi.h"
#include "engine/base/clock.h"
#include "engine/base/memory_share.h"

namespace weft::stitch {

struct StitchConfig {
  uint32_t partitions = 4;  // of every stream

  // Event time of one process, see ARCHITECTURE.md.
  int64_t window_ns = 500 * kMillisecond;
  int64_t lookahead_ns = 500 * kMillisecond;
  // Decided calls of a request stay in the view of later windows for so long.
  int64_t before_ns = 30 * kSecond;
  // A span that is open this long is emitted once as it is.
  int64_t open_emit_ns = 2 * kSecond;

  // Log time.
  int64_t grace_ns = 200 * kMillisecond;           // bounds the transport's delay
  int64_t agent_silence_ns = 10 * kSecond;         // then the agent counts as lost
  int64_t answer_deadline_ns = 30 * kSecond;       // a request without an answer becomes a root
  int64_t answer_patience_ns = 600 * kSecond;      // ... where some partition reads nothing
  int64_t max_pin_ns = 60 * kSecond;               // an old record stops holding the offset back
  int64_t links_horizon_ns = 60 * kSecond;         // how long the links partition remembers
  int64_t process_idle_ns = 600 * kSecond;         // then what was learned about it is forgotten
  int64_t watermark_every_ns = 50 * kMillisecond;  // at most so often to every partition

  // What one partition's spans and their records may take while others are behind.
  size_t max_bytes = size_t{512} << 20;
  const MemoryShare* share = nullptr;  // of max_bytes; none: all of it

  // Decision.
  double min_confidence = 0;  // below it a call stays unlinked
  double none_log_odds = -3;  // of "this call has no cause here", against any one open request
  int64_t save_state_every_ns = 5 * kSecond;  // of event time, per process
  // Another owner may follow: input is kept until what was learned from it is saved.
  bool taken_over = true;

  // Networks whose peers are watched and trusted with context, as CIDR. A peer outside is an edge:
  // its requests are roots at once and its trace context becomes a link.
  std::vector<std::string> networks = {"127.0.0.0/8",    "10.0.0.0/8",    "172.16.0.0/12",
                                       "192.168.0.0/16", "100.64.0.0/10", "169.254.0.0/16",
                                       "::1/128",        "fc00::/7",      "fe80::/10"};
};

// One correlator of the chain. Table and instance belong to the caller and outlive the partition.
struct ChainLink {
  std::string name;
  const weft_correlator* table = nullptr;
  void* instance = nullptr;
};

}  // namespace weft::stitch
