// CheckKafka: what `weft doctor --kafka` says of a cluster and of the engines that share it.
//
// Changes nothing; a few seconds, because it waits for records to compare clocks by. Never fails:
// what cannot be asked is a check that says so.
#pragma once

#include <string>
#include <vector>

#include "engine/base/clock.h"
#include "engine/cli/kafka_option.h"
#include "sources/ebpf/check.h"

namespace weft::cli {

// `spelled` are the options that name the cluster, for the commands that remedies suggest.
std::vector<ebpf::Check> CheckKafka(const Config& config, const std::string& spelled,
                                    const Clock& clock, int64_t wait_ns = 3 * kSecond);

}  // namespace weft::cli
