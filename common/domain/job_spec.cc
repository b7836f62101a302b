#include "common/domain/job_spec.h"

namespace rondo {

bool NeedsCalibration(const MethodSettings& method) {
  return std::holds_alternative<GptqSettings>(method);
}

bool IsSequential(const MethodSettings& method) {
  const auto* gptq = std::get_if<GptqSettings>(&method);
  return gptq != nullptr && gptq->propagate == Propagate::kQuantized;
}

std::string MethodName(const MethodSettings& method) {
  if (std::holds_alternative<RtnSettings>(method)) return "rtn";
  if (std::holds_alternative<GptqSettings>(method)) return "gptq";
  return "none";
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
