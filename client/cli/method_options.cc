#include "client/cli/method_options.h"

#include <map>

#include "absl/strings/str_cat.h"
#include "client/cli/job_options.h"
#include "client/cli/option_checks.h"

namespace rondo {
namespace {

constexpr char kGptqGroup[] = "GPTQ (alone, or as --init gptq)";
constexpr char kLearnedGroup[] = "Learned rounding (vqround, adaround, lora-round)";
constexpr char kCodebookGroup[] = "Codebooks (vqround)";
constexpr char kLowRankGroup[] = "Low-rank rounding (lora-round)";

void DeclareGptq(CLI::App* app, GptqSettings* gptq) {
  app->add_option("--percdamp", gptq->percdamp, "Damping as a share of the Hessian's mean diagonal")
      ->capture_default_str();
  AddNamed(app, "--act-order", &gptq->act_order, ActOrderNames(),
           "Columns by falling Hessian diagonal");
  AddNamed(app, "--propagate", &gptq->propagate, PropagateNames(),
           "A layer sees activations of the full-precision or the quantized model");
  app->add_option("--block-size", gptq->block_size, "Columns updated together")
      ->check(OneOrMore())
      ->capture_default_str();
}

void DeclareStart(CLI::App* app, LearnedRoundingSettings* learned) {
  AddNamed(app, "--init", &learned->init, InitNames(), "Where the decisions start");
  AddNamed(app, "--start", &learned->start, StartNames(),
           "From fractional parts, or as near to the original as the decisions allow");
}

void DeclareOptimizer(CLI::App* app, TrainingSettings* training) {
  app->add_option("--steps", training->steps, "Training steps")->capture_default_str();
  app->add_option("--batch", training->batch, "Calibration windows a step")->capture_default_str();
  app->add_option("--learning-rate", training->learning_rate, "Of Adam")->capture_default_str();
  app->add_option("--warmup", training->warmup,
                  "Share of the steps over which the learning rate rises")
      ->capture_default_str();
  AddNamed(app, "--schedule", &training->schedule, ScheduleNames(),
           "Of the learning rate after the warm-up");
  AddNamed(app, "--forward", &training->forward, ForwardNames(),
           "Soft weights as in the paper, or the hard decisions");
  app->add_option("--straight-through-share", training->straight_through_share,
                  "soft-then-straight-through: share of the steps for the latter")
      ->capture_default_str();
  app->add_option("--round-weight", training->round_weight,
                  "Of the regulariser that makes soft weights decide")
      ->capture_default_str();
}

void DeclareObjective(CLI::App* app, TrainingSettings* training) {
  AddNamed(app, "--objective", &training->objective, ObjectiveNames(),
           "Through the whole model, each layer by itself, or the latter first");
  AddNamed(app, "--loss", &training->loss, LossNames(),
           "Distillation, or cross entropy of the calibration text");
  app->add_option("--temperature", training->temperature, "Of distillation")->capture_default_str();
  app->add_option("--teacher", training->teacher.path,
                  "Hugging Face folder of another teacher with the same vocabulary (default: "
                  "the model itself)");
  app->add_option("--teacher-top-k", training->top_k,
                  "Logits of the teacher that are kept; 0: its hidden states, exact")
      ->capture_default_str();
}

void DeclareRun(CLI::App* app, TrainingSettings* training) {
  AddNamed(app, "--train-dtype", &training->dtype, TrainingDTypeNames(),
           "Of matrix products while training; auto: bfloat16 where it is fast");
  app->add_option("--checkpoint-every", training->checkpoint_every,
                  "Steps between checkpoints; 0: none")
      ->capture_default_str();
  app->add_option("--replicas", training->replicas,
                  "Of all stages, each on its share of the batch (default: planned)")
      ->check(OneOrMore());
}

void DeclareCodebook(CLI::App* app, CodebookSettings* codebook) {
  app->add_option("--codebook-dim", codebook->dim, "Decisions that share a row")
      ->capture_default_str();
  app->add_option("--codebook-size", codebook->codes, "Rows")->capture_default_str();
  AddNamed(app, "--clustering", &codebook->clustering, ClusteringNames(),
           "Distance of k-means, or within each pattern of decisions");
  AddNamed(app, "--codebook-scope", &codebook->scope, ScopeNames(), "What shares one codebook");
  app->add_option("--kmeans-iterations", codebook->iterations, "At most")->capture_default_str();
  app->add_option("--kmeans-tolerance", codebook->tolerance,
                  "Stops when the distortion falls by less than this share")
      ->capture_default_str();
  app->add_option("--max-codebook-share", codebook->max_share,
                  "Rows are left out until the codebook is this share of its weights")
      ->capture_default_str();
}

// By group; a group that is not listed is read by every method. Scripts that compare methods give
// GPTQ's options to plain rtn as well.
void RefuseUnread(const CLI::App& app, const MethodOptions& options) {
  const MethodSettings method = ToMethod(options);
  const auto* learned = std::get_if<LearnedRoundingSettings>(&method);
  const std::map<std::string, bool> read = {
      {kGptqGroup, GptqOf(method) != nullptr || learned == nullptr},
      {kLearnedGroup, learned != nullptr},
      {kCodebookGroup,
       learned != nullptr && std::holds_alternative<CodebookSettings>(learned->parameters)},
      {kLowRankGroup,
       learned != nullptr && std::holds_alternative<LowRankSettings>(learned->parameters)}};
  for (const CLI::Option* option : app.get_options()) {
    const auto group = read.find(option->get_group());
    if (option->count() == 0 || group == read.end() || group->second) continue;
    const std::string init = group->first == kGptqGroup ? " with --init rtn" : "";
    throw CLI::ValidationError(  // as CLI11 has its callbacks refuse
        option->get_name(), absl::StrCat("--method ", options.method, init, " does not read it"));
  }
}

}  // namespace

void DeclareMethodOptions(CLI::App* app, MethodOptions* options) {
  app->add_option("--method", options->method, "How to quantize")
      ->check(OneOf({"gptq", "rtn", "vqround", "adaround", "lora-round"}))
      ->capture_default_str();
  const std::string usual = app->option_defaults()->get_group();
  app->option_defaults()->group(kGptqGroup);
  DeclareGptq(app, &options->gptq);
  app->option_defaults()->group(kLearnedGroup);
  DeclareStart(app, &options->learned);
  DeclareOptimizer(app, &options->learned.training);
  DeclareObjective(app, &options->learned.training);
  DeclareRun(app, &options->learned.training);
  app->option_defaults()->group(kCodebookGroup);
  DeclareCodebook(app, &options->codebook);
  app->option_defaults()->group(kLowRankGroup);
  app->add_option("--lora-rank", options->low_rank.rank, "Of the change")->capture_default_str();
  app->option_defaults()->group(usual);
  app->parse_complete_callback([app, options] { RefuseUnread(*app, *options); });
}

MethodSettings ToMethod(const MethodOptions& options) {
  if (options.method == "rtn") return RtnSettings{};
  if (options.method == "gptq") return options.gptq;
  LearnedRoundingSettings learned = options.learned;
  learned.gptq = options.gptq;
  learned.training.teacher.path = SourcePath(learned.training.teacher.path);
  if (options.method == "adaround") {
    learned.parameters = DenseSettings{};
  } else if (options.method == "lora-round") {
    learned.parameters = options.low_rank;
  } else {
    learned.parameters = options.codebook;
  }
  return learned;
}

}  // namespace rondo
