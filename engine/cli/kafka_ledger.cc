#include "engine/cli/kafka_ledger.h"

#include <algorithm>

#include <fmt/format.h>

namespace weft::cli {
namespace {

void Add(const PartitionSums& from, PartitionSums* to) {
  to->sealed += from.sealed;
  to->received += from.received;
  to->forced += from.forced;
  to->emitted += from.emitted;
  to->duplicates += from.duplicates;
  to->reported += from.reported;
  to->stored += from.stored;
  to->sampled_out += from.sampled_out;
  to->replaced += from.replaced;
  to->dropped += from.dropped;
}

void AddStitch(const api::StageLedger& ledger, PartitionSums* sums) {
  sums->received = ledger.Count("received");
  sums->forced = ledger.Count("forced");
  sums->emitted = ledger.Count("emitted");
  sums->duplicates = ledger.Count("duplicates");
  sums->sealed = ledger.Count("gone_sealed");
  for (const api::AgentTally& agent : ledger.agents) sums->sealed += agent.sealed;
}

void AddTrace(const api::StageLedger& ledger, PartitionSums* sums) {
  sums->stored = ledger.Count("stored");
  sums->sampled_out = ledger.Count("sampled_out");
  sums->replaced = ledger.Count("replaced");
  sums->dropped = ledger.Count("dropped");
}

// An agent writes several partitions; in each it may seem to have ended or not.
struct AgentSums {
  uint64_t sealed = 0;
  bool stopped = false, silent = false;
};

}  // namespace

uint64_t KafkaLedger::unexplained() const {
  uint64_t sum = static_cast<uint64_t>(std::max<int64_t>(-to_settle(), 0));
  for (const auto& [number, p] : partitions)
    sum += static_cast<uint64_t>(std::max<int64_t>(-p.under_way(), 0));
  return sum;
}

std::string KafkaLedger::Line(const PartitionSums& s) {
  return fmt::format(
      "observed {} = received {} + lost on the way {}; received + ended by the engine {} = linked "
      "{} + duplicates {} + under way {}; of others {}; settled {} = stored {} + sampled out {} + "
      "replaced {} + "
      "dropped {}",
      s.sealed, s.received, s.lost(), s.forced, s.emitted, s.duplicates, s.under_way(), s.reported,
      s.settled(), s.stored, s.sampled_out, s.replaced, s.dropped);
}

std::vector<std::string> KafkaLedger::Lines() const {
  std::vector<std::string> lines;
  lines.push_back(fmt::format(
      "agents: {} speaking, {} stopped in order, {} fell silent; unknown_after_crash {}{}",
      speaking, stopped, silent, unknown_after_crash,
      silent > 0 ? ", and what those had not counted yet" : ""));
  lines.push_back(fmt::format("observed {} = received {} + lost on the way {}", all.sealed,
                              all.received, all.lost()));
  lines.push_back(
      fmt::format("received {} + ended by the engine {} = linked {} + duplicates {} + under way {}",
                  all.received, all.forced, all.emitted, all.duplicates, all.under_way()));
  lines.push_back(
      fmt::format("linked {} + of others {} = stored {} + sampled out {} + replaced {} + dropped "
                  "{} + under way "
                  "{}",
                  all.emitted, all.reported, all.stored, all.sampled_out, all.replaced, all.dropped,
                  to_settle()));
  return lines;
}

KafkaLedger SumLedgers(const std::vector<api::StageLedger>& stages,
                       const std::vector<api::AgentLedger>& agents) {
  KafkaLedger out;
  std::map<uint64_t, AgentSums> by_agent;
  for (const api::StageLedger& ledger : stages) {
    PartitionSums& sums = out.partitions[ledger.partition];
    if (ledger.stage == 2) {
      AddTrace(ledger, &sums);
      continue;
    }
    if (ledger.stage == api::kOthersStage) {
      sums.reported += ledger.Count("reported");
      continue;
    }
    AddStitch(ledger, &sums);
    out.stopped += ledger.Count("gone_stopped");
    out.silent += ledger.Count("gone_lost");
    for (const api::AgentTally& tally : ledger.agents) {
      AgentSums& agent = by_agent[tally.agent_id];
      agent.sealed += tally.sealed;
      agent.stopped |= tally.end == api::AgentEnd::kStopped;
      agent.silent |= tally.end == api::AgentEnd::kLost;
    }
  }
  for (const auto& [number, sums] : out.partitions) Add(sums, &out.all);
  for (const auto& [id, agent] : by_agent)
    ++(agent.stopped ? out.stopped : agent.silent ? out.silent : out.speaking);
  // Of several partitions' copies the newest counts: totals only grow.
  std::map<uint64_t, std::map<std::string, uint64_t>> totals;
  for (const api::AgentLedger& agent : agents)
    for (const auto& [name, value] : agent.counts) {
      uint64_t& total = totals[agent.agent_id][name];
      total = std::max(total, value);
    }
  for (const auto& [id, counts] : totals) {
    for (const auto& [name, value] : counts) out.agents[name] += value;
    const auto agent = by_agent.find(id);
    const auto observed = counts.find("agent.observed");
    if (agent == by_agent.end() || !agent->second.silent || observed == counts.end()) continue;
    if (observed->second > agent->second.sealed)
      out.unknown_after_crash += observed->second - agent->second.sealed;
  }
  return out;
}

}  // namespace weft::cli
