// The waterfall of a trace as text: one line per span with its place in the tree, duration and a
// bar.
//
// Pure; `weft trace` prints it. Narrow output loses the bar first, then the ends of names.
#pragma once

#include <string>
#include <vector>

#include "engine/cli/terminal.h"
#include "sql/trace_reader.h"

namespace weft::cli {

struct WaterfallOptions {
  size_t max_spans = 200;
  double low_confidence = 0.9;  // links below it show how sure they are
  bool ids = false;             // span ids in front, for `weft explain`
};

std::string Waterfall(const sql::StoredTrace& trace, const std::vector<sql::StoredSpan>& spans,
                      const WaterfallOptions& options, const OutputStyle& style);

}  // namespace weft::cli
