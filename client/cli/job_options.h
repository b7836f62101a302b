// The options that describe a job, and the JobSpec that they mean.
#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <string>
#include <vector>

#include "common/base/status.h"
#include "common/domain/job_spec.h"

namespace rondo {

struct EvaluationOptions {
  std::vector<std::string> sets;  // NAME=PATH or PATH
  int64_t seq_len = 2048;
  int64_t windows = 0;
  bool no_original = false;
};

// Of a machine rather than a model; shared by all commands that run a job.
struct ComputeOptions {
  std::string dtype = "auto";
  int threads = 0;  // 0: the command chooses
  int64_t micro_batch = 1;
  int workers = 0;
};

struct JobOptions {
  std::string model;
  std::string method = "gptq";
  int bits = 4;
  int64_t group_size = 128;
  bool asymmetric = false;
  double percdamp = 0.01;
  std::string act_order = "none";
  std::string propagate = "quantized";
  int64_t block_size = 128;
  std::string calibration;
  int64_t samples = 128;
  int64_t seq_len = 2048;
  uint64_t seed = 0;
  std::vector<std::string> exports = {"compressed-tensors"};
  std::string request_id;  // empty: random
  ComputeOptions compute;
  EvaluationOptions evaluation;
};

void DeclareJobOptions(CLI::App* app, JobOptions* options);
void DeclareComputeOptions(CLI::App* app, ComputeOptions* options);
// --eval, --eval-seq-len, --eval-windows
void DeclareEvaluationOptions(CLI::App* app, EvaluationOptions* options);

// Relative paths become absolute: server and workers have other working folders. Whether the
// values make sense is for the service to say.
JobSpec ToJobSpec(const JobOptions& options);
// A job that only measures the model.
JobSpec ToEvaluationSpec(const std::string& model, const EvaluationOptions& evaluation,
                         const ComputeOptions& compute);

std::string AbsolutePath(const std::string& path);  // "" stays ""

}  // namespace rondo
