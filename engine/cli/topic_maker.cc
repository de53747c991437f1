#include "engine/cli/topic_maker.h"

#include <algorithm>
#include <chrono>
#include <map>
#include <set>
#include <thread>
#include <utility>

#include <fmt/format.h>

namespace weft::cli {
namespace {

using transport::KafkaAdmin;
using transport::TopicPlan;
using transport::TopicState;
using transport::TopicStates;

int Replicas(const KafkaAdmin& admin, const TopicWish& wish) {
  if (wish.replicas > 0) return wish.replicas;
  return std::min(3, static_cast<int>(admin.cluster().brokers.size()));
}

// How many partitions all topics shall have.
Result<int> Partitions(const Config& config, const TopicStates& states, const TopicWish& wish) {
  int there = 0;
  for (const auto& [name, state] : states) there = std::max(there, state.partitions);
  if (there == 0)
    return wish.partitions > 0 ? wish.partitions : static_cast<int>(config.partitions);
  if (wish.partitions == 0 || wish.partitions == there) return there;
  if (wish.partitions < there)
    return Fail(Code::kInvalid,
                fmt::format("the topics have {} partitions; Kafka cannot take any away", there));
  if (!wish.grow)
    return Fail(Code::kInvalid,
                fmt::format("the topics have {} partitions. More of them move processes and traces "
                            "to other partitions, and what is on its way is linked badly: stop the "
                            "agents, then the engines when they have no lag, and add --grow",
                            there));
  return wish.partitions;
}

std::map<std::string, std::string> NewSettings(const TopicPlan& plan) {
  std::map<std::string, std::string> out;
  for (const auto& demand : plan.demands) out[std::string(demand.key)] = demand.value;
  return out;
}

// "retention.ms 24h, ..." of what differs.
std::string Changes(const std::map<std::string, std::string>& settings, const TopicState& state) {
  std::string out;
  for (const auto& [key, value] : settings) {
    const auto it = state.settings.find(key);
    if (it != state.settings.end() && it->second == value) continue;
    out += fmt::format("{}{} {}", out.empty() ? "" : ", ", key,
                       transport::SpellTopicSetting(key, value));
  }
  return out;
}

// One pass after the other over what the brokers show, until that is as it should be.
class Maker {
 public:
  Maker(const Config& config, KafkaAdmin& admin, const TopicWish& wish)
      : config_(config), admin_(admin), wish_(wish) {}

  // True: nothing is left to do.
  Result<bool> Pass() {
    const auto view = ReadTopics(config_, admin_, wish_);
    if (!view) return std::unexpected(view.error());
    const auto partitions = Partitions(config_, view->states, wish_);
    if (!partitions) return std::unexpected(partitions.error());
    bool settled = true;
    for (const TopicPlan& plan : view->plans) {
      const auto it = view->states.find(plan.name);
      const bool there = it != view->states.end() && it->second.exists;
      settled &= there && it->second.partitions == *partitions &&
                 transport::MendedSettings(plan, it->second).empty();
      if (!there && partitions_.contains(plan.name)) continue;
      WEFT_TRY(there ? Mend(plan, it->second, *partitions) : Create(plan, *partitions));
    }
    return settled;
  }

  std::vector<std::string> lines;

 private:
  Result<void> Create(const TopicPlan& plan, int partitions) {
    const int replicas = Replicas(admin_, wish_);
    const auto made = admin_.CreateTopic(plan.name, partitions, replicas, NewSettings(plan));
    if (!made) return std::unexpected(made.error());
    if (!*made) return {};  // a later pass will show it
    partitions_[plan.name] = partitions;
    mended_.insert(plan.name);
    lines.push_back(fmt::format("{}: made, {} partitions, {} replicas, {}", plan.name, partitions,
                                replicas, Changes(NewSettings(plan), {})));
    return {};
  }

  Result<void> Mend(const TopicPlan& plan, const TopicState& state, int partitions) {
    if (std::max(state.partitions, partitions_[plan.name]) < partitions) {
      WEFT_TRY(admin_.SetPartitions(plan.name, partitions));
      partitions_[plan.name] = partitions;
      lines.push_back(
          fmt::format("{}: {} partitions instead of {}", plan.name, partitions, state.partitions));
    }
    const auto settings = transport::MendedSettings(plan, state);
    if (settings.empty() || !mended_.insert(plan.name).second) return {};
    WEFT_TRY(admin_.SetSettings(plan.name, settings));
    lines.push_back(fmt::format("{}: {}", plan.name, Changes(settings, state)));
    return {};
  }

  const Config& config_;
  KafkaAdmin& admin_;
  const TopicWish& wish_;
  // Brokers learn of a change one by one, after it has been acknowledged: what was done is not done
  // again because an answer does not show it yet.
  std::map<std::string, int> partitions_;
  std::set<std::string> mended_;
};

std::vector<std::string> Names(const std::vector<TopicPlan>& plans) {
  std::vector<std::string> names;
  for (const TopicPlan& plan : plans) names.push_back(plan.name);
  return names;
}

}  // namespace

Result<TopicView> ReadTopics(const Config& config, KafkaAdmin& admin, const TopicWish& wish) {
  TopicView view;
  view.plans = transport::PlanTopics(
      config, {.retention_ns = wish.retention_ns, .replicas = Replicas(admin, wish)});
  auto states = admin.ReadTopics(Names(view.plans));
  if (!states) return std::unexpected(std::move(states.error()));
  view.states = std::move(*states);
  view.findings = transport::CompareTopics(view.plans, view.states);
  return view;
}

Result<std::vector<std::string>> MakeTopics(const Config& config, KafkaAdmin& admin,
                                            const TopicWish& wish, const Clock& clock) {
  Maker maker(config, admin, wish);
  const int64_t deadline_ns = clock.MonotonicNs() + 10 * kSecond;
  for (;;) {
    const auto settled = maker.Pass();
    if (!settled) return std::unexpected(settled.error());
    if (*settled || clock.MonotonicNs() >= deadline_ns) return std::move(maker.lines);
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
}

}  // namespace weft::cli
