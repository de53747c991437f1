#include "engine/cli/what_if_tally.h"

#include <algorithm>
#include <numeric>

#include <fmt/format.h>

#include "engine/api/dictionary.h"

namespace weft::cli {

void WhatIfTally::Take(const weft_spans& spans, const weft_traces& given) {
  weft_traces traces = given;
  for (uint32_t i = 0; i < traces.n; ++i) now_ns_ = std::max(now_ns_, traces.end_ns[i]);
  traces.decided_ns = now_ns_;
  traces.n_partitions = 1;
  // Late spans must not be taken for a trace of their own by a sampler that counts.
  const bool any_late = std::any_of(traces.flags, traces.flags + traces.n,
                                    [](uint32_t f) { return (f & WEFT_FLAG_LATE) != 0; });
  const trace::Decisions* decisions[2] = {};
  const auto late_part = [&](uint32_t i) {
    return any_late && (traces.flags[i] & WEFT_FLAG_LATE) != 0 &&
           seen_.contains({traces.trace_hi[i], traces.trace_lo[i]});
  };
  bool all_late_parts = traces.n > 0;
  for (uint32_t i = 0; i < traces.n; ++i) all_late_parts &= late_part(i);
  if (!all_late_parts)
    for (size_t side = 0; side < 2; ++side) decisions[side] = &chains_[side]->Decide(spans, traces);
  encoder_.Begin(spans);
  for (uint32_t i = 0; i < traces.n; ++i) {
    const bool late = late_part(i);
    Verdicts& verdicts = seen_[{traces.trace_hi[i], traces.trace_lo[i]}];
    if (!late) {
      Verdict* const both[] = {&verdicts.first, &verdicts.second};
      for (size_t side = 0; side < 2; ++side) {
        const trace::Decisions& d = *decisions[side];
        *both[side] = {d.keep[i] != 0, d.weight[i],
                       std::string(d.rule[i].empty() ? "(no sampler)" : d.rule[i])};
      }
    }
    const WhatIfCount size{late ? 0u : 1u, traces.n_rows[i], Bytes(traces, i), 0};
    all_.traces += size.traces;
    all_.spans += size.spans;
    all_.bytes += size.bytes;
    const auto& [before, after] = verdicts;
    Count(0, before, size, late, Example(spans, traces, i, before.rule));
    Count(1, after, size, late, Example(spans, traces, i, after.rule));
    if (late || before.keep == after.keep) continue;
    ++(before.keep ? lost_ : gained_);
    auto& examples = before.keep ? lost_examples_ : gained_examples_;
    if (examples.size() < max_examples_)
      examples.push_back(Example(spans, traces, i, before.keep ? after.rule : before.rule));
  }
}

uint64_t WhatIfTally::Bytes(const weft_traces& traces, uint32_t trace) {
  std::vector<uint32_t> rows(traces.n_rows[trace]);
  std::iota(rows.begin(), rows.end(), traces.first_row[trace]);
  encoded_.clear();
  encoder_.Append(rows, &encoded_);
  return encoded_.size();
}

void WhatIfTally::Count(size_t side, const Verdict& verdict, const WhatIfCount& size, bool late,
                        const WhatIfExample& example) {
  const auto add = [&](WhatIfCount& to) {
    to.traces += size.traces;
    to.spans += size.spans;
    to.bytes += size.bytes;
    if (!late && verdict.keep) to.weight += verdict.weight;
  };
  WhatIfRule& rule = sides_[side].rules[verdict.rule];
  add(verdict.keep ? rule.kept : rule.dropped);
  if (verdict.keep) add(sides_[side].kept);
  if (!late && rule.examples.size() < max_examples_) rule.examples.push_back(example);
}

WhatIfExample WhatIfTally::Example(const weft_spans& spans, const weft_traces& traces,
                                   uint32_t trace, std::string rule) const {
  const uint32_t row =
      traces.root_row[trace] == WEFT_NONE ? traces.first_row[trace] : traces.root_row[trace];
  const auto text = [&](uint32_t index) { return std::string(api::View(spans.strings[index])); };
  return {fmt::format("{:016x}{:016x}", traces.trace_hi[trace], traces.trace_lo[trace]),
          text(spans.service[row]),
          text(spans.operation[row]),
          std::move(rule),
          static_cast<double>(traces.end_ns[trace] - traces.start_ns[trace]) / 1e6,
          traces.n_rows[trace],
          traces.n_errors[trace]};
}

}  // namespace weft::cli
