// From the section `kafka` of the configuration to what librdkafka is made with.
//
// Whoever composes a process calls ResolveKafkaSettings once; each client (transport, admin,
// doctor) then gets a configuration of its own from MakeKafkaConf. Passwords are read there, from
// file or environment, go into librdkafka's configuration and nowhere else: no message of these
// functions shows the value of a setting that could be one. Any thread.
#pragma once

#include <memory>
#include <span>
#include <string>

#include "engine/base/config.h"
#include "engine/base/result.h"
#include "engine/transport/transport.h"

struct rd_kafka_conf_s;

namespace weft::transport {

struct KafkaConfDeleter {
  void operator()(rd_kafka_conf_s* conf) const;
};
using KafkaConf = std::unique_ptr<rd_kafka_conf_s, KafkaConfDeleter>;

struct KafkaProperty {
  const char* key;
  std::string value;
};

// Replaces ${NAME} by the environment variable everywhere but in secrets; fails where one is not
// set.
Result<KafkaSettings> ResolveKafkaSettings(const KafkaSettings& settings);

// `defaults` yield to kafka.librdkafka, `owned` win over everything. Fails where a file with a
// password cannot be read, its variable is not set, or librdkafka refuses a setting: the message
// names it. Requires: settings are resolved and without mistakes (CheckConfig).
Result<KafkaConf> MakeKafkaConf(const KafkaSettings& settings,
                                std::span<const KafkaProperty> defaults = {},
                                std::span<const KafkaProperty> owned = {});

// "weft.events" where the prefix is "weft.".
std::string KafkaTopic(const KafkaSettings& settings, Stream stream);

}  // namespace weft::transport
