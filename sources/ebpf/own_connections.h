// OwnConnections: the TCP connections that this process has already, to its store or broker.
//
// Asked once by Loader before it attaches: connections that are made later are seen by the kernel
// programs. Were their other ends traced, every batch of observations would make new ones.
#pragma once

#include <vector>

#include "bpf/wire.h"

namespace weft::ebpf {

std::vector<weft_ends> OwnConnections();

}  // namespace weft::ebpf
