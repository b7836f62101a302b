// The options that describe a job, and the JobSpec that they mean.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "client/cli/method_options.h"
#include "common/base/status.h"
#include "common/domain/job_spec.h"

namespace CLI {
class App;
}  // namespace CLI

namespace rondo {

struct EvaluationOptions {
  std::vector<std::string> sets;  // NAME=PATH or PATH
  int64_t seq_len = EvaluationSpec{}.seq_len;
  int64_t windows = EvaluationSpec{}.windows;
  bool no_original = false;
};

// Of a machine rather than a model; shared by all commands that run a job.
struct ComputeOptions {
  DType dtype = ComputeSpec{}.dtype;
  int threads = 0;  // 0: the command chooses
  int64_t micro_batch = ComputeSpec{}.micro_batch;
  int workers = 0;
  int priority = JobSpec{}.priority;
};

struct JobOptions {
  std::string model;
  MethodOptions method;
  GridSpec grid;
  bool asymmetric = !GridSpec{}.symmetric;
  std::vector<LayerOverride> overrides;
  CalibrationSpec calibration;
  std::vector<std::string> exports = {ExportFormatName(JobSpec{}.exports.front())};
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
std::string SourcePath(const std::string& path);    // the same, but s3:// stays as it is

}  // namespace rondo
