// What a finished job came to, for people. Pure functions.
#pragma once

#include <string>
#include <vector>

#include "common/domain/job.h"

namespace rondo {

// Perplexities, sizes, seconds per phase and warnings.
std::string Summary(const Job& job, const std::vector<Note>& notes);

// The folder of each format under --out: --out itself when there is one format.
std::string ArtifactFolder(const std::string& out, const Job& job, ExportFormat format);

// Where the artifacts are, and the Python that loads them.
std::string HowToLoad(const Job& job, const std::string& out);

// Stages, memory, bytes on the wire, overrides and notes of a plan; of replicas and training where
// the method trains.
std::string PlanText(const Plan& plan, const JobSpec& spec);

}  // namespace rondo
