// The simple rules that a correlator must beat. Pure functions of the recording; none looks at
// parents or traces.
#pragma once

#include "engine/eval/score.h"

namespace weft::eval {

// The request that began last among those that enclose the call, else among those open when it
// began.
Parents LatestOpen(const KnownTraces& known);
// First come, first served per callee and operation: the i-th call belongs to the i-th request.
Parents FirstComeFirstServed(const KnownTraces& known);
// The earliest request not yet used for that callee and operation that encloses the call.
Parents NestedFifo(const KnownTraces& known);

}  // namespace weft::eval
