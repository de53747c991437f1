#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "engine/api/plugin_abi.h"
#include "engine/base/units.h"
#include "engine/cli/commands.h"
#include "engine/cli/store_option.h"
#include "engine/cli/text_table.h"
#include "sql/set_reader.h"

namespace weft::cli {
namespace {

struct Meaning {
  uint32_t bit;
  std::string_view text;
};

constexpr Meaning kMeanings[] = {
    {WEFT_EVIDENCE_CONTEXT, "context: the request carried a trace context that names the parent"},
    {WEFT_EVIDENCE_WIRE,
     "wire: both ends of the connection saw the same pair of TCP sequence numbers"},
    {WEFT_EVIDENCE_THREAD, "thread: the thread that read the request also wrote this call"},
    {WEFT_EVIDENCE_DELAY, "delay: the call came when calls of this kind come after such a request"},
    {WEFT_EVIDENCE_TOKEN,
     "token: the call has a rare value in common with the request, its answer, or an earlier "
     "answer"},
    {WEFT_EVIDENCE_ORDER, "order: calls of this process follow their requests in order"},
    {WEFT_EVIDENCE_ONLY, "only: no other request was open in this process at that moment"},
    {WEFT_EVIDENCE_CUSTOM, "custom: a correlator that was added to this weft said so"},
};

std::string Describe(const sql::StoredSpan& s) {
  static constexpr std::string_view kKinds[] = {"span", "internal span", "request served",
                                                "call", "message sent",  "message received"};
  const std::string_view kind = kKinds[s.kind < std::size(kKinds) ? s.kind : 0];
  return fmt::format("{} '{}' of {}", kind, s.operation, s.service);
}

// Why the trace is in the store, and how much of it.
std::string Decision(const sql::StoredTrace& trace) {
  static constexpr Meaning kMarks[] = {{WEFT_FLAG_INCOMPLETE, "bytes of it were lost on the way"},
                                       {WEFT_FLAG_DEADLINE, "decided by a budget, as it was"},
                                       {WEFT_FLAG_OPEN, "decided while spans were open"},
                                       {WEFT_FLAG_AGENT_LOST, "its agent fell silent"},
                                       {WEFT_FLAG_LATE, "spans came after the decision"}};
  std::string out = trace.rule.empty() ? "its trace was kept: no sampler was asked"
                                       : fmt::format("its trace was kept by {}", trace.rule);
  if (trace.weight > 1) out += fmt::format(", and stands for {:.4g}", trace.weight);
  std::string marks;
  for (const Meaning& mark : kMarks)
    if ((trace.flags & mark.bit) != 0) marks += fmt::format("; {}", mark.text);
  return out + (marks.empty() ? "; complete" : marks);
}

class Explain final : public Command {
 public:
  CommandInfo Info() const override {
    return {"explain", "Say why a span has its parent",
            "The evidence for the link, how sure it is, and the other requests that were weighed. "
            "`weft trace ID --ids` shows span ids.",
            "weft explain 00f067aa0ba902b7          # a prefix of the id is enough"};
  }

  void Declare(Options& options) override {
    DeclareStore(options, &stores_);
    options.Positional("id", &id_, true, "Span id, or its beginning");
  }

  Result<int> Run(CommandContext&) override {
    const auto stores = OpenStore(stores_);
    if (!stores) return std::unexpected(stores.error());
    const auto span = sql::FindSpan(*stores, id_);
    if (!span) return std::unexpected(span.error());
    const auto trace = sql::ReadTrace((*stores)[span->store], span->trace_row());
    if (!trace) return std::unexpected(trace.error());
    const auto candidates = sql::ReadCandidates((*stores)[span->store], span->row);
    if (!candidates) return std::unexpected(candidates.error());
    fmt::print("span {}: {}\n", sql::HexId(span->span_id), Describe(*span));
    fmt::print("in trace {}, {} after its start, {} long; process {} on {}\n", trace->trace_id,
               ShortDuration(span->start_ns - trace->start_ns), ShortDuration(span->duration_ns),
               span->pid, span->node.empty() ? "an unknown node" : span->node);
    fmt::print("{}\n\n", Decision(*trace));
    WEFT_TRY(PrintParent(*stores, *span));
    return PrintCandidates(*stores, *span, *candidates);
  }

 private:
  static Result<void> PrintParent(const sql::StoreSet& stores, const sql::StoredSpan& span) {
    if (span.parent_id == 0) {
      fmt::print("It has no parent: {}.\n",
                 span.kind == WEFT_KIND_CLIENT
                     ? "no open request of its process was a likely cause"
                     : "nobody that weft watches made this request, so its trace begins here");
      return {};
    }
    const auto parent = sql::ReadSpan(stores, span.parent_id);
    if (!parent && parent.error().code != Code::kNotFound) return std::unexpected(parent.error());
    fmt::print("parent {}: {}\n", sql::HexId(span.parent_id),
               parent ? Describe(*parent) : "not stored");
    if (parent)
      fmt::print("begun {} before, {} long\n", ShortDuration(span.start_ns - parent->start_ns),
                 ShortDuration(parent->duration_ns));
    fmt::print("confidence {:.1f} %, because\n", span.confidence * 100);
    for (const Meaning& meaning : kMeanings)
      if (span.evidence & meaning.bit) fmt::print("  {}\n", meaning.text);
    if (span.evidence == 0) fmt::print("  no evidence was recorded\n");
    return {};
  }

  static Result<int> PrintCandidates(const sql::StoreSet& stores, const sql::StoredSpan& span,
                                     const std::vector<sql::StoredCandidate>& candidates) {
    if (candidates.empty()) {
      if (span.parent_id != 0) fmt::print("\nNo other request was weighed.\n");
      return kExitOk;
    }
    double sum = 0;
    for (const auto& c : candidates) sum += std::exp(c.log_odds - candidates.front().log_odds);
    TextTable table({"candidate", "request", "begun before", "log-odds", "share", "evidence", ""});
    for (const auto& c : candidates) {
      const auto other = sql::ReadSpan(stores, c.span_id);
      const bool none = c.span_id == 0;
      table.Add(
          {none ? "none" : sql::HexId(c.span_id),
           none    ? "no parent at all"
           : other ? other->service + " " + other->operation
                   : "(not stored)",
           other ? ShortDuration(span.start_ns - other->start_ns) : "",
           fmt::format("{:.2f}", c.log_odds),
           fmt::format("{:.1f} %", 100 * std::exp(c.log_odds - candidates.front().log_odds) / sum),
           sql::EvidenceText(c.evidence), c.span_id == span.parent_id ? "chosen" : "refused"});
    }
    fmt::print("\nWeighed, best first:\n{}", table.Render(Stdout()));
    return kExitOk;
  }

  StoreNames stores_ = kDefaultStore;
  std::string id_;
};

}  // namespace

std::unique_ptr<Command> MakeExplain() { return std::make_unique<Explain>(); }

}  // namespace weft::cli
