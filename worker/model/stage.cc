#include <functional>
#include <map>

#include <ATen/ATen.h>

#include "worker/model/catch_torch.h"
#include "worker/model/decoder.h"
#include "worker/model/families.h"

namespace rondo {
namespace {

using MakeStage = std::function<absl::StatusOr<std::unique_ptr<Stage>>(
    const WeightReader&, const ModelConfig&, const StageRange&)>;

const std::map<std::string, MakeStage>& Families() {
  static const auto* families = new std::map<std::string, MakeStage>{
      {"llama", MakeLlamaStage}, {"opt", MakeOptStage}, {"qwen3", MakeQwen3Stage}};
  return *families;
}

}  // namespace

absl::StatusOr<std::unique_ptr<Stage>> LoadStage(const Checkpoint& checkpoint,
                                                 const ModelConfig& config, const StageRange& range,
                                                 at::ScalarType dtype, at::Device device) {
  ASSIGN_OR_RETURN(ModelLayout layout, LayoutOf(config));
  if (range.first_layer < 0 || range.first_layer > range.end_layer ||
      range.end_layer > config.num_layers) {
    return absl::InvalidArgumentError(absl::StrCat("layers [", range.first_layer, ", ",
                                                   range.end_layer, ") are not within the model's ",
                                                   config.num_layers));
  }
  const auto family = Families().find(config.model_type);
  if (family == Families().end()) {
    return absl::UnimplementedError(
        absl::StrCat("model_type \"", config.model_type, "\" has no decoder"));
  }
  const WeightReader weights(checkpoint, std::move(layout), dtype, device);
  return CatchTorch("loading the model", [&] { return family->second(weights, config, range); });
}

}  // namespace rondo
