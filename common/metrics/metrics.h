// What a process counts and measures about itself, as the text that Prometheus reads. No type of
// the library that writes it shows. Names, labels and help are ours: a broken one is a bug and ends
// the program. Labels take values from small sets that are known beforehand, never a name, a path
// or a message of somebody's.
//
// Thread-safe. What is added stays for the life of the Metrics; what a reader that was added uses
// must live as long as Text() is called.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace rondo {

using MetricLabels = std::map<std::string, std::string>;

class Counter {
 public:
  virtual ~Counter() = default;
  virtual void Increment() = 0;
};

class Histogram {
 public:
  virtual ~Histogram() = default;
  virtual void Observe(double value) = 0;
};

struct MetricSample {
  MetricLabels labels;
  double value = 0;
};

class Metrics {
 public:
  enum class Kind { kCounter, kGauge };
  using Reader = std::function<std::vector<MetricSample>()>;

  Metrics();
  ~Metrics();

  // One series, from 0. Those of one name differ in the values of their labels.
  Counter& AddCounter(const std::string& name, const std::string& help,
                      const MetricLabels& labels = {});
  // `bounds`: upper ones of the buckets, rising.
  Histogram& AddHistogram(const std::string& name, const std::string& help,
                          const MetricLabels& labels, const std::vector<double>& bounds);
  // Every series of `name`, asked for whenever the text is: nothing to be kept in step.
  void AddReader(Kind kind, const std::string& name, const std::string& help, Reader read);

  std::string Text() const;  // exposition format 0.0.4

 private:
  struct Impl;
  const std::unique_ptr<Impl> impl_;
};

}  // namespace rondo
