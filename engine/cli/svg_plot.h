// SvgPlot: lines over a numeric axis as an SVG picture that needs nothing else to be shown: light
// and dark background, no script, no font of its own. Pure; one thread.
#pragma once

#include <string>
#include <utility>
#include <vector>

namespace weft::cli {

struct PlotLine {
  std::string name;
  std::vector<std::pair<double, double>> points;  // by x
};

struct PlotFrame {
  std::string title, x_name, y_name;
  bool log_x = false;  // then every x is positive
  double y_min = 0, y_max = 100;
  bool diagonal = false;  // from corner to corner: where x and y are equal
};

// The same input gives the same bytes. Lines keep their color by their place.
std::string SvgPlot(const PlotFrame& frame, const std::vector<PlotLine>& lines);

}  // namespace weft::cli
