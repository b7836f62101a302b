#include "client/cli/line_chart.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "client/cli/html.h"

namespace rondo {
namespace {

// In user units of the SVG.
constexpr double kWidth = 720, kHeight = 260;
constexpr double kLeft = 64, kRight = 708, kTop = 10, kBottom = 216;
constexpr int kColours = 8;           // of html.cc
constexpr size_t kMostPoints = 1500;  // a series; more cannot be told apart

struct Axis {
  double low = std::numeric_limits<double>::infinity();
  double high = -std::numeric_limits<double>::infinity();
  double from = 0, to = 0;  // on the page

  void Include(double value) {
    low = std::min(low, value);
    high = std::max(high, value);
  }
  // A span that the labels could not tell apart.
  void Widen() {
    const double size = std::max(std::abs(low), std::abs(high));
    if (high - low > 1e-3 * size) return;
    low -= 0.1 * size;
    high += size == 0 ? 1 : 0.1 * size;
  }
  double Place(double value) const { return from + (value - low) / (high - low) * (to - from); }
};

bool IsDrawn(const std::pair<double, double>& point) {
  return std::isfinite(point.first) && std::isfinite(point.second);
}

std::string Line(double x1, double y1, double x2, double y2) {
  return absl::StrFormat("<line class=\"grid\" x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\"/>",
                         x1, y1, x2, y2);
}

std::string Text(double x, double y, const char* anchor, const std::string& text) {
  return absl::StrFormat("<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\">%s</text>\n", x, y, anchor,
                         EscapeHtml(text));
}

std::string Polyline(const std::string& points, int colour) {
  return absl::StrFormat("<polyline style=\"stroke: var(--c%d)\" points=\"%s\"/>\n", colour,
                         points);
}

// One point has no line.
std::string Dot(const std::string& point, int colour) {
  const size_t comma = point.find(',');
  return absl::StrFormat("<circle cx=\"%s\" cy=\"%s\" r=\"2.5\" style=\"fill: var(--c%d)\"/>\n",
                         point.substr(0, comma), point.substr(comma + 1), colour);
}

std::string Stretch(const std::string& points, int colour) {
  if (points.empty()) return "";
  return points.find(' ') == std::string::npos ? Dot(points, colour) : Polyline(points, colour);
}

// One polyline for each stretch without gaps.
std::string SeriesSvg(const ChartSeries& series, int colour, const Axis& x, const Axis& y) {
  std::string svg, points;
  const size_t stride = 1 + series.points.size() / kMostPoints;
  for (size_t i = 0; i < series.points.size(); ++i) {
    const auto& point = series.points[i];
    if (!IsDrawn(point)) {
      absl::StrAppend(&svg, Stretch(points, colour));
      points.clear();
    } else if (i % stride == 0 || i + 1 == series.points.size()) {
      absl::StrAppendFormat(&points, "%s%.1f,%.1f", points.empty() ? "" : " ", x.Place(point.first),
                            y.Place(point.second));
    }
  }
  return absl::StrCat(svg, Stretch(points, colour));
}

std::string AxesSvg(const LineChart& chart, const Axis& x, const Axis& y,
                    const std::vector<double>& x_ticks, const std::vector<double>& y_ticks) {
  std::string svg;
  for (const double tick : y_ticks) {
    absl::StrAppend(&svg, Line(kLeft, y.Place(tick), kRight, y.Place(tick)),
                    Text(kLeft - 6, y.Place(tick) + 4, "end", absl::StrFormat("%.4g", tick)));
  }
  for (const double tick : x_ticks) {
    if (tick < x.low || tick > x.high || tick != std::floor(tick)) continue;
    absl::StrAppend(&svg, Line(x.Place(tick), kBottom, x.Place(tick), kBottom + 4),
                    Text(x.Place(tick), kBottom + 17, "middle", absl::StrFormat("%.6g", tick)));
  }
  return absl::StrCat(svg, Text(kRight, kBottom + 34, "end", chart.x_label));
}

std::string LegendSvg(const LineChart& chart) {
  std::string svg;
  double x = kLeft;
  for (size_t i = 0; i < chart.series.size(); ++i) {
    const std::string& name = chart.series[i].name;
    absl::StrAppendFormat(&svg,
                          "<rect x=\"%.1f\" y=\"%.1f\" width=\"10\" height=\"3\" style=\"fill: "
                          "var(--c%d)\"/>",
                          x, kBottom + 29, static_cast<int>(i) % kColours);
    absl::StrAppend(&svg, Text(x + 14, kBottom + 34, "start", name));
    x += 30 + 6.2 * static_cast<double>(name.size());  // 6.2: about the width of a letter
  }
  return svg;
}

}  // namespace

std::vector<double> AxisTicks(double low, double high, int count) {
  // A span that vanishes beside the values would never be stepped through.
  const double least = std::max(std::abs(low), std::abs(high)) * 1e-9;
  const double rough = std::max((high - low) / count, std::max(least, 1e-12));
  const double power = std::pow(10.0, std::floor(std::log10(rough)));
  double step = 10 * power;
  for (const double factor : {1.0, 2.0, 5.0}) {
    if (factor * power >= rough * 0.999) {
      step = factor * power;
      break;
    }
  }
  std::vector<double> ticks;
  const auto first = static_cast<int64_t>(std::floor(low / step));
  const auto last = std::max(static_cast<int64_t>(std::ceil(high / step)), first + 1);
  for (int64_t i = first; i <= last; ++i) ticks.push_back(static_cast<double>(i) * step);
  return ticks;
}

std::string ChartHtml(const LineChart& chart) {
  Axis x, y;
  for (const ChartSeries& series : chart.series) {
    for (const auto& point : series.points) {
      if (!IsDrawn(point)) continue;
      x.Include(point.first);
      y.Include(point.second);
    }
  }
  if (x.low > x.high) return "";
  if (y.low > 0 && y.low < 0.6 * y.high) y.low = 0;
  if (x.low == x.high) x.high = x.low + 1;
  y.Widen();
  const std::vector<double> x_ticks = AxisTicks(x.low, x.high, 8);
  const std::vector<double> y_ticks = AxisTicks(y.low, y.high, 5);
  y.low = y_ticks.front();
  y.high = y_ticks.back();
  x.from = kLeft, x.to = kRight;
  y.from = kBottom, y.to = kTop;

  std::string svg = absl::StrFormat(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %.0f %.0f\" role=\"img\" "
      "aria-label=\"%s\">\n",
      kWidth, kHeight, EscapeHtml(chart.title));
  absl::StrAppend(&svg, AxesSvg(chart, x, y, x_ticks, y_ticks));
  for (size_t i = 0; i < chart.series.size(); ++i) {
    absl::StrAppend(&svg, SeriesSvg(chart.series[i], static_cast<int>(i) % kColours, x, y));
  }
  absl::StrAppend(&svg, LegendSvg(chart), "</svg>");
  return absl::StrCat("<figure><figcaption>", EscapeHtml(chart.title), "</figcaption>\n", svg,
                      "</figure>\n");
}

}  // namespace rondo
