// StateCodec: all that a ProcessLearner knows, as bytes, at most the ABI's limit per process.
//
// A learner that was loaded goes on exactly like the one that was saved: the model with the tables
// that come from it, what waits to be counted, requests that are open with their calls, and while
// it is cold everything that it has seen. The bounds on each of these make it fit. Version, then
// the parts in a fixed order, then a checksum. Host byte order: state moves between machines of one
// cluster, and a reader of another order sees a wrong version and starts cold.
#pragma once

#include <string>
#include <string_view>

#include "plugins/correlator-delay/process_learner.h"
#include "plugins/correlator-delay/state_bytes.h"

namespace weft::plugins::delay {

class StateCodec {
 public:
  static constexpr size_t kLimit = 256 * 1024;
  static std::string Save(const ProcessLearner& learner);
  // False, and `learner` untouched, where the bytes are not a state of this version.
  static bool Load(std::string_view bytes, ProcessLearner& learner);
  // Appends the checksum that Load wants to see.
  static std::string Seal(std::string bytes);

 private:
  static bool HasModel(const ProcessLearner& learner);
  static void Put(StateWriter& out, const QueueOrder& order);
  static void Put(StateWriter& out, const ThreadContinuity& threads);
  static void Put(StateWriter& out, const CallRates& rates);
  static void Put(StateWriter& out, const RequestModel& model);
  static void Put(StateWriter& out, const ContextCounts& counts);
  static void Put(StateWriter& out, const GapTable& gaps);
  static void Put(StateWriter& out, const RestTable& rests);
  static void Put(StateWriter& out, const ProcessHistory& history);
  static void PutWaiting(StateWriter& out, const ProcessLearner& learner);
  static void Get(StateReader& in, QueueOrder& order);
  static void Get(StateReader& in, ThreadContinuity& threads);
  static void Get(StateReader& in, CallRates& rates);
  static void Get(StateReader& in, RequestModel& model);
  static void Get(StateReader& in, ContextCounts& counts);
  static void Get(StateReader& in, GapTable& gaps);
  static void Get(StateReader& in, RestTable& rests);
  static void Get(StateReader& in, ProcessHistory& history);
  static void GetWaiting(StateReader& in, ProcessLearner& learner);
};

}  // namespace weft::plugins::delay
