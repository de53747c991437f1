// StateCodec: what a ProcessLearner has learned, as bytes, at most the ABI's limit per process.
//
// Version, clock quantum, the numbered names, the histograms, then as many context counts as fit,
// largest first. Host byte order: state moves between machines of one cluster, and a reader of
// another order sees a wrong version and starts cold.
#pragma once

#include <string>
#include <string_view>

#include "plugins/correlator-delay/process_learner.h"

namespace weft::plugins::delay {

class StateCodec {
 public:
  static constexpr size_t kLimit = 256 * 1024;
  // Empty while the process is cold: there is nothing worth keeping.
  static std::string Save(const ProcessLearner& learner);
  // False, and `learner` untouched, where the bytes are not a state of this version.
  static bool Load(std::string_view bytes, ProcessLearner& learner);
  // Appends the checksum that Load wants to see.
  static std::string Seal(std::string bytes);

 private:
  static void PutRests(std::string& out, const RequestModel& model);
  static bool GetRests(std::string_view& in, RequestModel& model);
};

}  // namespace weft::plugins::delay
