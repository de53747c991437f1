// Reads a metrics page as strictly as promtool does, for tests.
//
// Checks the grammar of both formats, and what holds between lines: HELP and TYPE come before the
// samples of their family, once; a family's samples are together; no series comes twice; buckets
// grow and end with +Inf = _count; counters end in _total. One thread.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace weft::testsupport {

struct ParsedFamily {
  std::string type, help;
  // "name{labels}" as printed -> value.
  std::map<std::string, double> samples;
};

struct ParsedPage {
  std::map<std::string, ParsedFamily> families;  // by the name on the TYPE line
  std::vector<std::string> mistakes;

  // The value of a series as printed: `weft_sink_rows_total{sink="sqlite"}`; -1: it is not there.
  double Value(std::string_view series) const;
};

ParsedPage ParseMetricsPage(std::string_view page, bool openmetrics);

}  // namespace weft::testsupport
