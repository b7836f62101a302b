#include "client/cli/job_options.h"

#include <filesystem>

#include "client/cli/option_checks.h"
#include "client/cli/override_option.h"
#include "common/domain/s3_uri.h"

namespace rondo {
namespace {

EvaluationSet SetOf(const std::string& argument) {
  const size_t equals = argument.find('=');
  if (equals != std::string::npos && equals > 0) {
    return {argument.substr(0, equals), SourcePath(argument.substr(equals + 1))};
  }
  return {std::filesystem::path(argument).stem().string(), SourcePath(argument)};
}

EvaluationSpec EvaluationOf(const EvaluationOptions& options) {
  EvaluationSpec spec;
  for (const std::string& set : options.sets) spec.sets.push_back(SetOf(set));
  spec.seq_len = options.seq_len;
  spec.windows = options.windows;
  spec.original = !options.no_original;
  return spec;
}

ComputeSpec ComputeOf(const ComputeOptions& options) {
  ComputeSpec spec;
  spec.dtype = options.dtype;
  spec.threads_per_rank = options.threads == 0 ? 1 : options.threads;
  spec.micro_batch = options.micro_batch;
  return spec;
}

void DeclareGridOptions(CLI::App* app, JobOptions* options) {
  app->add_option("--bits", options->grid.bits, "Bits a weight: 2, 3, 4 or 8")
      ->capture_default_str();
  app->add_option("--group-size", options->grid.group_size,
                  "Columns that share a scale; -1: the whole row")
      ->check(NotZero())
      ->capture_default_str();
  CLI::Option* asymmetric =
      app->add_flag("--asymmetric", options->asymmetric, "A zero point for each group");
  const std::string symmetric = "Zero in the middle of the range (the default)";
  app->add_flag("--symmetric", symmetric)->excludes(asymmetric);
}

void DeclareOverrides(CLI::App* app, std::vector<LayerOverride>* overrides) {
  const auto store = [overrides](const std::vector<std::string>& all) {
    for (const std::string& given : all) {
      absl::StatusOr<LayerOverride> change = ParseOverride(given);
      if (!change.ok()) {
        throw CLI::ValidationError("--override", std::string(change.status().message()));
      }
      overrides->push_back(*std::move(change));
    }
  };
  app->add_option_function<std::vector<std::string>>(
         "--override", store,
         "Other settings for linear layers: PATTERN:skip, or PATTERN: and some of bits=N, "
         "group_size=N, method=rtn|gptq with commas; repeatable, the last match decides")
      ->allow_extra_args(false);
}

void DeclareCalibrationOptions(CLI::App* app, JobOptions* options) {
  app->add_option("--calibration", options->calibration.path,
                  "UTF-8 text, .jsonl, or token ids in an .npy file, here or in s3://; all methods "
                  "but rtn need it");
  app->add_option("--samples", options->calibration.samples, "Calibration windows")
      ->check(OneOrMore())
      ->capture_default_str();
  app->add_option("--seq-len", options->calibration.seq_len, "Tokens in a calibration window")
      ->check(OneOrMore())
      ->capture_default_str();
  app->add_option("--seed", options->calibration.seed, "Chooses the calibration windows")
      ->capture_default_str();
}

}  // namespace

std::string AbsolutePath(const std::string& path) {
  if (path.empty()) return path;
  std::filesystem::path absolute = std::filesystem::absolute(path).lexically_normal();
  if (!absolute.has_filename()) absolute = absolute.parent_path();  // "dir/"
  return absolute.string();
}

std::string SourcePath(const std::string& path) {
  return IsS3Uri(path) ? path : AbsolutePath(path);
}

void DeclareComputeOptions(CLI::App* app, ComputeOptions* options) {
  app->add_option(
         "--workers", options->workers,
         "Stages x replicas to run on (default: with a server all that are idle, else 2, or 1 "
         "where they would take turns or train)")
      ->check(OneOrMore());
  AddNamed(app, "--dtype", &options->dtype, DTypeNames(), "Of calibration passes");
  app->add_option("--threads", options->threads,
                  "CPU threads of each stage (default: with a server 1, else cores / workers)")
      ->check(OneOrMore());
  app->add_option("--micro-batch", options->micro_batch, "Samples that go through a stage together")
      ->check(OneOrMore())
      ->capture_default_str();
  app->add_option("--priority", options->priority,
                  "-10 to 10, higher first, where jobs wait for workers; above 0 for admins only")
      ->capture_default_str();
}

void DeclareEvaluationOptions(CLI::App* app, EvaluationOptions* options) {
  app->add_option("--eval", options->sets,
                  "Text, .jsonl or .npy to measure perplexity on, NAME=PATH or PATH; repeatable")
      ->allow_extra_args(false);
  app->add_option("--eval-seq-len", options->seq_len, "Tokens in an evaluation window")
      ->check(OneOrMore())
      ->capture_default_str();
  app->add_option("--eval-windows", options->windows, "Only the first so many windows")
      ->check(OneOrMore());
}

void DeclareJobOptions(CLI::App* app, JobOptions* options) {
  const std::string usual = app->option_defaults()->get_group();
  app->add_option("--model", options->model,
                  "Hugging Face folder of the model, or s3://BUCKET/PREFIX")
      ->required();
  DeclareGridOptions(app, options);
  DeclareOverrides(app, &options->overrides);
  DeclareMethodOptions(app, &options->method);
  app->option_defaults()->group("Calibration");
  DeclareCalibrationOptions(app, options);
  app->option_defaults()->group("Machines");
  DeclareComputeOptions(app, &options->compute);
  app->option_defaults()->group("Evaluation");
  DeclareEvaluationOptions(app, &options->evaluation);
  app->add_flag("--no-eval-original", options->evaluation.no_original,
                "Do not measure the unquantized model");
  app->option_defaults()->group(usual);
  app->add_option("--export", options->exports, "Formats to write, separated by commas")
      ->delimiter(',')
      ->allow_extra_args(false)
      ->check(OneOf({"dense", "compressed-tensors"}))
      ->capture_default_str();
  app->add_option("--request-id", options->request_id,
                  "Submitting again with the same id gives the same job (default: random)");
}

JobSpec ToJobSpec(const JobOptions& options) {
  JobSpec spec;
  spec.model.path = SourcePath(options.model);
  spec.calibration = options.calibration;
  spec.calibration.path = SourcePath(options.calibration.path);
  spec.grid = options.grid;
  spec.grid.symmetric = !options.asymmetric;
  spec.method = ToMethod(options.method);
  spec.overrides = options.overrides;
  spec.compute = ComputeOf(options.compute);
  spec.workers = options.compute.workers;
  spec.priority = options.compute.priority;
  spec.evaluation = EvaluationOf(options.evaluation);
  spec.exports.clear();
  for (const std::string& name : options.exports) {
    spec.exports.push_back(name == "dense" ? ExportFormat::kDense
                                           : ExportFormat::kCompressedTensors);
  }
  return spec;
}

JobSpec ToEvaluationSpec(const std::string& model, const EvaluationOptions& evaluation,
                         const ComputeOptions& compute) {
  JobSpec spec;
  spec.model.path = SourcePath(model);
  spec.method = EvaluateOnly{};
  spec.compute = ComputeOf(compute);
  spec.workers = compute.workers;
  spec.priority = compute.priority;
  spec.evaluation = EvaluationOf(evaluation);
  spec.exports.clear();
  return spec;
}

}  // namespace rondo
