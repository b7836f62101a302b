#include "common/metrics/metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/metrics/process_metrics.h"

namespace rondo {
namespace {

using testing::HasSubstr;

TEST(Metrics, EveryKindIsWrittenAsPrometheusReadsIt) {
  Metrics metrics;
  Counter& calls = metrics.AddCounter("calls_total", "Calls.", {{"method", "Get"}});
  calls.Increment();
  calls.Increment();
  EXPECT_EQ(metrics.Text(),
            "# HELP calls_total Calls.\n"
            "# TYPE calls_total counter\n"
            "calls_total{method=\"Get\"} 2\n");

  double depth = 3;
  metrics.AddReader(Metrics::Kind::kGauge, "depth", "Depth.", [&] {
    return std::vector<MetricSample>{{{{"of", "a"}}, depth}};
  });
  EXPECT_THAT(metrics.Text(),
              HasSubstr("# HELP depth Depth.\n# TYPE depth gauge\ndepth{of=\"a\"} 3\n"));
  depth = 4;  // read at each scrape
  EXPECT_THAT(metrics.Text(), HasSubstr("depth{of=\"a\"} 4\n"));

  metrics.AddHistogram("wait_seconds", "Waits.", {{"op", "x"}}, {0.5, 2}).Observe(1);
  EXPECT_THAT(metrics.Text(), HasSubstr("# HELP wait_seconds Waits.\n"
                                        "# TYPE wait_seconds histogram\n"
                                        "wait_seconds_count{op=\"x\"} 1\n"
                                        "wait_seconds_sum{op=\"x\"} 1\n"
                                        "wait_seconds_bucket{op=\"x\",le=\"0.5\"} 0\n"
                                        "wait_seconds_bucket{op=\"x\",le=\"2\"} 1\n"
                                        "wait_seconds_bucket{op=\"x\",le=\"+Inf\"} 1\n"));
}

TEST(Metrics, SeriesOfOneNameAreTogetherAndStartAtNought) {
  Metrics metrics;
  metrics.AddCounter("ends_total", "Ends.", {{"result", "failed"}});
  metrics.AddCounter("other_total", "Other.");
  metrics.AddCounter("ends_total", "Ends.", {{"result", "succeeded"}}).Increment();
  const std::string text = metrics.Text();
  EXPECT_EQ(text.find("# TYPE ends_total"), text.rfind("# TYPE ends_total"));
  EXPECT_THAT(text, HasSubstr("ends_total{result=\"failed\"} 0\n"));
  EXPECT_THAT(text, HasSubstr("ends_total{result=\"succeeded\"} 1\n"));
}

TEST(ProcessMetrics, AreThere) {
  Metrics metrics;
  AddProcessMetrics(&metrics);
  for (const char* name : {"process_cpu_seconds_total", "process_resident_memory_bytes",
                           "process_open_fds", "process_start_time_seconds", "rondo_threads"}) {
    EXPECT_THAT(metrics.Text(), HasSubstr(std::string("\n") + name + " ")) << metrics.Text();
  }
}

}  // namespace
}  // namespace rondo
