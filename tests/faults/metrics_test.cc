// docs/metrics.md against a live rondo-server: the same metrics, of the same types, with the same
// labels.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "absl/strings/str_split.h"
#include "common/io/file.h"
#include "tests/faults/cluster.h"
#include "tests/faults/scrape.h"

namespace rondo {
namespace {

// "name type label label" for each row of the tables: | `name` | type | `label` = ..., ... | ... |
std::set<std::string> Documented() {
  std::set<std::string> rows;
  for (const std::string& line :
       std::vector<std::string>(absl::StrSplit(ReadFile("docs/metrics.md").value_or(""), '\n'))) {
    const std::vector<std::string> cells = absl::StrSplit(line, '|');
    if (cells.size() < 5 || cells[1].rfind(" `", 0) != 0) continue;
    std::string row = cells[1].substr(2, cells[1].rfind('`') - 2) + cells[2];
    std::set<std::string> labels;
    const std::vector<std::string> parts = absl::StrSplit(cells[3], '`');
    for (size_t i = 1; i < parts.size(); i += 2) labels.insert(parts[i]);
    for (const std::string& label : labels) row += label + " ";
    rows.insert(row);
  }
  return rows;
}

std::set<std::string> Served(const Scrape& page) {
  std::set<std::string> rows;
  for (const auto& [name, type] : page.types) {
    std::set<std::string> labels;
    for (const auto& [series, value] : page.values) {
      const size_t brace = series.find('{');
      const std::string of = series.substr(0, brace);
      const bool ours = of == name || of == name + "_bucket";
      if (!ours || brace == std::string::npos) continue;
      for (const std::string& label :
           std::vector<std::string>(absl::StrSplit(series.substr(brace + 1), ','))) {
        const std::string key = label.substr(0, label.find('='));
        if (key != "le") labels.insert(key);
      }
    }
    std::string row = absl::StrCat(name, " ", type, " ");
    for (const std::string& label : labels) row += label + " ";
    rows.insert(row);
  }
  return rows;
}

TEST(MetricsPage, IsWhatTheDocumentSays) {
  Cluster cluster;
  ASSERT_TRUE(cluster.StartServer());
  const auto page = ScrapeMetrics(cluster.pages_address());
  ASSERT_TRUE(page.ok()) << page.status();
  EXPECT_THAT(Documented(), testing::ContainerEq(Served(*page)));
  EXPECT_FALSE(page->types.empty());
  // Every combination of labels is there before anything happened: rates start at the first one.
  EXPECT_EQ(page->Sum("grpc_server_handled_total"), 0);
  const auto codes = std::count_if(page->values.begin(), page->values.end(), [](const auto& value) {
    return value.first.find("grpc_server_handled_total") == 0;
  });
  EXPECT_EQ(codes, 10 * 17);
}

TEST(MetricsPage, TheParserFindsWhatIsWrong) {
  const std::string good =
      "# HELP a_total A.\n# TYPE a_total counter\na_total{b=\"c\"} 1\n"
      "# HELP d_seconds D.\n# TYPE d_seconds histogram\nd_seconds_count{o=\"x\"} 2\n"
      "d_seconds_sum{o=\"x\"} 2\nd_seconds_bucket{o=\"x\",le=\"+Inf\"} 2\n";
  ASSERT_TRUE(ParseMetrics(good).ok()) << ParseMetrics(good).status();
  EXPECT_EQ((*ParseMetrics(good))["a_total{b=\"c\"}"], 1);
  for (const char* bad :
       {"a_total 1\n", "# TYPE a_total counter\na_total 1\n",
        "# HELP a A.\n# TYPE a counter\na 1\n", "# HELP a_total A.\n# TYPE a_total gauge\n",
        "# HELP a_total A.\n# TYPE a_total counter\na_total 1\na_total 1\n",
        "# HELP a_total A.\n# TYPE a_total counter\na_total x\n",
        "# HELP a_total A.\n# TYPE a_total counter\na_total{b=c} 1\n",
        "# HELP a_total A.\n# TYPE a_total counter\na_total 1",
        "# HELP d D.\n# TYPE d histogram\nd_count{o=\"x\"} 2\nd_bucket{o=\"x\",le=\"+Inf\"} 1\n"}) {
    EXPECT_FALSE(ParseMetrics(bad).ok()) << bad;
  }
  EXPECT_FALSE(ParseMetrics(good + good).ok());
}

}  // namespace
}  // namespace rondo
