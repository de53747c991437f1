// KafkaMistakes: what is wrong with the section `kafka` of a Config, one line each.
//
// Called by CheckConfig. Knows which settings of librdkafka are weft's own and why, but needs no
// librdkafka: whether that library knows a setting is seen when a client is made
// (engine/transport/kafka_settings.h). No line shows the value of anything that could be a secret.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "engine/base/config.h"

namespace weft {

std::vector<std::string> KafkaMistakes(const Config& config);

// Whether the whole text is ${NAME}.
bool IsVariable(std::string_view text);

// Whether a setting of librdkafka holds a secret, by its name.
bool IsKafkaSecret(std::string_view key);

}  // namespace weft
