#include "common/metrics/process_metrics.h"

#include <unistd.h>

#include "common/process/process_usage.h"

namespace rondo {

void AddProcessMetrics(Metrics* metrics) {
  const auto add = [metrics](Metrics::Kind kind, const std::string& name, const std::string& help,
                             double (*of)(const ProcessUsage&)) {
    metrics->AddReader(kind, name, help, [of]() -> std::vector<MetricSample> {
      const absl::StatusOr<ProcessUsage> usage = ReadProcessUsage(getpid());
      if (!usage.ok()) return {};
      return {{{}, of(*usage)}};
    });
  };
  add(Metrics::Kind::kCounter, "process_cpu_seconds_total", "CPU time that the process has used.",
      [](const ProcessUsage& usage) { return usage.cpu_seconds; });
  add(Metrics::Kind::kGauge, "process_resident_memory_bytes", "Resident memory.",
      [](const ProcessUsage& usage) { return static_cast<double>(usage.resident_bytes); });
  add(Metrics::Kind::kGauge, "process_open_fds", "Open file descriptors.",
      [](const ProcessUsage& usage) { return static_cast<double>(usage.open_fds); });
  add(Metrics::Kind::kGauge, "process_start_time_seconds",
      "When the process started, in seconds since 1970.",
      [](const ProcessUsage& usage) { return usage.start_time_seconds; });
  add(Metrics::Kind::kGauge, "rondo_threads", "Threads of the process.",
      [](const ProcessUsage& usage) { return static_cast<double>(usage.threads); });
}

}  // namespace rondo
