// The options of a quantization method, in groups of --help, and the settings that they mean.
#pragma once

#include <string>

#include "common/domain/job_spec.h"

namespace CLI {
class App;
}  // namespace CLI

namespace rondo {

struct MethodOptions {
  std::string method = MethodName(JobSpec{}.method);
  GptqSettings gptq;  // also of an initialisation
  LearnedRoundingSettings learned;
  CodebookSettings codebook;
  LowRankSettings low_rank;
};

// Given options that the chosen method does not read are refused when `app` has been parsed.
void DeclareMethodOptions(CLI::App* app, MethodOptions* options);

MethodSettings ToMethod(const MethodOptions& options);

}  // namespace rondo
