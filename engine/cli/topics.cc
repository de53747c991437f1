#include <algorithm>
#include <cstdio>

#include <fmt/format.h>

#include "engine/base/units.h"
#include "engine/cli/commands.h"
#include "engine/cli/kafka_option.h"
#include "engine/cli/text_table.h"
#include "engine/cli/topic_maker.h"

namespace weft::cli {
namespace {

using transport::TopicFinding;
using transport::TopicPlan;
using transport::TopicState;
using transport::TopicStates;

std::string Setting(const TopicState& state, std::string_view key) {
  const auto it = state.settings.find(key);
  return it == state.settings.end() ? "-" : transport::SpellTopicSetting(key, it->second);
}

class Topics final : public Command {
 public:
  CommandInfo Info() const override {
    return {
        "topics", "Make or check weft's topics in Kafka",
        "create makes the seven topics that are missing and gives those that are there what "
        "they lack.\nIt can be run again at any time: nothing is removed, lowered or shortened. "
        "The number of partitions\nof all topics is the same; it bounds how many engines can "
        "share the work.\ncheck changes nothing. Exit code 0: all is well; 5: something is "
        "wrong, and the command that\nmends it is printed.",
        "weft topics create --brokers kafka-1:9092 --partitions 16\n"
        "weft topics create --config weft.yaml --retention 72h\n"
        "weft topics check --config weft.yaml      # what is, and what should be"};
  }

  void Declare(Options& options) override {
    options.Positional("action", &action_, true, "create or check");
    kafka_.Declare(options);
    options.Int("--partitions", &partitions_, 0, 10'000,
                "Of each topic; 0: as many as there are, else as configured");
    options.Int("--replication-factor", &replicas_, 0, 100,
                "Of new topics; 0: 3, or as many as there are brokers");
    options.Duration("--retention", &retention_ns_, "How long new topics keep records");
    options.Flag("--grow", &grow_,
                 "create: let topics that are there get more partitions. What is on its way then "
                 "is linked badly: stop agents first, engines when they have no lag");
  }

  Result<int> Run(CommandContext& context) override {
    if (action_ != "create" && action_ != "check")
      return Fail(Code::kInvalid, fmt::format("'{:.40}' is not one of: create check", action_));
    const auto config = kafka_.Load();
    if (!config) return std::unexpected(config.error());
    const auto admin = KafkaOption::Connect(*config);
    if (!admin) return std::unexpected(admin.error());
    TopicWish wish{.partitions = static_cast<int>(partitions_),
                   .replicas = static_cast<int>(replicas_),
                   .retention_ns = retention_ns_,
                   .grow = grow_};
    if (action_ == "create") {
      auto made = MakeTopics(*config, **admin, wish, context.clock);
      if (!made) return std::unexpected(std::move(made.error()));
      for (const std::string& line : *made) fmt::print("{}\n", line);
      if (made->empty()) fmt::print("nothing to change\n");
    }
    return Report(*config, **admin, wish);
  }

 private:
  Result<int> Report(const Config& config, transport::KafkaAdmin& admin, const TopicWish& wish) {
    const auto view = ReadTopics(config, admin, wish);
    if (!view) return std::unexpected(view.error());
    if (action_ == "check") PrintTable(view->plans, view->states);
    const bool wrong = std::any_of(view->findings.begin(), view->findings.end(),
                                   [](const TopicFinding& finding) { return finding.fatal; });
    if (!view->findings.empty()) PrintFindings(view->findings);
    return wrong ? kExitUnhealthy : kExitOk;
  }

  static void PrintTable(const std::vector<TopicPlan>& plans, const TopicStates& states) {
    TextTable table({"topic", "partitions", "replicas", "in sync", "cleanup", "retention",
                     "timestamps", "largest record"});
    for (const TopicPlan& plan : plans) {
      const auto it = states.find(plan.name);
      const bool there = it != states.end() && it->second.exists;
      const TopicState state = there ? it->second : TopicState{};
      table.Add({plan.name, there ? std::to_string(state.partitions) : "not there",
                 there ? std::to_string(state.replicas) : "-",
                 Setting(state, "min.insync.replicas"), Setting(state, "cleanup.policy"),
                 plan.stream == transport::Stream::kState ? "-" : Setting(state, "retention.ms"),
                 Setting(state, "message.timestamp.type"), Setting(state, "max.message.bytes")});
    }
    std::fputs(table.Render(Stdout()).c_str(), stdout);
  }

  void PrintFindings(const std::vector<TopicFinding>& findings) const {
    bool mended_by_create = false, by_hand = false;
    fmt::print("\n");
    for (const TopicFinding& finding : findings) {
      fmt::print("  {}  {}: {} is {}, should be {}{}{}\n", finding.fatal ? "FAIL" : "warn",
                 finding.topic, finding.key, finding.is, finding.should,
                 finding.why.empty() ? "" : ": ", finding.why);
      (finding.mended_by_create ? mended_by_create : by_hand) = true;
    }
    if (mended_by_create && action_ == "check")
      fmt::print("\nTo mend it: weft topics create{}\n", kafka_.Spelled());
    else if (mended_by_create)
      fmt::print("\nThe brokers did not take it: does a policy of the cluster forbid it?\n");
    if (by_hand) fmt::print("\nThe rest is for the cluster's own tools.\n");
  }

  KafkaOption kafka_;
  std::string action_;
  int64_t partitions_ = 0, replicas_ = 0;
  int64_t retention_ns_ = 24 * 3600 * kSecond;
  bool grow_ = false;
};

}  // namespace

std::unique_ptr<Command> MakeTopicsCommand() { return std::make_unique<Topics>(); }

}  // namespace weft::cli
