// Line charts as inline SVG. Pure functions.
#pragma once

#include <string>
#include <utility>
#include <vector>

namespace rondo {

struct ChartSeries {
  std::string name;
  std::vector<std::pair<double, double>> points;  // (x, y) by rising x, which counts
                                                  // something; others than finite are gaps
};

struct LineChart {
  std::string title;
  std::string x_label;
  std::vector<ChartSeries> series;
};

// A <figure>; empty where no series has a finite point. The y axis starts at 0 where all values are
// positive and 0 is not far off.
std::string ChartHtml(const LineChart& chart);

// Round numbers (1, 2 or 5 times a power of ten apart) from `low` to `high`, about `count`, at
// least two; they include or enclose both ends.
std::vector<double> AxisTicks(double low, double high, int count);

}  // namespace rondo
