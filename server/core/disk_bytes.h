// What a job writes on the disk that coordinator and workers share. Pure functions; bytes.
#pragma once

#include <cstdint>

#include "common/domain/job_spec.h"
#include "server/core/admission.h"

namespace rondo {

// Of all weight files of one format, as the exporter writes them, headers aside.
int64_t ExportBytes(const ModelFacts& facts, const JobSpec& spec, ExportFormat format);

// Of a job's checkpoints at their largest: every layer that GPTQ has solved, and the trained
// variables of two steps, the newer of which is not complete yet.
int64_t ScratchBytes(const ModelFacts& facts, const JobSpec& spec);

// Weights of the linear layers that are not skipped.
int64_t QuantizedWeights(const ModelFacts& facts, const JobSpec& spec);

}  // namespace rondo
