// StoreState: what `weft doctor` and the summary of `weft run` say about a store. Reading only;
// without SQLite in the build a store that exists is a problem by name. One thread.
#pragma once

#include <cstdint>
#include <string>

#include "engine/cli/ledger.h"

namespace weft::cli {

struct StoreState {
  bool exists = false;
  std::string problem;  // why it cannot be read; "" if it can
  uint64_t traces = 0, spans = 0;
  uint64_t bytes = 0;  // on disk, log included
  Counters ledger;     // of the newest run
  bool run_ended = false;
};

StoreState ReadStoreState(const std::string& path);

}  // namespace weft::cli
