// Pages for probes, over plain HTTP: /healthz is 200 while the process is worth keeping, /readyz
// while it should be given work; else 503 with one line of why. /metrics is for Prometheus.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "common/base/status.h"

namespace rondo {

// Thread-safe.
class HealthPages {
 public:
  // Thread-safe.
  struct Contents {
    std::function<absl::Status()> alive;
    std::function<absl::Status()> ready;
    std::function<std::string()> metrics;  // exposition format 0.0.4
  };

  // `address`: host:port; port 0: any that is free. UNAVAILABLE when it cannot be listened on.
  static absl::StatusOr<std::unique_ptr<HealthPages>> Start(const std::string& address,
                                                            Contents contents);
  ~HealthPages();

  std::string address() const;  // host:port that is listened on

 private:
  struct Impl;
  explicit HealthPages(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace rondo
