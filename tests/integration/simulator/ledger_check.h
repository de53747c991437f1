// CheckLedger: does what the stages have counted on weft.state reconcile, to the unit, whoever
// died?
#pragma once

#include <string>

#include "engine/transport/memory.h"
#include "tests/integration/simulator/world.h"

namespace weft::sim {

// At rest. "": every observation that was sent is accounted for; else what is not.
std::string CheckLedger(const World& world, const transport::MemoryTransport& transport);

}  // namespace weft::sim
