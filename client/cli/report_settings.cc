#include "client/cli/report_settings.h"

#include <variant>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "client/cli/setting_names.h"
#include "common/domain/overrides.h"

namespace rondo {
namespace {

using Rows = std::vector<std::vector<std::string>>;

std::string Short(double value) { return absl::StrFormat("%g", value); }

void AddGptq(const GptqSettings& gptq, Rows* rows) {
  rows->push_back({"percdamp", Short(gptq.percdamp)});
  rows->push_back({"act order", NameOf(ActOrderNames(), gptq.act_order)});
  rows->push_back({"propagate", NameOf(PropagateNames(), gptq.propagate)});
  rows->push_back({"block size", absl::StrCat(gptq.block_size)});
}

struct AddParameters {
  Rows* rows;

  void operator()(const CodebookSettings& codebook) const {
    rows->push_back({"codebook", absl::StrCat(codebook.codes, " rows of ", codebook.dim)});
    rows->push_back({"codebook scope", NameOf(ScopeNames(), codebook.scope)});
    rows->push_back({"largest codebook share", Short(codebook.max_share)});
    rows->push_back({"clustering", NameOf(ClusteringNames(), codebook.clustering)});
    rows->push_back({"k-means", absl::StrCat("at most ", codebook.iterations,
                                             " iterations, tolerance ", codebook.tolerance)});
  }
  void operator()(const DenseSettings&) const {}
  void operator()(const LowRankSettings& low_rank) const {
    rows->push_back({"rank", absl::StrCat(low_rank.rank)});
  }
};

void AddTraining(const TrainingSettings& training, Rows* rows) {
  rows->push_back({"objective", NameOf(ObjectiveNames(), training.objective)});
  rows->push_back({"loss", NameOf(LossNames(), training.loss)});
  rows->push_back({"temperature", Short(training.temperature)});
  if (!training.teacher.path.empty()) rows->push_back({"teacher", training.teacher.path});
  rows->push_back({"teacher top-k", training.top_k == 0 ? "exact" : absl::StrCat(training.top_k)});
  rows->push_back({"steps", absl::StrCat(training.steps)});
  rows->push_back({"batch", absl::StrCat(training.batch)});
  rows->push_back({"forward", NameOf(ForwardNames(), training.forward)});
  if (training.forward == RoundingForward::kSoftThenStraightThrough) {
    rows->push_back({"straight-through share", Short(training.straight_through_share)});
  }
  rows->push_back({"learning rate", Short(training.learning_rate)});
  rows->push_back({"warm-up", Short(training.warmup)});
  rows->push_back({"schedule", NameOf(ScheduleNames(), training.schedule)});
  if (training.forward != RoundingForward::kStraightThrough) {
    rows->push_back({"regulariser", absl::StrFormat("%g, beta %g to %g after %g of the steps",
                                                    training.round_weight, training.beta_start,
                                                    training.beta_end, training.beta_hold)});
  }
  rows->push_back({"checkpoint every", absl::StrCat(training.checkpoint_every, " steps")});
}

}  // namespace

std::vector<std::vector<std::string>> SettingRows(const JobSpec& spec) {
  Rows rows = {
      {"setting", "value"}, {"model", spec.model.path}, {"method", MethodName(spec.method)}};
  if (!std::holds_alternative<EvaluateOnly>(spec.method)) {
    rows.push_back({"grid", absl::StrCat(spec.grid.bits, " bits, ",
                                         spec.grid.symmetric ? "symmetric" : "asymmetric", ", ",
                                         spec.grid.group_size < 0
                                             ? std::string("per row")
                                             : absl::StrCat("groups of ", spec.grid.group_size))});
  }
  for (const LayerOverride& change : spec.overrides) {
    rows.push_back({"override", absl::StrCat(change.pattern, ": ", Describe(change))});
  }
  if (NeedsCalibration(spec.method)) {
    rows.push_back(
        {"calibration",
         absl::StrCat(spec.calibration.path, ", ", spec.calibration.samples, " windows of ",
                      spec.calibration.seq_len, " tokens, seed ", spec.calibration.seed)});
  }
  if (const auto* learned = std::get_if<LearnedRoundingSettings>(&spec.method)) {
    rows.push_back({"init", NameOf(InitNames(), learned->init)});
    rows.push_back({"start", NameOf(StartNames(), learned->start)});
    std::visit(AddParameters{&rows}, learned->parameters);
    AddTraining(learned->training, &rows);
  }
  if (const GptqSettings* gptq = GptqOf(spec.method)) AddGptq(*gptq, &rows);
  rows.push_back({"threads of a rank", absl::StrCat(spec.compute.threads_per_rank)});
  return rows;
}

}  // namespace rondo
