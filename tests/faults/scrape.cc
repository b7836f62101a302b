#include "tests/faults/scrape.h"

#include <httplib.h>

#include <limits>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"

namespace rondo {
namespace {

constexpr int kPatienceSeconds = 30;

std::string NameOf(const std::string& series) { return series.substr(0, series.find('{')); }

// How much of `text` is a name.
size_t NameLength(absl::string_view text) {
  size_t length = 0;
  while (length < text.size() && (absl::ascii_islower(text[length]) || text[length] == '_' ||
                                  (length > 0 && absl::ascii_isdigit(text[length])))) {
    ++length;
  }
  return length;
}

// Takes a name off the front; empty: there is none.
std::string TakeName(absl::string_view* text) {
  std::string name(text->substr(0, NameLength(*text)));
  text->remove_prefix(name.size());
  return name;
}

// Takes {a="b",c="d"} off the front, if it is there; false: it is something else.
bool TakeLabels(absl::string_view* text) {
  if (!absl::ConsumePrefix(text, "{")) return true;
  do {
    if (TakeName(text).empty() || !absl::ConsumePrefix(text, "=\"")) return false;
    while (!text->empty() && text->front() != '"') {
      text->remove_prefix(text->front() == '\\' && text->size() > 1 ? 2 : 1);
    }
    if (!absl::ConsumePrefix(text, "\"")) return false;
  } while (absl::ConsumePrefix(text, ","));
  return absl::ConsumePrefix(text, "}");
}

class Parser {
 public:
  absl::Status Take(const std::string& line) {
    absl::string_view left = line;
    const bool help = absl::ConsumePrefix(&left, "# HELP ");
    const bool type = !help && absl::ConsumePrefix(&left, "# TYPE ");
    const std::string name = TakeName(&left);
    if (!help && !type && !TakeLabels(&left)) return absl::InvalidArgumentError("bad labels");
    const std::string series(line.data(), left.data());
    if (name.empty() || !absl::ConsumePrefix(&left, " ") || left.empty()) {
      return absl::InvalidArgumentError("it is neither a sample nor about one");
    }
    if (help) return TakeHelp(name);
    if (type) return TakeType(name, std::string(left));
    double value = 0;
    if (!absl::SimpleAtod(left, &value)) return absl::InvalidArgumentError("it has no value");
    return TakeSample(name, series, value);
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
