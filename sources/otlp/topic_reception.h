// Requests of programs to a Kafka topic, for the engines that read it (otlp_topics.h).
//
// What `weft agent` does with what comes in: each request that can be read becomes one message, as
// it came, and is answered when the brokers have acknowledged it. Ledger beside Reception's:
// otlp.forwarded, spans.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "engine/base/log.h"
#include "engine/transport/kafka_options.h"
#include "sources/otlp/reception.h"

namespace weft::otlp {

// Requires: the settings are resolved (kafka_settings.h).
Result<std::unique_ptr<Reception>> MakeTopicReception(const std::string& topic,
                                                      const transport::KafkaOptions& options,
                                                      const Clock& clock, Metrics& metrics,
                                                      Logger& log, std::function<Decoder()> zipkin);

}  // namespace weft::otlp
