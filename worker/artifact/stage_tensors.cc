#include "worker/artifact/stage_tensors.h"

#include <algorithm>
#include <tuple>

#include "absl/strings/str_format.h"
#include "common/domain/overrides.h"
#include "worker/artifact/linear_format.h"

namespace rondo {

std::string ShardName(int stage, int stages) {
  if (stages == 1) return "model.safetensors";
  return absl::StrFormat("model-%05d-of-%05d.safetensors", stage + 1, stages);
}

std::vector<std::string> CopiedWithLayer(const ModelLayout& layout, const ExportPlan& plan,
                                         int64_t layer) {
  std::vector<std::string> names;
  for (const LinearLayout& linear : layout.linears) {
    const std::string name = FullName(layout, layer, linear.name);
    if (SettingsOf(plan.grid, plan.overrides, name).skip) names.push_back(name + ".weight");
    if (linear.bias) names.push_back(name + ".bias");
  }
  for (const TensorLayout& other : layout.layer_others) {
    names.push_back(FullName(layout, layer, other.name));
  }
  return names;
}

std::vector<std::string> CopiedBesidesLayers(const ModelLayout& layout, const ExportPlan& plan) {
  std::vector<std::string> names;
  if (plan.stage == 0) {
    for (const TensorLayout& tensor : layout.embedding) names.push_back(tensor.name);
  }
  if (plan.stage == plan.stages - 1) {
    for (const TensorLayout& tensor : layout.head) names.push_back(tensor.name);
  }
  return names;
}

absl::StatusOr<std::vector<TensorInfo>> StageTensors(const Checkpoint& checkpoint,
                                                     const ModelLayout& layout,
                                                     const ExportPlan& plan) {
  const StorageType type = WeightType(checkpoint, layout);
  std::vector<TensorInfo> tensors;
  std::vector<std::string> copied = CopiedBesidesLayers(layout, plan);
  for (int64_t layer = plan.first_layer; layer < plan.end_layer; ++layer) {
    for (const LinearLayout& linear : layout.linears) {
      const std::string name = FullName(layout, layer, linear.name);
      const LayerSettings settings = SettingsOf(plan.grid, plan.overrides, name);
      if (settings.skip) continue;
      const auto format = MakeLinearFormat(plan.format, settings.grid, type);
      for (TensorInfo& tensor : format->Tensors(name, linear.out, linear.in)) {
        tensors.push_back(std::move(tensor));
      }
    }
    for (std::string& name : CopiedWithLayer(layout, plan, layer))
      copied.push_back(std::move(name));
  }
  for (const std::string& name : copied) {
    ASSIGN_OR_RETURN(const TensorView view, checkpoint.Find(name));
    tensors.push_back(view.info);
  }
  std::sort(tensors.begin(), tensors.end(), [](const TensorInfo& a, const TensorInfo& b) {
    return std::tuple(-BytesOf(a.type), a.name) < std::tuple(-BytesOf(b.type), b.name);
  });
  return tensors;
}

}  // namespace rondo
