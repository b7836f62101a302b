// What a report is made of: a job and those of its events that the job does not keep. A pure value.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "common/base/status.h"
#include "common/domain/job.h"

namespace rondo {

class RondoClient;

struct ReportData {
  Job job;  // with its spec; as it was when the report was asked for
  // The steps of each objective, in the order in which they ran. Steps that a later generation took
  // again replace those of the former.
  std::vector<TrainingStep> training;
  std::map<int64_t, LayerQuantized> quantized;  // by layer
  std::map<int64_t, LayerClustered> clustered;
  std::vector<Note> notes;

  void Add(const JobEvent& event);
};

// Reads all events so far of a job through the public API.
absl::StatusOr<ReportData> CollectReport(RondoClient* client, const JobId& id);

}  // namespace rondo
