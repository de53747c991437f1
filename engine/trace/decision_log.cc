#include "engine/trace/decision_log.h"

#include <utility>

namespace weft::trace {

uint16_t RuleNames::Number(std::string_view name) {
  if (auto it = numbers_.find(std::string(name)); it != numbers_.end()) return it->second;
  if (names_.size() > UINT16_MAX) return 0;
  const auto number = static_cast<uint16_t>(names_.size());
  names_.emplace_back(name);
  numbers_.emplace(name, number);
  return number;
}

Result<void> DecisionLog::Restore(const api::PayloadPtr& payload) {
  auto batch = api::DecodeDecisions(payload);
  if (!batch) return Context(std::move(batch.error()), "weft.decisions");
  for (size_t i = 0; i < batch->size(); ++i) {
    const api::TraceId id{batch->trace_hi[i], batch->trace_lo[i]};
    const Verdict verdict{batch->keep[i] != 0, rules_.Number(batch->rules.Text(batch->rule[i])),
                          static_cast<float>(batch->weight[i])};
    decided_.Remember(id, verdict);
    if (!verdict.keep) continue;
    Restored& restored = restored_[id];
    restored.verdict = verdict;
    if (batch->done_offset[i] != 0) restored.done_offset = batch->done_offset[i];
  }
  return {};
}

const Restored* DecisionLog::FindRestored(api::TraceId id) const {
  const auto it = restored_.find(id);
  return it == restored_.end() ? nullptr : &it->second;
}

void DecisionLog::Decide(api::TraceId id, Verdict verdict, uint32_t flags, uint32_t spans) {
  decided_.Remember(id, verdict);
  AddRow(id, verdict, flags, spans, 0);
}

void DecisionLog::NoteDone(api::TraceId id, Verdict verdict, uint64_t done_offset) {
  AddRow(id, verdict, 0, 0, done_offset);
}

void DecisionLog::AddRow(api::TraceId id, Verdict verdict, uint32_t flags, uint32_t spans,
                         uint64_t done) {
  rows_.trace_hi.push_back(id.hi);
  rows_.trace_lo.push_back(id.lo);
  rows_.keep.push_back(verdict.keep ? 1 : 0);
  rows_.weight.push_back(verdict.weight);
  rows_.rule.push_back(rows_.rules.Intern(rules_.Name(verdict.rule)));
  rows_.flags.push_back(flags);
  rows_.spans.push_back(spans);
  rows_.done_offset.push_back(done);
}

api::PayloadPtr DecisionLog::TakeRecord() {
  if (rows_.size() == 0) return nullptr;
  return api::EncodeDecisions(std::exchange(rows_, {}));
}

}  // namespace weft::trace
