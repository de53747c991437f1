// ToEbpfConfig: the configuration file's words for the eBPF source, as the source takes them.
#pragma once

#include "engine/base/config.h"
#include "sources/ebpf/ebpf_config.h"

namespace weft::cli {

ebpf::EbpfConfig ToEbpfConfig(const Config& config);

// "every process on this host", "processes nginx, node; ports 80".
std::string DescribeSelection(const EbpfSettings& settings);

}  // namespace weft::cli
