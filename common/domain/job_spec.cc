#include "common/domain/job_spec.h"

namespace rondo {

const GptqSettings* GptqOf(const MethodSettings& method) {
  const auto* learned = std::get_if<LearnedRoundingSettings>(&method);
  if (learned != nullptr && learned->init == RoundingInit::kGptq) return &learned->gptq;
  return std::get_if<GptqSettings>(&method);
}

bool IsLearned(const MethodSettings& method) {
  return std::holds_alternative<LearnedRoundingSettings>(method);
}

bool NeedsCalibration(const MethodSettings& method) {
  return std::holds_alternative<GptqSettings>(method) || IsLearned(method);
}

bool IsSequential(const MethodSettings& method) {
  const GptqSettings* gptq = GptqOf(method);
  return gptq != nullptr && gptq->propagate == Propagate::kQuantized;
}

std::string MethodName(const MethodSettings& method) {
  if (std::holds_alternative<RtnSettings>(method)) return "rtn";
  if (std::holds_alternative<GptqSettings>(method)) return "gptq";
  if (const auto* learned = std::get_if<LearnedRoundingSettings>(&method)) {
    if (std::holds_alternative<DenseSettings>(learned->parameters)) return "adaround";
    if (std::holds_alternative<LowRankSettings>(learned->parameters)) return "lora-round";
    return "vqround";
  }
  return "none";
}

std::string LayerMethodName(LayerMethod method) {
  return method == LayerMethod::kRtn ? "rtn" : "gptq";
}

std::string ExportFormatName(ExportFormat format) {
  return format == ExportFormat::kDense ? "dense" : "compressed-tensors";
}

std::string DTypeName(DType dtype) {
  switch (dtype) {
    case DType::kAuto: return "auto";
    case DType::kFloat32: return "float32";
    case DType::kBFloat16: return "bfloat16";
    case DType::kFloat16: return "float16";
  }
  return "?";
}

}  // namespace rondo
