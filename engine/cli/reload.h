// Reload: what SIGHUP asks for. The configuration file is read again; what may change while weft
// runs does: samplers, correlators, which processes are watched, the log's level. What may not is
// named, and stays as it was. A file that is wrong, or a plugin that refuses its configuration,
// changes nothing at all.
//
// Owned by the command, used by its thread between two looks at its work. No span is lost over it:
// sources, transport, exporters and store stay open, and each shard changes over between two turns.
#pragma once

#include <string>

#include "engine/base/config.h"
#include "engine/base/log.h"
#include "engine/base/metrics.h"
#include "engine/cli/command.h"
#include "engine/cli/ebpf_run.h"
#include "engine/cli/pipeline.h"
#include "engine/cli/run_options.h"

namespace weft::cli {

// The level of the configuration, where the command line says nothing.
void SetLogLevel(const CommandContext& context, const Config& config);

class Reload {
 public:
  // `in_force`: as it was loaded. References outlive the object.
  Reload(const RunOptions& options, const Config& in_force, const CommandContext& context,
         Metrics& metrics);

  // Null: the command has none. What was done comes back, for people; of what was not done the log
  // tells.
  std::string Run(Pipeline* pipeline, EbpfRun* source);

 private:
  Result<void> Apply(const Config& next, Pipeline* pipeline, EbpfRun* source);

  const RunOptions& options_;
  Config in_force_;
  const CommandContext& context_;
  Counter &done_, &refused_;
};

}  // namespace weft::cli
