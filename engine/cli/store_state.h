// StoreState: what `weft doctor` and the summary of `weft run` say about a store. Reading only;
// without SQLite in the build a store that exists is a problem by name. One thread.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "engine/base/result.h"
#include "engine/cli/ledger.h"

namespace weft::cli {

// Connections that weft saw and did not understand (spans named `tcp`), by who talks to whom.
struct UnreadTraffic {
  std::string service, peer;
  bool server = false;  // `service` is the one that was called
  std::string guess;    // by the first bytes; may be empty
  uint64_t spans = 0, bytes = 0;
};

// What the newest spans say of a process.
struct TracedProcess {
  uint32_t pid = 0;
  std::string service;
  uint64_t spans = 0;      // of protocols that weft reads
  uint64_t tcp_spans = 0;  // of others
  std::string guess;       // what those look like; may be empty
};

struct StoreState {
  bool exists = false;
  std::string problem;  // why it cannot be read; "" if it can
  Code problem_code = Code::kIo;
  uint64_t traces = 0, spans = 0;
  uint64_t bytes = 0;  // on disk, log included
  Counters ledger;     // of the newest run
  bool run_ended = false;
  int64_t run_started_ns = 0, run_updated_ns = 0;  // Unix; 0: no run
  int64_t newest_ns = 0;                           // the newest trace's begin
  std::vector<TracedProcess> traced;               // of the newest spans
  std::vector<UnreadTraffic> unread;  // of the newest spans, the most first; at most 10
};

StoreState ReadStoreState(const std::string& path);

}  // namespace weft::cli
