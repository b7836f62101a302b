#include "tests/faults/scrape.h"

#include <httplib.h>

#include <limits>
#include <regex>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"

namespace rondo {
namespace {

constexpr int kPatienceSeconds = 30;

std::string NameOf(const std::string& series) { return series.substr(0, series.find('{')); }

class Parser {
 public:
  absl::Status Take(const std::string& line) {
    static const std::regex kComment("# (HELP|TYPE) ([a-z][a-z0-9_]*) (.+)");
    static const std::regex kSample(
        R"re(([a-z][a-z0-9_]*)((?:\{(?:[a-z_]+="(?:[^"\\\n]|\\[\\"n])*",?)+\})?) (\S+))re");
    std::smatch match;
    if (std::regex_match(line, match, kComment)) {
      return match[1] == "HELP" ? TakeHelp(match[2]) : TakeType(match[2], match[3]);
    }
    double value = 0;
    if (!std::regex_match(line, match, kSample) || !absl::SimpleAtod(match[3].str(), &value)) {
      return absl::InvalidArgumentError("it is no sample");
    }
    return TakeSample(match[1], match[1].str() + match[2].str(), value);
  }

  absl::StatusOr<Scrape> Finish() {
    for (const auto& [name, type] : scrape_.types) {
      if (type == "histogram") RETURN_IF_ERROR(CheckBuckets(name));
    }
    return std::move(scrape_);
  }

 private:
  absl::Status TakeHelp(const std::string& name) {
    if (scrape_.types.count(name) > 0) return absl::InvalidArgumentError("it is there twice");
    name_ = name;
    return absl::OkStatus();
  }

  absl::Status TakeType(const std::string& name, const std::string& type) {
    if (name != name_) return absl::InvalidArgumentError("it has no help");
    if ((type == "counter") != absl::EndsWith(name, "_total")) {
      return absl::InvalidArgumentError("_total is for counters, and for all of them");
    }
    scrape_.types[name] = type;
    return absl::OkStatus();
  }

  absl::Status TakeSample(const std::string& name, const std::string& series, double value) {
    const bool histogram = scrape_.types[name_] == "histogram";
    const bool ours =
        histogram ? name == name_ + "_bucket" || name == name_ + "_sum" || name == name_ + "_count"
                  : name == name_;
    if (!ours) return absl::InvalidArgumentError("it is not below its own type");
    if (!scrape_.values.emplace(series, value).second) {
      return absl::InvalidArgumentError("the series is there twice");
    }
    return absl::OkStatus();
  }

  absl::Status CheckBuckets(const std::string& name) const {
    for (const auto& [series, count] : scrape_.values) {
      if (NameOf(series) != name + "_count") continue;
      const std::string labels(absl::StripPrefix(series, name + "_count{"));
      const std::string all =
          absl::StrCat(name, "_bucket{", absl::StripSuffix(labels, "}"), ",le=\"+Inf\"}");
      if (scrape_[all] != count) {
        return absl::InvalidArgumentError(absl::StrCat(all, " is not ", series));
      }
    }
    return absl::OkStatus();
  }

  std::string name_;  // of the metric whose lines these are
  Scrape scrape_;
};

}  // namespace

double Scrape::operator[](const std::string& series) const {
  const auto it = values.find(series);
  return it == values.end() ? std::numeric_limits<double>::quiet_NaN() : it->second;
}

double Scrape::Sum(const std::string& name, const std::string& label) const {
  double sum = 0;
  for (const auto& [series, value] : values) {
    if (NameOf(series) == name && absl::StrContains(series, label)) sum += value;
  }
  return sum;
}

absl::StatusOr<Scrape> ParseMetrics(const std::string& text) {
  if (!absl::EndsWith(text, "\n")) return absl::InvalidArgumentError("the page is cut off");
  Parser parser;
  for (const std::string& line :
       std::vector<std::string>(absl::StrSplit(absl::StripSuffix(text, "\n"), '\n'))) {
    RETURN_IF_ERROR(Annotate(parser.Take(line), line));
  }
  return parser.Finish();
}

absl::StatusOr<Scrape> ScrapeMetrics(const std::string& address) {
  httplib::Client client("http://" + address);
  client.set_read_timeout(kPatienceSeconds);
  const auto page = client.Get("/metrics");
  if (!page || page->status != 200) {
    return absl::UnavailableError(absl::StrCat(
        "no /metrics at ", address, ": ",
        page ? absl::StrCat("status ", page->status) : httplib::to_string(page.error())));
  }
  return ParseMetrics(page->body);
}

}  // namespace rondo
