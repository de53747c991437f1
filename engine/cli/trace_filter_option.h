// What the commands that select traces share: the options, and the filter that they make.
#pragma once

#include <string>
#include <vector>

#include "engine/base/clock.h"
#include "engine/cli/command.h"
#include "sql/trace_search.h"

namespace weft::cli {

class TraceFilterOption {
 public:
  void Declare(Options& options);
  // kInvalid names the option.
  Result<sql::TraceFilter> Make(const Clock& clock) const;

 private:
  sql::TraceFilter filter_;
  std::vector<std::string> attributes_;
  int64_t max_duration_ns_ = 0, last_ns_ = 0;
};

}  // namespace weft::cli
