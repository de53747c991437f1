// From the section `kafka` of the configuration to what librdkafka is made with.
//
// Whoever composes a process calls ResolveKafkaSettings once, then MakeKafkaProperties for its
// clients. Passwords are read there, from file or environment, and are in the properties: those are
// never printed. No message of these functions shows the value of what could be one. Any thread.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "engine/base/config.h"
#include "engine/base/result.h"
#include "engine/transport/transport.h"

namespace weft::transport {

// librdkafka's names and values; may hold secrets.
using KafkaProperties = std::vector<std::pair<std::string, std::string>>;

// Replaces ${NAME} by the environment variable everywhere but in secrets; fails where one is not
// set.
Result<KafkaSettings> ResolveKafkaSettings(const KafkaSettings& settings);

// What every client of the process is made with, before its own. Fails where a file with a password
// cannot be read, its variable is not set, or librdkafka refuses a setting: the message names it.
// Requires: settings are resolved and without mistakes (CheckConfig).
Result<KafkaProperties> MakeKafkaProperties(const KafkaSettings& settings);

// Whether librdkafka knows the settings of kafka.librdkafka and takes their values, as far as that
// can be said where their environment is not: `weft validate`.
Result<void> CheckKafkaPassedOn(const KafkaSettings& settings);

// What the librdkafka of this build cannot do of what the properties ask, and what to do instead;
// empty: nothing is known.
std::string KafkaLibraryLimit(const KafkaProperties& properties);

// What is wrong with publishing by the librdkafka of this build; empty: nothing is known.
std::string KafkaPublishingLimit();

// "weft.events" where the prefix is "weft.".
std::string KafkaTopic(const KafkaSettings& settings, Stream stream);

}  // namespace weft::transport
