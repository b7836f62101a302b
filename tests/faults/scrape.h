// A page of /metrics as numbers; what breaks the exposition format or our rules for names is an
// error on the way.
#pragma once

#include <map>
#include <string>

#include "common/base/status.h"

namespace rondo {

struct Scrape {
  std::map<std::string, std::string> types;  // by name of a metric: "counter", "gauge", ...
  std::map<std::string, double> values;      // by series as it is written: "jobs{state=\"queued\"}"

  // NaN, which equals nothing, when there is no such series.
  double operator[](const std::string& series) const;
  // Of every series of `name` with `label` ("state=\"queued\""; empty: any).
  double Sum(const std::string& name, const std::string& label = "") const;
};

// INVALID_ARGUMENT that names the line. Each metric has help, a type, then its series together,
// none twice; counters end in _total and nothing else does; buckets add up.
absl::StatusOr<Scrape> ParseMetrics(const std::string& text);

// GET /metrics of host:port.
absl::StatusOr<Scrape> ScrapeMetrics(const std::string& address);

}  // namespace rondo
