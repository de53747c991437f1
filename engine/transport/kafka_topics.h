// What weft's seven topics must be like, and what is wrong with those that are there.
//
// Pure: KafkaAdmin reads and writes the cluster; `weft topics`, `weft doctor` and the transport's
// start compare. A demand has the value that `weft topics create` gives and the least (or only) one
// that works; what is more than that is never lowered. Any thread.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "engine/base/config.h"
#include "engine/transport/transport.h"

namespace weft::transport {

// A record, as it is sent: no topic and no producer of weft may be set lower than another.
inline constexpr int64_t kKafkaMessageBytes = 80'000'000;

enum class Need : uint8_t { kEqual, kAtLeast, kNothing };

struct TopicDemand {
  std::string_view key;
  std::string value;         // what a new topic gets
  std::string minimum = {};  // what works (kEqual, kAtLeast); -1 is endless
  Need need = Need::kEqual;
  bool fatal = true;          // else a warning
  std::string_view why = {};  // "the log's clock is the broker's"
};

struct TopicPlan {
  Stream stream = Stream::kEvents;
  std::string name;
  int replicas = 1;
  std::vector<TopicDemand> demands;
};

// What a cluster says of one topic.
struct TopicState {
  bool exists = false;
  int partitions = 0;
  int replicas = 0;                                          // of the partition with the fewest
  int offline = 0;                                           // partitions without a leader
  std::map<std::string, std::string, std::less<>> settings;  // all that are in force
  std::map<std::string, std::string, std::less<>> own;       // those set on the topic itself
};
using TopicStates = std::map<std::string, TopicState, std::less<>>;

struct TopicFinding {
  std::string topic, key, is, should;
  std::string_view why;
  bool fatal = true;
  bool mended_by_create = true;
};

struct TopicWishes {
  int64_t retention_ns = 0;  // of a new topic
  int replicas = 1;
};

// How long records must be kept at the least, so that a take-over finds all that it reads back.
int64_t LeastRetentionNs(const Config& config);

std::vector<TopicPlan> PlanTopics(const Config& config, const TopicWishes& wishes);

// Empty: all is well. Missing topics and unequal numbers of partitions first.
std::vector<TopicFinding> CompareTopics(const std::vector<TopicPlan>& plans,
                                        const TopicStates& states);

// The settings that a topic of the plan should be given; empty where nothing needs to change.
std::map<std::string, std::string> MendedSettings(const TopicPlan& plan, const TopicState& state);

// "24h" of "86400000" where the key is a time, "80MB" where it is a size; else as it is.
std::string SpellTopicSetting(std::string_view key, const std::string& value);

}  // namespace weft::transport
