#include "client/cli/job_options.h"

#include <filesystem>

#include "absl/strings/numbers.h"

namespace rondo {
namespace {

// Zero would mean "the service's default" on the wire, which is not what somebody who types 0
// wants.
const CLI::Validator kOneOrMore(
    [](const std::string& value) {
      int64_t number = 0;
      const bool fits = absl::SimpleAtoi(value, &number) && number >= 1;
      return fits ? std::string() : absl::StrCat(value, " is too small; use 1 or more");
    },
    "N>=1");

const CLI::Validator kNotZero(
    [](const std::string& value) {
      return value == "0"
                 ? std::string("0 is no group; use -1 for a whole row, or a number of columns")
                 : std::string();
    },
    "N|-1");

// Names the option, the value and what is accepted, on one line.
CLI::Validator OneOf(const std::vector<std::string>& accepted) {
  std::string names;
  for (const std::string& name : accepted) absl::StrAppend(&names, names.empty() ? "" : "|", name);
  return CLI::Validator(
      [accepted, names](const std::string& value) {
        for (const std::string& name : accepted) {
          if (value == name) return std::string();
        }
        return absl::StrCat("\"", value, "\" is not one of ", names);
      },
      names);
}

DType DTypeOf(const std::string& name) {
  for (const DType dtype : {DType::kFloat32, DType::kBFloat16, DType::kFloat16}) {
    if (name == DTypeName(dtype)) return dtype;
  }
  return DType::kAuto;
}

EvaluationSet SetOf(const std::string& argument) {
  const size_t equals = argument.find('=');
  if (equals != std::string::npos && equals > 0) {
    return {argument.substr(0, equals), AbsolutePath(argument.substr(equals + 1))};
  }
  return {std::filesystem::path(argument).stem().string(), AbsolutePath(argument)};
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
  spec.dtype = DTypeOf(options.dtype);
  spec.threads_per_rank = options.threads == 0 ? 1 : options.threads;
  spec.micro_batch = options.micro_batch;
  return spec;
}

MethodSettings MethodOf(const JobOptions& options) {
  if (options.method == "rtn") return RtnSettings{};
  GptqSettings gptq;
  gptq.percdamp = options.percdamp;
  gptq.act_order = options.act_order == "static" ? ActOrder::kStatic : ActOrder::kNone;
  gptq.propagate =
      options.propagate == "quantized" ? Propagate::kQuantized : Propagate::kFullPrecision;
  gptq.block_size = options.block_size;
  return gptq;
}

void DeclareMethodOptions(CLI::App* app, JobOptions* options) {
  app->add_option("--method", options->method, "How to quantize")
      ->check(OneOf({"gptq", "rtn"}))
      ->capture_default_str();
  app->add_option("--bits", options->bits, "Bits a weight: 2, 3, 4 or 8")->capture_default_str();
  app->add_option("--group-size", options->group_size,
                  "Columns that share a scale; -1: the whole row")
      ->check(kNotZero)
      ->capture_default_str();
  CLI::Option* asymmetric =
      app->add_flag("--asymmetric", options->asymmetric, "A zero point for each group");
  const std::string symmetric = "Zero in the middle of the range (the default)";
  app->add_flag("--symmetric", symmetric)->excludes(asymmetric);
  app->add_option("--percdamp", options->percdamp,
                  "gptq: damping as a share of the Hessian's mean diagonal")
      ->capture_default_str();
  app->add_option("--act-order", options->act_order, "gptq: columns by falling Hessian diagonal")
      ->check(OneOf({"none", "static"}))
      ->capture_default_str();
  app->add_option("--propagate", options->propagate,
                  "gptq: a layer sees activations of the full-precision or the quantized model")
      ->check(OneOf({"fp", "quantized"}))
      ->capture_default_str();
  app->add_option("--block-size", options->block_size, "gptq: columns updated together")
      ->check(kOneOrMore)
      ->capture_default_str();
}

void DeclareCalibrationOptions(CLI::App* app, JobOptions* options) {
  app->add_option("--calibration", options->calibration,
                  "UTF-8 text, or token ids in an .npy file; gptq needs it");
  app->add_option("--samples", options->samples, "Calibration windows")
      ->check(kOneOrMore)
      ->capture_default_str();
  app->add_option("--seq-len", options->seq_len, "Tokens in a calibration window")
      ->check(kOneOrMore)
      ->capture_default_str();
  app->add_option("--seed", options->seed, "Chooses the calibration windows")
      ->capture_default_str();
}

}  // namespace

std::string AbsolutePath(const std::string& path) {
  if (path.empty()) return path;
  std::filesystem::path absolute = std::filesystem::absolute(path).lexically_normal();
  if (!absolute.has_filename()) absolute = absolute.parent_path();  // "dir/"
  return absolute.string();
}

void DeclareComputeOptions(CLI::App* app, ComputeOptions* options) {
  app->add_option("--workers", options->workers,
                  "Stages to run on (default: with a server all that are idle, else 2)")
      ->check(kOneOrMore);
  app->add_option("--dtype", options->dtype, "Of calibration passes")
      ->check(OneOf({"auto", "float32", "bfloat16", "float16"}))
      ->capture_default_str();
  app->add_option("--threads", options->threads,
                  "CPU threads of each stage (default: with a server 1, else cores / workers)")
      ->check(kOneOrMore);
  app->add_option("--micro-batch", options->micro_batch, "Samples that go through a stage together")
      ->check(kOneOrMore)
      ->capture_default_str();
}

void DeclareEvaluationOptions(CLI::App* app, EvaluationOptions* options) {
  app->add_option("--eval", options->sets,
                  "Text or .npy to measure perplexity on, NAME=PATH or PATH; repeatable")
      ->allow_extra_args(false);
  app->add_option("--eval-seq-len", options->seq_len, "Tokens in an evaluation window")
      ->check(kOneOrMore)
      ->capture_default_str();
  app->add_option("--eval-windows", options->windows, "Only the first so many windows")
      ->check(kOneOrMore);
}

void DeclareJobOptions(CLI::App* app, JobOptions* options) {
  app->add_option("--model", options->model, "Hugging Face folder of the model")->required();
  DeclareMethodOptions(app, options);
  DeclareCalibrationOptions(app, options);
  DeclareComputeOptions(app, &options->compute);
  DeclareEvaluationOptions(app, &options->evaluation);
  app->add_flag("--no-eval-original", options->evaluation.no_original,
                "Do not measure the unquantized model");
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
  spec.model.path = AbsolutePath(options.model);
  spec.calibration = {AbsolutePath(options.calibration), options.samples, options.seq_len,
                      options.seed};
  spec.grid = {options.bits, options.group_size, !options.asymmetric};
  spec.method = MethodOf(options);
  spec.compute = ComputeOf(options.compute);
  spec.workers = options.compute.workers;
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
  spec.model.path = AbsolutePath(model);
  spec.method = EvaluateOnly{};
  spec.compute = ComputeOf(compute);
  spec.workers = compute.workers;
  spec.evaluation = EvaluationOf(evaluation);
  spec.exports.clear();
  return spec;
}

}  // namespace rondo
