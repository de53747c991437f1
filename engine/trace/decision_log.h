// DecisionLog: what stage 2 has decided, as rows for weft.decisions, and what a take-over reads
// back.
//
// Writing: rows collect in a batch that goes out in the transaction of the step. Two kinds of rows:
// a verdict, logged before anything acts on it; and a later note that a kept trace's spans below an
// offset are durable, for traces whose records the committed offset has not passed yet.
// Reading back: every verdict of the retention is known again, and of kept ones which spans a
// replay must skip. One owner, one thread.
#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "engine/api/codec.h"
#include "engine/base/result.h"
#include "engine/trace/decided_traces.h"

namespace weft::trace {

// Names of sampler rules, numbered in order of first use; 65,535 at most, later ones are nameless.
class RuleNames {
 public:
  RuleNames() { Number(""); }
  uint16_t Number(std::string_view name);
  std::string_view Name(uint16_t number) const { return names_[number]; }

 private:
  std::vector<std::string> names_;
  std::unordered_map<std::string, uint16_t> numbers_;
};

// What a restored trace still needs.
struct Restored {
  Verdict verdict;
  uint64_t done_offset = 0;  // spans of records below it are durable
};

class DecisionLog {
 public:
  explicit DecisionLog(uint32_t remember) : decided_(remember) {}

  // Reads one record of the log back.
  Result<void> Restore(const api::PayloadPtr& payload);
  // The restored entry of a kept trace, until ForgetRestored; nullptr if there is none.
  const Restored* FindRestored(api::TraceId id) const;
  void DropRestored(api::TraceId id) { restored_.erase(id); }
  void ForgetRestored() { restored_.clear(); }

  std::optional<Verdict> Find(api::TraceId id) const { return decided_.Find(id); }
  void Decide(api::TraceId id, Verdict verdict, uint32_t flags, uint32_t spans);
  void NoteDone(api::TraceId id, Verdict verdict, uint64_t done_offset);
  // The rows since the last call, encoded; null if there are none.
  api::PayloadPtr TakeRecord();

  RuleNames& rules() { return rules_; }
  uint64_t forgotten() const { return decided_.forgotten(); }
  size_t MemoryBytes() const { return decided_.MemoryBytes(); }

 private:
  struct HashId {
    size_t operator()(api::TraceId id) const { return HashCombine(id.hi, id.lo); }
  };
  void AddRow(api::TraceId id, Verdict verdict, uint32_t flags, uint32_t spans, uint64_t done);

  DecidedTraces decided_;
  RuleNames rules_;
  std::unordered_map<api::TraceId, Restored, HashId> restored_;
  api::DecisionBatch rows_;
};

}  // namespace weft::trace
