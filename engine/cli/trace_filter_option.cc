#include "engine/cli/trace_filter_option.h"

#include <fmt/format.h>

#include "engine/cli/store_option.h"

namespace weft::cli {

void TraceFilterOption::Declare(Options& options) {
  options.Text("-s,--service", &filter_.service, "Spans of this service", "NAME");
  options.Text("-o,--operation", &filter_.operation, "Spans of this operation", "NAME");
  options.Duration("--min-duration", &filter_.min_duration_ns, "At least so long");
  options.Duration("--max-duration", &max_duration_ns_, "At most so long");
  options.Flag("-e,--errors", &filter_.errors, "Failed ones only");
  options.List("-a,--attr", &attributes_, "Spans with this attribute", "KEY=VALUE");
  options.Duration("--last", &last_ns_, "Begun in the last so much time");
}

Result<sql::TraceFilter> TraceFilterOption::Make(const Clock& clock) const {
  sql::TraceFilter filter = filter_;
  for (const std::string& text : attributes_) {
    const size_t equals = text.find('=');
    if (equals == 0 || equals == text.npos || text.find('"') < equals)
      return Fail(Code::kInvalid, fmt::format("--attr {}: expected KEY=VALUE", text));
    filter.attributes.emplace_back(text.substr(0, equals), text.substr(equals + 1));
  }
  if (max_duration_ns_ > 0) filter.max_duration_ns = max_duration_ns_;
  filter.from_ns = Since(clock, last_ns_);
  return filter;
}

}  // namespace weft::cli
