// MakeTopics and ReadTopics: what `weft topics` does, and `weft doctor --kafka` looks at.
//
// The rules for the topics are engine/transport/kafka_topics.h's; this is the order in which a
// cluster is brought to them. Nothing is ever removed or lowered, so that a second run changes
// nothing.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "engine/base/clock.h"
#include "engine/base/config.h"
#include "engine/base/result.h"
#include "engine/transport/kafka_admin.h"
#include "engine/transport/kafka_topics.h"

namespace weft::cli {

struct TopicWish {
  int partitions = 0;  // 0: as many as there are, else as configured
  int replicas = 0;    // 0: 3, or as many as there are brokers
  int64_t retention_ns = 24 * 3600 * kSecond;
  bool grow = false;  // topics that are there may get more partitions
};

struct TopicView {
  std::vector<transport::TopicPlan> plans;
  transport::TopicStates states;
  std::vector<transport::TopicFinding> findings;
};

Result<TopicView> ReadTopics(const Config& config, transport::KafkaAdmin& admin,
                             const TopicWish& wish = {});

// One line for each change that was made. Topics with fewer partitions than others get as many as
// those (only an interrupted create leaves that); more than that needs `grow`.
// Returns when the brokers' answer shows them, after ten seconds at the latest.
Result<std::vector<std::string>> MakeTopics(const Config& config, transport::KafkaAdmin& admin,
                                            const TopicWish& wish, const Clock& clock);

}  // namespace weft::cli
