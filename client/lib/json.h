// Domain values as one line of JSON for scripts: protobuf's JSON mapping with the field names of
// the .proto files, zero values included (int64 as strings, as that mapping has it). Pure
// functions.
#pragma once

#include <string>
#include <vector>

#include "client/lib/client.h"
#include "common/domain/job.h"
#include "common/domain/plan.h"
#include "common/domain/worker_info.h"

namespace rondo {

std::string JobJson(const Job& job);                              // rondo.v1.Job
std::string EventJson(const JobEvent& event);                     // rondo.v1.JobEvent
std::string PlanJson(const Plan& plan);                           // rondo.v1.Plan
std::string JobsJson(const JobPage& page);                        // rondo.v1.ListJobsResponse
std::string WorkersJson(const std::vector<WorkerInfo>& workers);  // rondo.v1.ListWorkersResponse
std::string ArtifactsJson(const std::vector<ArtifactInfo>& artifacts);     // ListArtifactsResponse
std::string FieldJson(const std::string& name, const std::string& value);  // {"name":"value"}

}  // namespace rondo
