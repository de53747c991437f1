// `weft replay --range`: what engines have kept of a range of weft.spans, once more to one exporter
// that has missed some of it.
//
// By the logged decisions: what was sampled out stays so, weights and rules are those of before,
// and what nobody has decided yet is left to the engines. They are not touched. Until it is done or
// Ctrl-C.
#pragma once

#include <string>

#include "engine/base/config.h"
#include "engine/cli/command.h"
#include "engine/cli/topic_traces.h"

namespace weft::cli {

// kExitFailure: the exporter did not take all of it.
Result<int> ReplayToExporter(CommandContext& context, const Config& config,
                             const TopicTraces& topic, const std::string& exporter);

}  // namespace weft::cli
