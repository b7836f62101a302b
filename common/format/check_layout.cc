#include "absl/strings/str_join.h"
#include "common/format/checkpoint.h"

namespace rondo {
namespace {

std::string ShapeText(const std::vector<int64_t>& shape) {
  return absl::StrCat("[", absl::StrJoin(shape, ", "), "]");
}

bool IsFloat(StorageType type) {
  return type == StorageType::kF16 || type == StorageType::kBF16 || type == StorageType::kF32;
}

absl::StatusOr<StorageType> CheckTensor(const Checkpoint& checkpoint, const std::string& name,
                                        const std::vector<int64_t>& shape) {
  const auto tensor = checkpoint.Find(name);
  if (!tensor.ok()) {
    return absl::InvalidArgumentError(
        absl::StrCat(tensor.status().message(), ", which config.json asks for"));
  }
  if (tensor->info.shape != shape) {
    return absl::InvalidArgumentError(absl::StrCat("tensor ", name, " has shape ",
                                                   ShapeText(tensor->info.shape),
                                                   ", config.json asks for ", ShapeText(shape)));
  }
  if (!IsFloat(tensor->info.type)) {
    return absl::InvalidArgumentError(absl::StrCat("tensor ", name, " has dtype ",
                                                   StorageTypeName(tensor->info.type),
                                                   ", supported: F16, BF16, F32"));
  }
  return tensor->info.type;
}

absl::Status CheckLayer(const Checkpoint& checkpoint, const ModelLayout& layout, int64_t layer) {
  for (const LinearLayout& linear : layout.linears) {
    const std::string name = FullName(layout, layer, linear.name);
    ASSIGN_OR_RETURN(const StorageType type,
                     CheckTensor(checkpoint, name + ".weight", {linear.out, linear.in}));
    const StorageType wanted = WeightType(checkpoint, layout);
    if (type != wanted) {
      return absl::InvalidArgumentError(
          absl::StrCat("tensor ", name, ".weight has dtype ", StorageTypeName(type), ", but ",
                       FullName(layout, 0, layout.linears[0].name), ".weight has ",
                       StorageTypeName(wanted), "; the linear layers must share one"));
    }
    if (linear.bias) {
      RETURN_IF_ERROR(CheckTensor(checkpoint, name + ".bias", {linear.out}).status());
    }
  }
  for (const TensorLayout& other : layout.layer_others) {
    RETURN_IF_ERROR(
        CheckTensor(checkpoint, FullName(layout, layer, other.name), other.shape).status());
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status CheckLayout(const Checkpoint& checkpoint, const ModelConfig& config,
                         const ModelLayout& layout) {
  for (const auto* tensors : {&layout.embedding, &layout.head}) {
    for (const TensorLayout& tensor : *tensors) {
      RETURN_IF_ERROR(CheckTensor(checkpoint, tensor.name, tensor.shape).status());
    }
  }
  for (int64_t layer = 0; layer < config.num_layers; ++layer) {
    RETURN_IF_ERROR(CheckLayer(checkpoint, layout, layer));
  }
  return absl::OkStatus();
}

StorageType WeightType(const Checkpoint& checkpoint, const ModelLayout& layout) {
  return checkpoint.Find(FullName(layout, 0, layout.linears[0].name) + ".weight")->info.type;
}

}  // namespace rondo
