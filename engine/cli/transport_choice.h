// The transport that a configuration asks for: in memory, or through Kafka.
//
// Called by commands, and by Pipeline for those that have an engine. What it gives is owned by the
// caller; services outlive it.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "engine/base/config.h"
#include "engine/base/memory_share.h"
#include "engine/plugin/host.h"
#include "engine/transport/transport.h"

namespace weft::cli {

// kInvalid, with what to do instead, where the command does not work with that kind of transport.
Result<void> RequireMemory(const Config& config, std::string_view command);
Result<void> RequireKafka(const Config& config, std::string_view command);

// What to do while no broker answers at the start: waits so long, true: no more. Empty: no waiting.
using Patience = std::function<bool(int64_t ns)>;

// close_wait_ns: how long the transport's end may take, for what was published to be acknowledged.
// kCancelled: patience ended. share: of what waits in it; none: all of that bound.
Result<std::unique_ptr<transport::Transport>> OpenTransport(const Config& config,
                                                            const plugin::Services& services,
                                                            const Patience& patience,
                                                            int64_t close_wait_ns = 10 * kSecond,
                                                            const MemoryShare* share = nullptr);

// What is fetched of each partition of a stream and not read yet, at most; 0 in memory.
uint64_t ReadAheadBytes(const Config& config);

// The reader of sources.otlp.topics, which its destructor ends; null where there are none. The type
// is hidden because builds without Kafka lack it.
Result<std::shared_ptr<void>> StartOtlp(const Config& config, uint32_t partitions,
                                        const plugin::Services& services);

// The configuration of the exporter kafka: `own` with what librdkafka is to be told of the section
// kafka, passwords too: not to be shown.
Result<std::string> KafkaExporterConfig(const Config& config, const std::string& own);

// The same for sources only, with a spool in front where the configuration has one. `replayed`: the
// source is a recording: it waits where a live one would drop, and its agents may speak again.
Result<std::unique_ptr<transport::Publisher>> OpenPublisher(const Config& config,
                                                            const plugin::Services& services,
                                                            const Patience& patience,
                                                            int64_t close_wait_ns, bool replayed,
                                                            const MemoryShare* share = nullptr);

}  // namespace weft::cli
