// The simple rules that a correlator must beat.
#pragma once

#include "tests/accuracy/score.h"

namespace weft::accuracy {

// The request that began last among those open when the call began.
Parents LatestOpen(const Recording& recording);
// First come, first served per callee and operation: the i-th call belongs to the i-th request.
Parents FirstComeFirstServed(const Recording& recording);
// The earliest request not yet used for that callee that encloses the call.
Parents NestedFifo(const Recording& recording);

}  // namespace weft::accuracy
