#include "engine/cli/svg_plot.h"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

namespace weft::cli {
namespace {

constexpr double kLeft = 56, kTop = 34, kWidth = 420, kHeight = 240, kLegend = 190;
// Told apart by people who see few colors (Okabe and Ito), and by dashes.
constexpr const char* kColors[] = {"#0072b2", "#d55e00", "#009e73", "#cc79a7",
                                   "#e69f00", "#56b4e9", "#888888"};
constexpr const char* kDashes[] = {"", "6 3", "2 3", "8 3 2 3"};

std::string Escaped(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (c == '<')
      out += "&lt;";
    else if (c == '>')
      out += "&gt;";
    else if (c == '&')
      out += "&amp;";
    else if (c == '"')
      out += "&quot;";
    else
      out += c;
  }
  return out;
}

class Axes {
 public:
  Axes(const PlotFrame& frame, const std::vector<PlotLine>& lines) : frame_(frame) {
    double low = INFINITY, high = -INFINITY;
    for (const PlotLine& line : lines)
      for (const auto& [x, y] : line.points) {
        low = std::min(low, x);
        high = std::max(high, x);
      }
    if (!(low <= high)) low = high = 1;
    if (frame.diagonal) low = 0, high = 1;
    if (low == high) high = frame.log_x ? low * 2 : low + 1;
    low_ = Scale(low);
    high_ = Scale(high);
  }
  double X(double x) const { return kLeft + kWidth * (Scale(x) - low_) / (high_ - low_); }
  double Y(double y) const {
    const double share = (y - frame_.y_min) / (frame_.y_max - frame_.y_min);
    return kTop + kHeight * (1 - std::clamp(share, 0.0, 1.0));
  }
  // Powers of two, or tenths of the range.
  std::vector<double> Ticks() const {
    std::vector<double> ticks;
    if (frame_.log_x) {
      for (double t = std::ceil(low_); t <= high_ + 1e-9; t += 1) ticks.push_back(std::exp2(t));
    } else {
      const double step = std::pow(10, std::floor(std::log10((high_ - low_) / 2)));
      for (double t = std::ceil(low_ / step) * step; t <= high_ + 1e-9; t += 2 * step)
        ticks.push_back(t);
    }
    return ticks;
  }

 private:
  double Scale(double x) const { return frame_.log_x ? std::log2(x) : x; }
  const PlotFrame& frame_;
  double low_ = 0, high_ = 1;
};

void DrawFrame(const PlotFrame& frame, const Axes& axes, std::string& svg) {
  svg += fmt::format("<text x=\"{}\" y=\"18\" font-weight=\"bold\">{}</text>\n", kLeft,
                     Escaped(frame.title));
  for (int i = 0; i <= 5; ++i) {
    const double y = frame.y_min + (frame.y_max - frame.y_min) * i / 5;
    svg += fmt::format(
        "<path class=\"grid\" d=\"M{:.1f} {:.1f}h{:.1f}\"/>"
        "<text x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"end\">{:g}</text>\n",
        kLeft, axes.Y(y), kWidth, kLeft - 6, axes.Y(y) + 4, y);
  }
  for (const double x : axes.Ticks())
    svg += fmt::format(
        "<path class=\"grid\" d=\"M{:.1f} {:.1f}v{:.1f}\"/>"
        "<text x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"middle\">{:.4g}</text>\n",
        axes.X(x), kTop, kHeight, axes.X(x), kTop + kHeight + 16, x);
  svg += fmt::format("<text x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"middle\">{}</text>\n",
                     kLeft + kWidth / 2, kTop + kHeight + 34, Escaped(frame.x_name));
  svg += fmt::format(
      "<text transform=\"translate(14 {:.1f}) rotate(-90)\" text-anchor=\"middle\">{}</text>\n",
      kTop + kHeight / 2, Escaped(frame.y_name));
  if (frame.diagonal)
    svg += fmt::format(
        "<path class=\"grid\" stroke-dasharray=\"4 4\" d=\"M{:.1f} {:.1f}L{:.1f} "
        "{:.1f}\"/>\n",
        kLeft, kTop + kHeight, kLeft + kWidth, kTop);
}

void DrawLine(const PlotLine& line, size_t number, const Axes& axes, std::string& svg) {
  const char* const color = kColors[number % std::size(kColors)];
  const char* const dash = kDashes[number / std::size(kColors) % std::size(kDashes)];
  const std::string stroke = fmt::format(
      "stroke=\"{}\" stroke-dasharray=\"{}\" fill=\"none\" stroke-width=\"1.8\"", color, dash);
  std::string path, dots;
  for (const auto& [x, y] : line.points) {
    path += fmt::format("{}{:.1f} {:.1f}", path.empty() ? "M" : "L", axes.X(x), axes.Y(y));
    dots += fmt::format("<circle cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"2.6\" fill=\"{}\"/>", axes.X(x),
                        axes.Y(y), color);
  }
  const double at = kTop + 10 + 17 * static_cast<double>(number);
  svg += fmt::format("<path {} d=\"{}\"/>{}\n", stroke, path, dots);
  svg +=
      fmt::format("<path {} d=\"M{:.1f} {:.1f}h18\"/><text x=\"{:.1f}\" y=\"{:.1f}\">{}</text>\n",
                  stroke, kLeft + kWidth + 14, at - 4, kLeft + kWidth + 38, at, Escaped(line.name));
}

}  // namespace

std::string SvgPlot(const PlotFrame& frame, const std::vector<PlotLine>& lines) {
  const Axes axes(frame, lines);
  const double height =
      std::max(kTop + kHeight + 44, kTop + 20 + 17 * static_cast<double>(lines.size()));
  std::string svg = fmt::format(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {:.0f} {:.0f}\" width=\"{:.0f}\" "
      "font-family=\"sans-serif\" font-size=\"12\">\n"
      "<style>text{{fill:#333}}.grid{{stroke:#999;stroke-width:.4;fill:none}}"
      "@media(prefers-color-scheme:dark){{text{{fill:#ccc}}}}</style>\n",
      kLeft + kWidth + kLegend, height, kLeft + kWidth + kLegend);
  DrawFrame(frame, axes, svg);
  for (size_t i = 0; i < lines.size(); ++i) DrawLine(lines[i], i, axes, svg);
  return svg + "</svg>\n";
}

}  // namespace weft::cli
