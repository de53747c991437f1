// ThreadVoice: a correlator for tests, as a table in memory: the open request that the same thread
// read speaks for itself. No state, so every window can be decided again with the same answer.
#pragma once

#include "engine/api/plugin_abi.h"

namespace weft::sim {

const weft_correlator* ThreadVoice();

}  // namespace weft::sim
