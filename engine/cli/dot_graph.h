// A service graph in DOT, the language of Graphviz. Pure; `weft graph` prints it.
#pragma once

#include <string>
#include <vector>

#include "sql/service_graph.h"

namespace weft::cli {

std::string DotGraph(const std::vector<sql::GraphEdge>& edges);

}  // namespace weft::cli
