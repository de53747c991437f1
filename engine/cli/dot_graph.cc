#include "engine/cli/dot_graph.h"

#include <algorithm>
#include <cmath>
#include <map>

#include <fmt/format.h>

#include "engine/base/units.h"

namespace weft::cli {
namespace {

struct Node {
  bool traced = true;
  uint64_t requests = 0, errors = 0;
};

std::string Quoted(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    if (c == '\n')
      out += "\\n";
    else
      out += static_cast<unsigned char>(c) < 0x20 ? ' ' : c;
  }
  return out + "\"";
}

std::string_view Name(const std::string& service) {
  return service.empty() ? std::string_view("outside") : std::string_view(service);
}

std::string_view Color(uint64_t errors, uint64_t all) {
  const double share = all == 0 ? 0 : static_cast<double>(errors) / static_cast<double>(all);
  return share > 0.05 ? "#c62828" : share > 0 ? "#ef6c00" : "#37474f";
}

}  // namespace

std::string DotGraph(const std::vector<sql::GraphEdge>& edges) {
  std::map<std::string, Node> nodes;
  uint64_t most = 1;
  for (const sql::GraphEdge& e : edges) {
    nodes[e.caller];
    Node& callee = nodes[e.callee];
    callee.traced = e.traced;
    callee.requests += e.calls;
    callee.errors += e.errors;
    most = std::max(most, e.calls);
  }
  std::string out =
      "digraph services {\n"
      "  rankdir=LR; bgcolor=\"white\";\n"
      "  node [shape=box, style=\"rounded,filled\", fillcolor=\"#eceff1\", fontname=\"sans-serif\","
      " fontsize=11];\n"
      "  edge [fontname=\"sans-serif\", fontsize=9];\n";
  for (const auto& [name, node] : nodes) {
    if (name.empty()) {
      out += "  \"outside\" [shape=ellipse, style=dashed];\n";
      continue;
    }
    std::string label = name;
    if (node.requests > 0) label += fmt::format("\n{} requests", node.requests);
    if (node.errors > 0) label += fmt::format(", {} failed", node.errors);
    out += fmt::format("  {} [label={}, color=\"{}\"{}];\n", Quoted(name), Quoted(label),
                       Color(node.errors, node.requests),
                       node.traced ? "" : ", style=dashed, tooltip=\"not traced\"");
  }
  for (const sql::GraphEdge& e : edges) {
    const double width = 1 + 3 * std::log2(1.0 + static_cast<double>(e.calls)) /
                                 std::log2(1.0 + static_cast<double>(most));
    std::string label = fmt::format("{} calls\\np95 {}", e.calls, ShortDuration(e.p95_ns));
    if (e.errors > 0) label += fmt::format("\\n{} failed", e.errors);
    out += fmt::format("  {} -> {} [label=\"{}\", penwidth={:.1f}, color=\"{}\"];\n",
                       Quoted(Name(e.caller)), Quoted(Name(e.callee)), label, width,
                       Color(e.errors, e.calls));
  }
  return out + "}\n";
}

}  // namespace weft::cli
