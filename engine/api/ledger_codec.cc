#include "engine/api/codec_internal.h"
#include "engine/api/ledger_record.h"

namespace weft::api {
namespace {

constexpr size_t kMaxEntries = 100'000;

size_t CountsWords(const NamedCounts& counts) {
  size_t words = 0;
  for (const auto& [name, value] : counts) words += 2 + Words(name.size() + 1);
  return words;
}

void FillCounts(capnp::List<wire::NamedCount>::Builder out, const NamedCounts& counts) {
  for (unsigned i = 0; i < out.size(); ++i) {
    out[i].setName(TextOf(counts[i].first));
    out[i].setValue(counts[i].second);
  }
}

Result<NamedCounts> ReadCounts(capnp::List<wire::NamedCount>::Reader in) {
  if (in.size() > kMaxEntries) return Corrupt("too many counts");
  NamedCounts counts;
  counts.reserve(in.size());
  for (auto c : in) counts.emplace_back(Copy(c.getName()), c.getValue());
  return counts;
}

void FillGaps(capnp::List<uint64_t>::Builder out, const SequenceSet& read) {
  unsigned i = 0;
  for (const auto& [first, end] : read.gaps()) {
    out.set(i++, first);
    out.set(i++, end);
  }
}

Result<SequenceSet> ReadGaps(uint64_t end, capnp::List<uint64_t>::Reader in) {
  if (in.size() % 2 != 0 || end == 0) return Corrupt("an agent's sequences");
  // A writer with another bound: the lowest are forgotten here, as the set itself does.
  constexpr unsigned kMost = 2 * SequenceSet::kMaxGaps;
  const unsigned forgotten = in.size() > kMost ? in.size() - kMost : 0;
  std::vector<SequenceSet::Gap> gaps;
  for (unsigned i = 0; i < in.size(); i += 2) {
    if (in[i] >= in[i + 1] || in[i + 1] >= end || (i > 0 && in[i] <= in[i - 1]))
      return Corrupt("an agent's sequences");
    if (i >= forgotten) gaps.emplace_back(in[i], in[i + 1]);
  }
  return SequenceSet(end, std::move(gaps));
}

}  // namespace

uint64_t StageLedger::Count(std::string_view name) const {
  for (const auto& [key, value] : counts)
    if (key == name) return value;
  return 0;
}

PayloadPtr EncodeStageLedger(const StageLedger& l) {
  size_t words = CountsWords(l.counts) + 8;
  for (const AgentTally& a : l.agents)
    words +=
        13 + Words(a.host_id.size() + 1) + 2 * a.read.gaps().size() + 2 * a.settled.gaps().size();
  return BuildMessage<wire::StageLedger>(words, [&](auto out) {
    out.setStage(l.stage);
    out.setPartition(l.partition);
    FillCounts(out.initCounts(static_cast<unsigned>(l.counts.size())), l.counts);
    auto agents = out.initAgents(static_cast<unsigned>(l.agents.size()));
    for (unsigned i = 0; i < agents.size(); ++i) {
      const AgentTally& a = l.agents[i];
      agents[i].setAgentId(a.agent_id);
      agents[i].setHostId(TextOf(a.host_id));
      agents[i].setSequence(a.read.end() - 1);
      FillGaps(agents[i].initGaps(static_cast<unsigned>(2 * a.read.gaps().size())), a.read);
      agents[i].setSealed(a.sealed);
      agents[i].setReceived(a.received);
      agents[i].setEnd(static_cast<uint8_t>(a.end));
      agents[i].setSpokenNs(a.spoken_ns);
      agents[i].setSettled(a.settled.end() - 1);
      FillGaps(agents[i].initSettledGaps(static_cast<unsigned>(2 * a.settled.gaps().size())),
               a.settled);
    }
  });
}

Result<StageLedger> DecodeStageLedger(const PayloadPtr& payload) {
  return ReadMessage<wire::StageLedger, StageLedger>(
      *payload, "stage ledger", [](auto in) -> Result<StageLedger> {
        StageLedger l;
        l.stage = in.getStage();
        l.partition = in.getPartition();
        auto counts = ReadCounts(in.getCounts());
        if (!counts) return std::unexpected(counts.error());
        l.counts = std::move(*counts);
        if (in.getAgents().size() > kMaxEntries) return Corrupt("too many agents");
        for (auto a : in.getAgents()) {
          if (a.getEnd() > static_cast<uint8_t>(AgentEnd::kLost))
            return Corrupt("end of an agent out of range");
          auto read = ReadGaps(a.getSequence() + 1, a.getGaps());
          if (!read) return std::unexpected(read.error());
          auto settled = ReadGaps(a.getSettled() + 1, a.getSettledGaps());
          if (!settled) return std::unexpected(settled.error());
          l.agents.push_back({a.getAgentId(), Copy(a.getHostId()), std::move(*read), a.getSealed(),
                              a.getReceived(), static_cast<AgentEnd>(a.getEnd()), a.getSpokenNs(),
                              std::move(*settled)});
        }
        return l;
      });
}

PayloadPtr EncodeAgentLedger(const AgentLedger& l) {
  const size_t words =
      CountsWords(l.counts) + Words(l.host_id.size() + 1) + Words(l.host_name.size() + 1);
  return BuildMessage<wire::AgentLedger>(words, [&](auto out) {
    out.setAgentId(l.agent_id);
    out.setHostId(TextOf(l.host_id));
    out.setHostName(TextOf(l.host_name));
    FillCounts(out.initCounts(static_cast<unsigned>(l.counts.size())), l.counts);
    out.setLast(l.last);
  });
}

Result<AgentLedger> DecodeAgentLedger(const PayloadPtr& payload) {
  return ReadMessage<wire::AgentLedger, AgentLedger>(
      *payload, "agent ledger", [](auto in) -> Result<AgentLedger> {
        auto counts = ReadCounts(in.getCounts());
        if (!counts) return std::unexpected(counts.error());
        return AgentLedger{in.getAgentId(), Copy(in.getHostId()), Copy(in.getHostName()),
                           std::move(*counts), in.getLast()};
      });
}

}  // namespace weft::api
