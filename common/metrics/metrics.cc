#include "common/metrics/metrics.h"

#include <prometheus/counter.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

#include <deque>
#include <utility>

#include "common/base/mutex.h"

namespace rondo {
namespace {

class PrometheusCounter final : public Counter {
 public:
  explicit PrometheusCounter(prometheus::Counter* counter) : counter_(counter) {}
  void Increment() override { counter_->Increment(); }

 private:
  prometheus::Counter* const counter_;
};

class PrometheusHistogram final : public Histogram {
 public:
  explicit PrometheusHistogram(prometheus::Histogram* histogram) : histogram_(histogram) {}
  void Observe(double value) override { histogram_->Observe(value); }

 private:
  prometheus::Histogram* const histogram_;
};

struct ReadFamily {
  Metrics::Kind kind;
  std::string name;
  std::string help;
  Metrics::Reader read;
};

prometheus::MetricFamily Read(const ReadFamily& from) {
  const bool counts = from.kind == Metrics::Kind::kCounter;
  prometheus::MetricFamily family;
  family.name = from.name;
  family.help = from.help;
  family.type = counts ? prometheus::MetricType::Counter : prometheus::MetricType::Gauge;
  for (const MetricSample& sample : from.read()) {
    prometheus::ClientMetric& metric = family.metric.emplace_back();
    for (const auto& [name, value] : sample.labels) metric.label.push_back({name, value});
    (counts ? metric.counter.value : metric.gauge.value) = sample.value;
  }
  return family;
}

}  // namespace

struct Metrics::Impl {
  prometheus::Registry registry;
  mutable Mutex mu;
  std::deque<PrometheusCounter> counters ABSL_GUARDED_BY(mu);
  std::deque<PrometheusHistogram> histograms ABSL_GUARDED_BY(mu);
  std::deque<ReadFamily> readers ABSL_GUARDED_BY(mu);
};

Metrics::Metrics() : impl_(std::make_unique<Impl>()) {}
Metrics::~Metrics() = default;

Counter& Metrics::AddCounter(const std::string& name, const std::string& help,
                             const MetricLabels& labels) {
  auto& family = prometheus::BuildCounter().Name(name).Help(help).Register(impl_->registry);
  MutexLock lock(&impl_->mu);
  return impl_->counters.emplace_back(&family.Add({labels.begin(), labels.end()}));
}

Histogram& Metrics::AddHistogram(const std::string& name, const std::string& help,
                                 const MetricLabels& labels, const std::vector<double>& bounds) {
  auto& family = prometheus::BuildHistogram().Name(name).Help(help).Register(impl_->registry);
  MutexLock lock(&impl_->mu);
  return impl_->histograms.emplace_back(&family.Add({labels.begin(), labels.end()}, bounds));
}

void Metrics::AddReader(Kind kind, const std::string& name, const std::string& help, Reader read) {
  MutexLock lock(&impl_->mu);
  impl_->readers.push_back({kind, name, help, std::move(read)});
}

std::string Metrics::Text() const {
  std::vector<prometheus::MetricFamily> families = impl_->registry.Collect();
  MutexLock lock(&impl_->mu);
  for (const ReadFamily& reader : impl_->readers) families.push_back(Read(reader));
  return prometheus::TextSerializer().Serialize(families);
}

}  // namespace rondo
