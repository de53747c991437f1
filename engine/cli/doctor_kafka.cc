#include "engine/cli/doctor_kafka.h"

#include <librdkafka/rdkafka.h>

#include <algorithm>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "engine/base/units.h"
#include "engine/cli/kafka_ledger.h"
#include "engine/cli/topic_maker.h"
#include "engine/transport/kafka_transport.h"

namespace weft::cli {
namespace {

using ebpf::Check;
using ebpf::CheckState;
using transport::GroupMember;
using transport::GroupState;
using transport::KafkaAdmin;
using transport::Stream;

// Records are on their way for so long at the most where all is well.
constexpr int64_t kLongWay = 5 * kSecond;
constexpr int64_t kClocksAgree = -1 * kSecond;

Check Failed(std::string name, const Error& error, std::string remedy) {
  return {std::move(name), CheckState::kFail, error.message, std::move(remedy)};
}

Check CheckLibrary(const Config& config) {
  const std::string detail = fmt::format("librdkafka {}", rd_kafka_version_str());
  const auto properties = transport::MakeKafkaProperties(config.kafka);
  std::string limit = properties ? transport::KafkaLibraryLimit(*properties) : "";
  if (limit.empty()) limit = transport::KafkaPublishingLimit();
  return {"library", limit.empty() ? CheckState::kOk : CheckState::kWarn, detail, limit};
}

Check CheckBrokers(const KafkaAdmin& admin) {
  const auto& cluster = admin.cluster();
  return {"brokers", CheckState::kOk,
          fmt::format("{} in cluster {}: {}; controller {}", cluster.brokers.size(), cluster.id,
                      fmt::join(cluster.brokers, ", "), cluster.controller),
          ""};
}

void CheckTopics(const TopicView& view, const std::string& spelled, std::vector<Check>& out) {
  for (const auto& finding : view.findings)
    out.push_back(
        {"topic", finding.fatal ? CheckState::kFail : CheckState::kWarn,
         fmt::format("{}: {} is {}, should be {}{}{}", finding.topic, finding.key, finding.is,
                     finding.should, finding.why.empty() ? "" : ": ", finding.why),
         finding.mended_by_create ? "weft topics create" + spelled
                                  : "the cluster's own tools mend it"});
  if (!view.findings.empty()) return;
  const auto& one = view.states.begin()->second;
  out.push_back({"topics", CheckState::kOk,
                 fmt::format("all {} with {} partitions of {} replicas", view.states.size(),
                             one.partitions, one.replicas),
                 ""});
}

// "0-3, 7"
std::string Ranges(const std::vector<uint32_t>& sorted) {
  std::string out;
  for (size_t i = 0; i < sorted.size();) {
    size_t last = i;
    while (last + 1 < sorted.size() && sorted[last + 1] == sorted[last] + 1) ++last;
    out += out.empty() ? "" : ", ";
    out += last == i ? fmt::format("{}", sorted[i]) : fmt::format("{}-{}", sorted[i], sorted[last]);
    i = last + 1;
  }
  return out.empty() ? "none" : out;
}

std::string Members(const std::vector<GroupMember>& members) {
  if (members.empty()) return "no members";
  std::string out = fmt::format("{} member{}", members.size(), members.size() == 1 ? "" : "s");
  const char* separator = ": ";
  for (const GroupMember& member : members) {
    out += fmt::format("{}{} at {} has {}", separator, member.client, member.host,
                       Ranges(member.partitions));
    separator = "; ";
  }
  return out;
}

// Records between what is decided and the end; markers of transactions count as well.
std::string Lag(const GroupState& group, const std::vector<int64_t>& ends) {
  int64_t sum = 0, most = 0;
  size_t where = 0;
  for (size_t i = 0; i < ends.size(); ++i) {
    const int64_t lag = ends[i] - std::max<int64_t>(group.committed[i], 0);
    sum += lag;
    if (lag > most) {
      most = lag;
      where = i;
    }
  }
  if (most == 0) return "no lag";
  return fmt::format("lag {} records, most in partition {}: {}", sum, where, most);
}

Check CheckGroup(const Config& config, KafkaAdmin& admin, std::string_view stage, Stream stream,
                 int partitions) {
  const std::string group = fmt::format("{}-{}", config.kafka.group, stage);
  const std::string name = fmt::format("group {}", group);
  const std::string topic = transport::KafkaTopic(config.kafka, stream);
  const auto state = admin.ReadGroup(group, topic, partitions);
  if (!state) return Failed(name, state.error(), "may the user DESCRIBE the group?");
  const auto ends = admin.EndOffsets(topic, partitions);
  if (!ends) return Failed(name, ends.error(), "are all brokers up?");
  const std::string detail = fmt::format("{}; {}", Members(state->members), Lag(*state, *ends));
  if (state->members.empty())
    return {name, CheckState::kWarn, detail,
            fmt::format("nobody does the stage '{}' for kafka.group {}: start weft engine", stage,
                        config.kafka.group)};
  size_t owned = 0;
  for (const GroupMember& member : state->members) owned += member.partitions.size();
  if (owned < static_cast<size_t>(partitions))
    return {name, CheckState::kWarn,
            fmt::format("{}; {} of {} partitions have no owner ({})", detail,
                        static_cast<size_t>(partitions) - owned, partitions, state->state),
            "members are joining or leaving; look again in some seconds"};
  return {name, CheckState::kOk, detail, ""};
}

Check CheckClock(const Config& config, KafkaAdmin& admin, int partitions, const Clock& clock,
                 int64_t wait_ns) {
  const std::string topic = transport::KafkaTopic(config.kafka, Stream::kEvents);
  const auto difference = admin.ClockDifferenceNs(topic, partitions, clock, wait_ns);
  if (!difference && difference.error().code == Code::kNotFound)
    return {"clock", CheckState::kWarn,
            fmt::format("nothing came from {} for {}, so clocks cannot be compared", topic,
                        FormatDuration(wait_ns)),
            "no agent is writing: start weft agent"};
  if (!difference) return Failed("clock", difference.error(), "may the user READ the topic?");
  if (*difference < kClocksAgree)
    return {
        "clock", CheckState::kWarn,
        fmt::format("this host's is at least {} behind the brokers'", ShortDuration(-*difference)),
        "set it by NTP; weft links by the brokers' alone, but start times are this host's"};
  if (*difference > kLongWay)
    return {"clock", CheckState::kWarn,
            fmt::format("records are read {} after the brokers' time, or clocks differ",
                        ShortDuration(*difference)),
            "set the clocks by NTP; if they are right, the brokers or the network are slow"};
  return {"clock", CheckState::kOk,
          fmt::format("records are read {} after the brokers' time",
                      *difference < 0 ? "no" : ShortDuration(*difference)),
          ""};
}

// What agents and engines have counted, summed: see ARCHITECTURE.md, "Ledger".
void CheckLedgers(const Config& config, const Clock& clock, std::vector<Check>& out) {
  Metrics metrics;
  const auto log = NullLogger();
  transport::KafkaOptions options;
  options.settings = config.kafka;
  auto kafka = transport::KafkaTransport::Open(options, clock, metrics, *log);
  if (!kafka) return out.push_back(Failed("ledger", kafka.error(), ""));
  std::vector<api::StageLedger> stages;
  std::vector<api::AgentLedger> agents;
  size_t unreadable = 0;
  const auto read = (*kafka)->VisitState([&](const transport::Record& record) {
    if (record.type == transport::RecordType::kStageLedger) {
      auto one = api::DecodeStageLedger(record.payload);
      one ? stages.push_back(std::move(*one)) : void(++unreadable);
    } else if (record.type == transport::RecordType::kAgentLedger) {
      auto one = api::DecodeAgentLedger(record.payload);
      one ? agents.push_back(std::move(*one)) : void(++unreadable);
    }
  });
  if (!read) return out.push_back(Failed("ledger", read.error(), "may the user READ weft.state?"));
  const KafkaLedger ledger = SumLedgers(stages, agents);
  for (const auto& [partition, sums] : ledger.partitions)
    out.push_back({fmt::format("partition {}", partition),
                   sums.under_way() < 0 ? CheckState::kFail : CheckState::kOk,
                   KafkaLedger::Line(sums), ""});
  for (const std::string& line : ledger.Lines())
    out.push_back({"ledger", CheckState::kOk, line, ""});
  if (ledger.unexplained() + unreadable > 0)
    out.push_back(
        {"ledger", CheckState::kFail,
         fmt::format("unexplained {}, unreadable records {}", ledger.unexplained(), unreadable),
         "a fault of weft: please report it"});
}

}  // namespace

std::vector<Check> CheckKafka(const Config& config, const std::string& spelled, const Clock& clock,
                              int64_t wait_ns) {
  std::vector<Check> out{CheckLibrary(config)};
  const auto admin = KafkaOption::Connect(config);
  if (!admin) {
    out.push_back(
        Failed("brokers", admin.error(), "see kafka.brokers, kafka.security and kafka.sasl"));
    return out;
  }
  out.push_back(CheckBrokers(**admin));
  const auto view = ReadTopics(config, **admin);
  if (!view) {
    out.push_back(Failed("topics", view.error(), "may the user DESCRIBE the topics?"));
    return out;
  }
  CheckTopics(*view, spelled, out);
  const auto partitions = [&](Stream stream) {
    const auto it = view->states.find(transport::KafkaTopic(config.kafka, stream));
    return it == view->states.end() ? 0 : it->second.partitions;
  };
  if (const int count = partitions(Stream::kEvents); count > 0) {
    out.push_back(CheckGroup(config, **admin, "stitch", Stream::kEvents, count));
    out.push_back(CheckClock(config, **admin, count, clock, wait_ns));
  }
  if (const int count = partitions(Stream::kSpans); count > 0)
    out.push_back(CheckGroup(config, **admin, "trace", Stream::kSpans, count));
  if (view->findings.empty()) CheckLedgers(config, clock, out);
  return out;
}

}  // namespace weft::cli
