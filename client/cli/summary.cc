#include "client/cli/summary.h"

#include <algorithm>
#include <optional>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "client/cli/format.h"
#include "client/cli/results.h"
#include "common/domain/overrides.h"

namespace rondo {
namespace {

using Rows = std::vector<std::vector<std::string>>;

std::string Perplexity(const std::optional<double>& value) {
  return value.has_value() ? absl::StrFormat("%.3f", *value) : "-";
}

void AddPerplexities(const Job& job, Rows* rows) {
  const auto sets = PerplexitiesOf(job);
  if (sets.empty()) return;
  const bool trained = std::any_of(sets.begin(), sets.end(), [](const auto& set) {
    return set.second.before_training.has_value();
  });
  rows->push_back({"perplexity", "original"});
  if (trained) rows->back().emplace_back("before training");
  rows->back().emplace_back("quantized");
  for (const auto& [name, values] : sets) {
    rows->push_back({"  " + name, Perplexity(values.original)});
    if (trained) rows->back().push_back(Perplexity(values.before_training));
    rows->back().push_back(Perplexity(values.quantized));
  }
}

void AddTraining(const Job& job, Rows* rows) {
  if (!job.training_result.has_value()) return;
  const TrainingFinished& result = *job.training_result;
  rows->push_back({"trained", absl::StrCat(result.parameters),
                   absl::StrFormat("parameters, %s of %d weights",
                                   FormatShare(TrainedShare(result)), result.weights)});
  rows->push_back({"undecided", FormatShare(result.undecided),
                   absl::StrFormat("of the weights; %s of the decisions changed",
                                   FormatShare(result.changed))});
  rows->push_back({"divergence", absl::StrFormat("%.4g", result.hard_divergence),
                   absl::StrFormat("a token; %.4g before hardening", result.soft_divergence)});
}

// Codes, and scales (16 bits) and zero points shared by a group; a whole row's share is left out.
std::string BitsPerWeight(const GridSpec& grid) {
  if (grid.group_size < 0) return absl::StrFormat("%d bits a weight", grid.bits);
  const double shared = 16.0 + (grid.symmetric ? 0 : grid.bits);
  return absl::StrFormat("%.4g bits a weight",
                         grid.bits + shared / static_cast<double>(grid.group_size));
}

void AddSizes(const Job& job, Rows* rows) {
  if (!job.plan.has_value() || job.spec.exports.empty()) return;
  rows->push_back({"size", FormatBytes(job.plan->checkpoint_bytes), "original"});
  for (const ExportFormat format : job.spec.exports) {
    int64_t bytes = 0;
    for (const ArtifactInfo& artifact : job.artifacts) {
      if (artifact.format == format && absl::EndsWith(artifact.name, ".safetensors")) {
        bytes += artifact.bytes;
      }
    }
    if (bytes == 0) continue;
    std::string what = absl::StrFormat(
        "%s, %.2f times smaller", ExportFormatName(format),
        static_cast<double>(job.plan->checkpoint_bytes) / static_cast<double>(bytes));
    if (format == ExportFormat::kCompressedTensors && job.spec.overrides.empty()) {
      absl::StrAppend(&what, ", ", BitsPerWeight(job.spec.grid), " in quantized layers");
    }
    rows->push_back({"", FormatBytes(bytes), what});
  }
}

void AddPhases(const Job& job, Rows* rows) {
  bool first = true;
  for (const auto& [phase, seconds] : SlowestPhases(job)) {
    rows->push_back(
        {first ? "time" : "", FormatSeconds(seconds), absl::AsciiStrToLower(PhaseName(phase))});
    first = false;
  }
  if (job.started == absl::InfinitePast() || job.finished == absl::InfiniteFuture()) return;
  rows->push_back({first ? "time" : "",
                   FormatSeconds(absl::ToDoubleSeconds(job.finished - job.started)), "in all"});
}

bool NeedsDequantize(const Job& job, ExportFormat format) {
  return format == ExportFormat::kCompressedTensors && !job.spec.grid.symmetric;
}

std::string Python(const std::string& folder, bool dequantize) {
  return absl::StrCat(
      "  from transformers import AutoModelForCausalLM, AutoTokenizer",
      dequantize ? ", CompressedTensorsConfig" : "", "\n",
      "  tokenizer = AutoTokenizer.from_pretrained(\"", folder, "\")\n",
      "  model = AutoModelForCausalLM.from_pretrained(\"", folder, "\"",
      dequantize ? ", quantization_config=CompressedTensorsConfig(dequantize=True)" : "", ")\n");
}

}  // namespace

std::string Summary(const Job& job, const std::vector<Note>& notes) {
  Rows perplexities, rest;
  AddPerplexities(job, &perplexities);
  AddTraining(job, &rest);
  AddSizes(job, &rest);
  AddPhases(job, &rest);
  std::string text = absl::StrCat(FormatTable(perplexities), FormatTable(rest));
  const std::string gap = HardeningWarning(job);
  if (!gap.empty()) absl::StrAppend(&text, "warning: ", gap, "\n");
  for (const Note& note : notes) {
    if (note.severity == Severity::kWarning)
      absl::StrAppend(&text, "warning: ", note.message, "\n");
  }
  return text;
}

std::string ArtifactFolder(const std::string& out, const Job& job, ExportFormat format) {
  return job.spec.exports.size() == 1 ? out : absl::StrCat(out, "/", ExportFormatName(format));
}

std::string HowToLoad(const Job& job, const std::string& out) {
  std::string text;
  for (const ExportFormat format : job.spec.exports) {
    const std::string folder = ArtifactFolder(out, job, format);
    absl::StrAppend(&text, ExportFormatName(format), " model in ", folder, "; in Python:\n",
                    Python(folder, NeedsDequantize(job, format)));
  }
  return text;
}

std::string PlanText(const Plan& plan, const JobSpec& spec) {
  Rows rows = {{"stage", "layers", "memory"}};
  for (size_t i = 0; i < plan.stages.size(); ++i) {
    const StagePlan& stage = plan.stages[i];
    rows.push_back({absl::StrCat(i), absl::StrCat(stage.first_layer, "-", stage.end_layer - 1),
                    FormatBytes(stage.memory_bytes)});
  }
  std::string text = FormatTable(rows);
  Rows facts = {{"dtype", DTypeName(plan.dtype)}};
  if (IsLearned(spec.method)) {
    facts.insert(facts.end(), {{"training dtype", DTypeName(plan.training_dtype)},
                               {"activations", plan.keep_graphs ? "kept" : "computed again"},
                               {"replicas", absl::StrCat(plan.replicas)}});
  }
  facts.insert(facts.end(), {{"quantized weights", absl::StrCat(plan.quantized_weights)},
                             {"between stages", FormatBytes(plan.wire_bytes)},
                             {"original", FormatBytes(plan.checkpoint_bytes)},
                             {"exported", FormatBytes(plan.export_bytes)},
                             {"checkpoints", FormatBytes(plan.scratch_bytes)}});
  if (plan.expected_seconds > 0) {
    facts.push_back({"expected time", FormatSeconds(plan.expected_seconds)});
  }
  const size_t overrides = std::min(spec.overrides.size(), plan.override_layers.size());
  for (size_t i = 0; i < overrides; ++i) {
    const LayerOverride& change = spec.overrides[i];
    facts.push_back({"override", absl::StrCat(change.pattern, ": ", Describe(change), "; matches ",
                                              plan.override_layers[i], " linear layers")});
  }
  absl::StrAppend(&text, FormatTable(facts));
  for (const std::string& note : plan.notes) absl::StrAppend(&text, "note: ", note, "\n");
  return text;
}

}  // namespace rondo
