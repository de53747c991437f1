#include "sql/explanation.h"

#include <cmath>

#include <fmt/format.h>

#include "sql/set_reader.h"

namespace weft::sql {
namespace {

struct Meaning {
  uint32_t bit;
  std::string_view text;
};

// As weft_evidence numbers them.
constexpr Meaning kEvidence[] = {
    {1u << 0, "context: the request carried a trace context that names the parent"},
    {1u << 1, "wire: both ends of the connection saw the same pair of TCP sequence numbers"},
    {1u << 2, "thread: the thread that read the request also wrote this call"},
    {1u << 3, "delay: the call came when calls of this kind come after such a request"},
    {1u << 4,
     "token: the call has a rare value in common with the request, its answer, or an earlier "
     "answer"},
    {1u << 5, "order: calls of this process follow their requests in order"},
    {1u << 6, "only: no other request was open in this process at that moment"},
    {1u << 7, "custom: a correlator that was added to this weft said so"},
};
// As weft_flags.
constexpr Meaning kMarks[] = {{1u << 2, "bytes of it were lost on the way"},
                              {1u << 5, "decided by a budget, as it was"},
                              {1u << 0, "decided while spans were open"},
                              {1u << 4, "its agent fell silent"},
                              {1u << 1, "spans came after the decision"}};
constexpr uint8_t kClient = 3;

std::string Decision(const StoredTrace& trace) {
  std::string out = trace.rule.empty() ? "its trace was kept: no sampler was asked"
                                       : fmt::format("its trace was kept by {}", trace.rule);
  if (trace.weight > 1) out += fmt::format(", and stands for {:.4g}", trace.weight);
  std::string marks;
  for (const Meaning& mark : kMarks)
    if ((trace.flags & mark.bit) != 0) marks += fmt::format("; {}", mark.text);
  return out + (marks.empty() ? "; complete" : marks);
}

// The span of that id, or nothing where it is not stored.
Result<std::optional<StoredSpan>> ReadIfStored(const StoreSet& stores, uint64_t span_id) {
  if (span_id == 0) return std::nullopt;
  Result<StoredSpan> span = ReadSpan(stores, span_id);
  if (!span && span.error().code != Code::kNotFound) return std::unexpected(span.error());
  return span ? std::optional(std::move(*span)) : std::nullopt;
}

}  // namespace

Result<Explanation> Explain(const StoreSet& stores, std::string_view span_prefix) {
  Explanation out;
  Result<StoredSpan> span = FindSpan(stores, span_prefix);
  if (!span) return std::unexpected(span.error());
  out.span = std::move(*span);
  const Database& db = stores[out.span.store];
  Result<StoredTrace> trace = ReadTrace(db, out.span.trace_row());
  if (!trace) return std::unexpected(trace.error());
  out.trace = std::move(*trace);
  out.decision = Decision(out.trace);
  if (out.span.parent_id == 0)
    out.no_parent = out.span.kind == kClient
                        ? "no open request of its process was a likely cause"
                        : "nobody that weft watches made this request, so its trace begins here";
  Result<std::optional<StoredSpan>> parent = ReadIfStored(stores, out.span.parent_id);
  if (!parent) return std::unexpected(parent.error());
  out.parent = std::move(*parent);
  for (const Meaning& meaning : kEvidence)
    if ((out.span.evidence & meaning.bit) != 0) out.because.push_back(meaning.text);
  const auto candidates = ReadCandidates(db, out.span.row);
  if (!candidates) return std::unexpected(candidates.error());
  double sum = 0;
  const auto odds = [&](const StoredCandidate& c) {
    return std::exp(c.log_odds - candidates->front().log_odds);
  };
  for (const StoredCandidate& c : *candidates) sum += odds(c);
  for (const StoredCandidate& c : *candidates) {
    Result<std::optional<StoredSpan>> stored = ReadIfStored(stores, c.span_id);
    if (!stored) return std::unexpected(stored.error());
    out.weighed.push_back({c, std::move(*stored), odds(c) / sum, c.span_id == out.span.parent_id});
  }
  return out;
}

}  // namespace weft::sql
