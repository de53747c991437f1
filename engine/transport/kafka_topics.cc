#include "engine/transport/kafka_topics.h"

#include <algorithm>
#include <charconv>
#include <cstdint>

#include <fmt/format.h>

#include "engine/base/clock.h"
#include "engine/base/units.h"
#include "engine/transport/kafka_options.h"
#include "engine/transport/kafka_settings.h"

namespace weft::transport {
namespace {

constexpr int64_t kHour = 3600 * kSecond;
constexpr int64_t kDeadRetentionNs = 7 * 24 * kHour;

constexpr std::string_view kInSync = "min.insync.replicas";
constexpr std::string_view kClockWhy = "the brokers' clock is the log's";
constexpr std::string_view kKeptWhy =
    "a member that takes over, after a standstill too, reads back what was decided";

std::string Milliseconds(int64_t ns) { return std::to_string(ns / kMillisecond); }

// Endless is more than anything.
int64_t Amount(const std::string& value) {
  int64_t amount = 0;
  std::from_chars(value.data(), value.data() + value.size(), amount);
  return amount < 0 ? INT64_MAX : amount;
}

bool Satisfied(const TopicDemand& demand, const std::string& value) {
  switch (demand.need) {
    case Need::kEqual: return value == demand.minimum;
    case Need::kAtLeast: return Amount(value) >= Amount(demand.minimum);
    case Need::kNothing: return true;
  }
  return true;
}

// More replicas in sync than there are would stop all writing; two of two would at one's loss.
bool Applies(const TopicDemand& demand, const TopicState& state) {
  return demand.key != kInSync || state.replicas >= 3;
}

TopicDemand Equal(std::string_view key, std::string value, std::string_view why) {
  return {.key = key, .value = value, .minimum = value, .need = Need::kEqual, .why = why};
}

std::vector<TopicDemand> Demands(Stream stream, int64_t least_ns, const TopicWishes& wishes) {
  const std::string size = std::to_string(kKafkaMessageBytes);
  std::vector<TopicDemand> out;
  out.push_back(Equal("message.timestamp.type", "LogAppendTime", kClockWhy));
  if (stream == Stream::kState) {
    out.push_back(Equal("cleanup.policy", "compact", "the newest state of each process is kept"));
  } else {
    out.push_back(Equal("cleanup.policy", "delete", "every record counts, not only the newest"));
    const bool dead = stream == Stream::kDead;
    const int64_t wished = std::max(dead ? kDeadRetentionNs : wishes.retention_ns, least_ns);
    out.push_back({.key = "retention.ms",
                   .value = Milliseconds(wished),
                   .minimum = Milliseconds(least_ns),
                   .need = Need::kAtLeast,
                   .fatal = !dead,
                   .why = kKeptWhy});
    out.push_back({.key = "retention.bytes",
                   .value = "-1",
                   .minimum = "-1",
                   .need = Need::kAtLeast,
                   .fatal = false,
                   .why = "a burst must not push out what is still needed"});
  }
  // Only closed segments are removed or compacted.
  out.push_back({.key = "segment.ms", .value = Milliseconds(kHour), .need = Need::kNothing});
  out.push_back({.key = "max.message.bytes",
                 .value = size,
                 .minimum = size,
                 .need = Need::kAtLeast,
                 .fatal = false,
                 .why = "larger records of weft would be refused"});
  if (wishes.replicas >= 3)
    out.push_back({.key = kInSync,
                   .value = "2",
                   .minimum = "2",
                   .need = Need::kAtLeast,
                   .fatal = false,
                   .why = "what one broker alone has is lost with it"});
  return out;
}

// The most partitions that a topic has; how many of them have less is what must be mended.
int MostPartitions(const std::vector<TopicPlan>& plans, const TopicStates& states) {
  int most = 0;
  for (const TopicPlan& plan : plans)
    if (const auto it = states.find(plan.name); it != states.end())
      most = std::max(most, it->second.partitions);
  return most;
}

void CompareReplicas(const TopicPlan& plan, const TopicState& state,
                     std::vector<TopicFinding>& out) {
  if (state.replicas < plan.replicas)
    out.push_back({plan.name, "replicas", std::to_string(state.replicas),
                   std::to_string(plan.replicas),
                   "records are lost with a broker; kafka-reassign-partitions.sh adds replicas",
                   false, false});
  const auto it = state.settings.find(kInSync);
  if (it != state.settings.end() && Amount(it->second) > state.replicas)
    out.push_back({plan.name, std::string(kInSync), it->second,
                   fmt::format("at most {}", state.replicas), "nothing can be written", true,
                   false});
}

void CompareOne(const TopicPlan& plan, const TopicState& state, std::vector<TopicFinding>& out) {
  if (state.offline > 0)
    out.push_back({plan.name, "leaders", fmt::format("{} partitions have none", state.offline),
                   "all", "nothing can be read or written there; are all brokers up?", true,
                   false});
  CompareReplicas(plan, state, out);
  for (const TopicDemand& demand : plan.demands) {
    const auto it = state.settings.find(demand.key);
    if (it == state.settings.end() || Satisfied(demand, it->second)) continue;
    if (!Applies(demand, state)) continue;
    const std::string should = SpellTopicSetting(demand.key, demand.minimum);
    out.push_back({plan.name, std::string(demand.key), SpellTopicSetting(demand.key, it->second),
                   demand.need == Need::kAtLeast ? "at least " + should : should, demand.why,
                   demand.fatal, true});
  }
}

}  // namespace

int64_t LeastRetentionNs(const Config& config) {
  // What is read back, and twice so long for whoever takes over to have begun.
  return 3 * (kKafkaHorizonNs + config.trace.max_age_ns + config.stitch.agent_silence_ns +
              config.stitch.window_ns + config.stitch.look_ahead_ns);
}

std::vector<TopicPlan> PlanTopics(const Config& config, const TopicWishes& wishes) {
  std::vector<TopicPlan> plans;
  for (int i = 0; i < kStreams; ++i) {
    const auto stream = static_cast<Stream>(i);
    plans.push_back({stream, KafkaTopic(config.kafka, stream), wishes.replicas,
                     Demands(stream, LeastRetentionNs(config), wishes)});
  }
  return plans;
}

std::vector<TopicFinding> CompareTopics(const std::vector<TopicPlan>& plans,
                                        const TopicStates& states) {
  std::vector<TopicFinding> out;
  const int partitions = MostPartitions(plans, states);
  for (const TopicPlan& plan : plans) {
    const auto it = states.find(plan.name);
    if (it == states.end() || !it->second.exists)
      out.push_back({plan.name, "topic", "not there", "there", "", true, true});
    else if (it->second.partitions < partitions)
      out.push_back({plan.name, "partitions", std::to_string(it->second.partitions),
                     std::to_string(partitions), "all topics of weft have equally many", true,
                     true});
  }
  for (const TopicPlan& plan : plans)
    if (const auto it = states.find(plan.name); it != states.end() && it->second.exists)
      CompareOne(plan, it->second, out);
  return out;
}

std::map<std::string, std::string> MendedSettings(const TopicPlan& plan, const TopicState& state) {
  std::map<std::string, std::string> out(state.own.begin(), state.own.end());
  bool change = false;
  for (const TopicDemand& demand : plan.demands) {
    const auto it = state.settings.find(demand.key);
    if (it != state.settings.end() && Satisfied(demand, it->second)) continue;
    if (!Applies(demand, state)) continue;
    out[std::string(demand.key)] = demand.value;
    change = true;
  }
  if (!change) out.clear();
  return out;
}

std::string SpellTopicSetting(std::string_view key, const std::string& value) {
  const bool time = key.ends_with(".ms"), size = key.ends_with(".bytes");
  if (!time && !size) return value;
  const int64_t amount = Amount(value);
  if (amount >= INT64_MAX / kMillisecond) return "endless";
  return time ? FormatDuration(amount * kMillisecond) : FormatSize(static_cast<uint64_t>(amount));
}

}  // namespace weft::transport
