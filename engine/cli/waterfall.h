// The waterfall of a trace as text: one line per span with its place in the tree, duration, self
// time and a bar; what is on the critical path is marked, and the lines below say what it consists
// of.
//
// In bars of spans that serve, parts in which nothing below was under way are solid: there the span
// worked itself, or waited for what nobody saw. Pure; `weft trace` prints it. Narrow output loses
// the self time first, then the bar, then the ends of names.
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
