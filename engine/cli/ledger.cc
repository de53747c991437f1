#include "engine/cli/ledger.h"

#include <algorithm>
#include <cstdlib>
#include <initializer_list>
#include <set>
#include <string_view>

#include <fmt/format.h>

namespace weft::cli {
namespace {

bool Has(const Counters& counters, std::string_view name) {
  return std::ranges::any_of(counters, [&](const auto& c) { return c.first == name; });
}

uint64_t Value(const Counters& counters, std::string_view name) {
  for (const auto& [counter, value] : counters)
    if (counter == name) return value;
  return 0;
}

// `left`: one counter, or several with " + " between them.
LedgerIdentity Identity(const Counters& counters, std::string where, const std::string& left,
                        std::initializer_list<std::string> right) {
  LedgerIdentity identity{std::move(where), {left, 0}, {}};
  for (size_t at = 0; at <= left.size();) {
    const size_t end = std::min(left.find(" + ", at), left.size());
    identity.left.value += Value(counters, left.substr(at, end - at));
    at = end + 3;
  }
  for (const std::string& name : right) identity.right.push_back({name, Value(counters, name)});
  return identity;
}

// "sqlite" of "sink.rows{sink=sqlite}", in name order.
std::set<std::string> Sinks(const Counters& counters) {
  std::set<std::string> sinks;
  for (const auto& [name, value] : counters)
    for (const std::string_view prefix : {"sink.rows{sink=", "sink.dropped{sink="})
      if (name.starts_with(prefix) && name.ends_with('}'))
        sinks.insert(name.substr(prefix.size(), name.size() - prefix.size() - 1));
  return sinks;
}

void AddAgent(const Counters& counters, std::vector<LedgerIdentity>* out) {
  out->push_back(Identity(counters, "kernel", "kernel.seen",
                          {"kernel.filtered", "kernel.submitted", "kernel.ring_full",
                           "kernel.map_full", "kernel.unreadable"}));
  out->push_back(
      Identity(counters, "agent", "kernel.submitted + kernel.unreadable", {"agent.received"}));
  out->push_back(
      Identity(counters, "agent", "agent.received", {"agent.filtered", "agent.records"}));
  out->push_back(
      Identity(counters, "agent", "agent.records", {"agent.decoded", "agent.parse_failed"}));
  if (Has(counters, "agent.published"))
    out->push_back(Identity(counters, "agent", "agent.observed",
                            {"agent.published", "agent.dropped", "agent.queued"}));
}

void AddTrace(const Counters& counters, std::vector<LedgerIdentity>* out) {
  out->push_back(Identity(counters, "trace", "trace.spans",
                          {"trace.kept", "trace.sampled_out", "trace.pending", "trace.replaced",
                           "trace.skipped", "trace.handed_over"}));
  for (const std::string& sink : Sinks(counters))
    out->push_back(Identity(
        counters, "sink " + sink, "trace.kept",
        {fmt::format("sink.rows{{sink={}}}", sink), fmt::format("sink.dropped{{sink={}}}", sink),
         fmt::format("sink.pending{{sink={}}}", sink),
         fmt::format("sink.handed_over{{sink={}}}", sink)}));
}

}  // namespace

int64_t LedgerIdentity::Difference() const {
  auto difference = static_cast<int64_t>(left.value);
  for (const LedgerTerm& term : right) difference -= static_cast<int64_t>(term.value);
  return difference;
}

std::vector<LedgerIdentity> LedgerIdentities(const Counters& counters) {
  std::vector<LedgerIdentity> out;
  // An agent has no stages; a member of a group has no source, and what one of its stages gives
  // another member may take. `weft doctor --kafka` sums those up.
  const bool agent = Has(counters, "agent.observed"), stitch = Has(counters, "stitch.spans"),
             trace = Has(counters, "trace.spans");
  if (agent) AddAgent(counters, &out);
  if (agent && stitch)
    out.push_back(
        Identity(counters, "stitch", "agent.observed", {"stitch.spans", "agent.dropped"}));
  if (stitch)
    out.push_back(Identity(counters, "stitch", "stitch.spans + stitch.ended_by_engine",
                           {"stitch.emitted", "stitch.pending", "stitch.handed_over"}));
  if (agent && stitch && trace)
    out.push_back(Identity(counters, "trace", "stitch.emitted + otlp.spans", {"trace.spans"}));
  if (trace) AddTrace(counters, &out);
  return out;
}
LedgerTotals TotalLedger(const Counters& counters) {
  LedgerTotals totals;
  totals.observed = Value(counters, "agent.observed");
  totals.sampled_out = Value(counters, "trace.sampled_out");
  totals.lost = Value(counters, "agent.dropped");
  totals.agent = Has(counters, "agent.observed");
  totals.engine = Has(counters, "stitch.spans") || Has(counters, "trace.spans");
  totals.published = Value(counters, "agent.published");
  totals.linked = Value(counters, "stitch.emitted");
  totals.spans = Value(counters, "trace.spans");
  totals.handed_over = Value(counters, "stitch.handed_over") + Value(counters, "trace.handed_over");
  totals.pending = Value(counters, "agent.queued") + Value(counters, "stitch.pending") +
                   Value(counters, "trace.pending");
  const std::set<std::string> sinks = Sinks(counters);
  if (!sinks.empty()) {
    const std::string sink = sinks.contains("sqlite") ? "sqlite" : *sinks.begin();
    totals.stored = Value(counters, fmt::format("sink.rows{{sink={}}}", sink));
    totals.lost += Value(counters, fmt::format("sink.dropped{{sink={}}}", sink));
    totals.pending += Value(counters, fmt::format("sink.pending{{sink={}}}", sink));
  }
  for (const LedgerIdentity& identity : LedgerIdentities(counters))
    totals.unexplained += static_cast<uint64_t>(std::llabs(identity.Difference()));
  return totals;
}

std::string LedgerLine(const LedgerTotals& totals) {
  std::string line;
  if (totals.agent && totals.engine)
    line = fmt::format("observed {} = stored {} + sampled out {} + lost {}", totals.observed,
                       totals.stored, totals.sampled_out, totals.lost);
  else if (totals.agent)
    line = fmt::format("observed {} = published {} + dropped {}", totals.observed, totals.published,
                       totals.lost);
  else
    line = fmt::format("linked {}; read {} spans: stored {}, sampled out {}, lost {}",
                       totals.linked, totals.spans, totals.stored, totals.sampled_out, totals.lost);
  if (totals.pending > 0) line += fmt::format(" + under way {}", totals.pending);
  if (totals.handed_over > 0) line += fmt::format("; left to other members {}", totals.handed_over);
  return line + fmt::format("; unexplained {}", totals.unexplained);
}

}  // namespace weft::cli
