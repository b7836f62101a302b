#include "server/core/admission.h"

#include <algorithm>
#include <optional>

#include "common/domain/validate.h"
#include "common/format/checkpoint.h"
#include "common/format/data_path.h"
#include "common/format/npy.h"
#include "common/io/file.h"
#include "server/core/gang_shape.h"
#include "server/core/torch_model.h"
#include "server/core/vocabulary.h"

namespace rondo {
namespace {

struct DataSize {
  int64_t tokens = 0;
  bool exact = true;  // false: an upper bound, the bytes of a text
};

std::string WhatItIs(const std::string& use, const std::string& path) {
  return absl::StrCat(use, path.ends_with(".npy") ? " data" : " text");
}

// A token of a byte-level tokenizer covers at least one byte.
absl::StatusOr<DataSize> MeasureData(const std::string& use, const std::string& path) {
  const DataPath data = ParseDataPath(path);
  if (!FileExists(data.file) || IsDirectory(data.file)) {
    return absl::NotFoundError(absl::StrCat(use, " file ", path, " does not exist"));
  }
  const std::string what = WhatItIs(use, path);
  ASSIGN_OR_RETURN(const int64_t bytes, FileSize(data.file));
  if (bytes == 0) return absl::InvalidArgumentError(absl::StrCat(what, " ", path, " is empty"));
  if (data.kind != DataKind::kTokens) return DataSize{bytes, false};
  ASSIGN_OR_RETURN(const int64_t tokens, CountTokensNpy(path));
  return DataSize{tokens, true};
}

absl::Status TooFew(const std::string& use, const std::string& path, const DataSize& size,
                    const std::string& needs) {
  return absl::InvalidArgumentError(absl::StrCat(WhatItIs(use, path), " ", path, " holds ",
                                                 size.exact ? "" : "at most ", size.tokens,
                                                 " tokens; ", needs));
}

absl::Status CheckCalibration(const CalibrationSpec& calibration) {
  ASSIGN_OR_RETURN(const DataSize size, MeasureData("calibration", calibration.path));
  const int64_t needed = calibration.samples * calibration.seq_len;
  if (size.tokens >= needed) return absl::OkStatus();
  return TooFew("calibration", calibration.path, size,
                absl::StrCat("samples x seq_len (", calibration.samples, " x ", calibration.seq_len,
                             ") needs ", needed));
}

// Windows, 0 when they are not known yet.
absl::StatusOr<int64_t> CheckEvaluationSet(const EvaluationSet& set, const EvaluationSpec& spec) {
  ASSIGN_OR_RETURN(const DataSize size, MeasureData("evaluation", set.path));
  const int64_t needed = std::max<int64_t>(1, spec.windows);
  const int64_t held = size.tokens / spec.seq_len;
  if (held < needed) {
    return TooFew("evaluation", set.path, size,
                  absl::StrCat("windows x seq_len (", needed, " x ", spec.seq_len, ") needs ",
                               needed * spec.seq_len));
  }
  if (spec.windows > 0) return spec.windows;
  return size.exact ? held : 0;
}

absl::Status CheckTeacher(const JobSpec& spec, const ModelConfig& config) {
  const auto* learned = std::get_if<LearnedRoundingSettings>(&spec.method);
  if (learned == nullptr || learned->training.teacher.path.empty()) return absl::OkStatus();
  const std::string& path = learned->training.teacher.path;
  if (!IsDirectory(path)) {
    return absl::NotFoundError(absl::StrCat("teacher folder ", path, " does not exist"));
  }
  ASSIGN_OR_RETURN(const ModelConfig teacher, ReadModelConfig(path));
  if (teacher.vocab_size != config.vocab_size) {
    return absl::InvalidArgumentError(absl::StrCat(
        "the teacher in ", path, " has a vocabulary of ", teacher.vocab_size,
        " tokens, the model of ", config.vocab_size, "; a teacher must have the model's"));
  }
  RETURN_IF_ERROR(CheckSameVocabulary(spec.model.path, path));
  ASSIGN_OR_RETURN(const ModelLayout layout, LayoutOf(teacher));
  ASSIGN_OR_RETURN(const CheckpointFiles files, FindCheckpoint(path));
  if (files.form == CheckpointForm::kTorch) return absl::OkStatus();  // ranks read it first of all
  ASSIGN_OR_RETURN(const Checkpoint checkpoint, Checkpoint::Open(path));
  return CheckLayout(checkpoint, teacher, layout);
}

absl::StatusOr<ModelFacts> ReadModel(const JobSpec& spec) {
  ModelFacts facts;
  ASSIGN_OR_RETURN(facts.config, ReadModelConfig(spec.model.path));
  ASSIGN_OR_RETURN(facts.layout, LayoutOf(facts.config));
  ASSIGN_OR_RETURN(const CheckpointFiles files, FindCheckpoint(spec.model.path));
  if (files.form == CheckpointForm::kTorch) {
    RETURN_IF_ERROR(EstimateTorchModel(files, &facts));
    return facts;
  }
  ASSIGN_OR_RETURN(const Checkpoint checkpoint, Checkpoint::Open(spec.model.path));
  RETURN_IF_ERROR(CheckLayout(checkpoint, facts.config, facts.layout));
  facts.checkpoint_bytes = checkpoint.total_bytes();
  facts.bytes_per_weight = BytesOf(WeightType(checkpoint, facts.layout));

  const auto add = [&](const std::string& name) -> absl::Status {
    ASSIGN_OR_RETURN(const TensorView tensor, checkpoint.Find(name));
    facts.other_tensor_bytes += tensor.info.bytes();
    return absl::OkStatus();
  };
  const ModelLayout& layout = facts.layout;
  for (const TensorLayout& tensor : layout.embedding) RETURN_IF_ERROR(add(tensor.name));
  for (const TensorLayout& tensor : layout.head) RETURN_IF_ERROR(add(tensor.name));
  for (int64_t layer = 0; layer < facts.config.num_layers; ++layer) {
    for (const TensorLayout& tensor : layout.layer_others) {
      RETURN_IF_ERROR(add(FullName(layout, layer, tensor.name)));
    }
    for (const LinearLayout& linear : layout.linears) {
      if (linear.bias) RETURN_IF_ERROR(add(FullName(layout, layer, linear.name + ".bias")));
    }
  }
  return facts;
}

}  // namespace

absl::StatusOr<ModelFacts> CheckSpec(const JobSpec& spec) {
  RETURN_IF_ERROR(Validate(spec));
  if (!IsDirectory(spec.model.path)) {
    return absl::NotFoundError(absl::StrCat("model folder ", spec.model.path, " does not exist"));
  }
  ASSIGN_OR_RETURN(ModelFacts facts, ReadModel(spec));
  RETURN_IF_ERROR(ValidateForModel(spec, facts.layout, facts.config.num_layers));
  if (spec.workers > 0) {
    RETURN_IF_ERROR(ShapesOf(spec, facts.config, spec.workers).status());
  }
  RETURN_IF_ERROR(CheckTeacher(spec, facts.config));
  if (NeedsCalibration(spec.method)) RETURN_IF_ERROR(CheckCalibration(spec.calibration));
  for (const EvaluationSet& set : spec.evaluation.sets) {
    ASSIGN_OR_RETURN(const int64_t windows, CheckEvaluationSet(set, spec.evaluation));
    facts.evaluation_windows.push_back(windows);
  }
  return facts;
}

}  // namespace rondo
