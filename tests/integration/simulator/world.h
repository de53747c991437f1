// World: what a small cluster of traced programs does, and what its agents observe of it.
//
// Made from a seed alone: hosts with clocks of their own, processes, requests that call each other
// across them, thread ids, wire ids, contexts, requests that stay open for seconds, callers that
// nobody watches. The agents' batches come out as a script in the order of true time; how they
// reach the log is up to the Cluster. One thread.
#pragma once

#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "engine/api/codec.h"

namespace weft::sim {

struct WorldOptions {
  uint32_t roots = 25;
  int64_t length_ns = 4'000'000'000;
  int64_t seal_every_ns = 50'000'000;
  bool swings = false;           // quiet nights, busy noons, bursts of a minute
  bool late_rows = false;        // some rows miss the watermark that promised them
  bool silent_agents = false;    // some agents stop without a word
  bool tangled_threads = false;  // thread ids are shared by concurrent requests
};

struct Exchange {
  uint64_t exchange = 0, connection = 0, wire_id = 0, option_id = 0, span_id = 0;
  uint32_t host = 0, process = 0;  // numbers in the world
  bool server = false;
  bool pipelined = false;
  int64_t start_ns = 0, end_ns = 0;  // true time
  uint32_t tid = 0;
  std::string remote_address;
  uint16_t remote_port = 0, local_port = 0;
  uint64_t context_trace = 0, context_span = 0;  // 0: none
  uint64_t true_parent = 0;                      // span id; 0: a root
};

// One sealed batch of one agent for all of its processes; split by partition when it is sent.
struct Observation {
  uint32_t exchange = 0;  // index into World::exchanges
  bool open = false;
};
struct Seal {
  int64_t at_ns = 0;  // true time
  uint32_t host = 0;
  int64_t watermark_ns = 0;  // true time
  bool last = false;
  std::vector<Observation> rows;
};

struct Host {
  std::string id, name, address;
  uint64_t agent_id = 0, boot_id = 0;
  int64_t clock_offset_ns = 0;  // its monotonic clock minus true time
  std::vector<uint64_t> processes;
  bool silent = false;
};

struct World {
  uint64_t seed = 0;
  std::vector<Host> hosts;
  std::vector<Exchange> exchanges;
  std::vector<Seal> script;    // by time
  std::vector<bool> observed;  // of exchanges: some agent has published its end
  int64_t end_ns = 0;
  bool disturbed = false;  // late rows or silence: the exact comparison does not hold
};

World MakeWorld(uint64_t seed, const WorldOptions& options);

// Adds the row of an observation to a table that already has `process` at process_row.
void AddRow(const World& world, const Observation& observation, uint32_t process_row,
            api::SpanTable* table);

}  // namespace weft::sim
