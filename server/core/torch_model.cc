#include "server/core/torch_model.h"

#include "server/core/stage_memory.h"

namespace rondo {
namespace {

constexpr int64_t kHalfBytes = 2;

}  // namespace

absl::Status EstimateTorchModel(const CheckpointFiles& files, ModelFacts* facts) {
  const ModelLayout& layout = facts->layout;
  const int64_t layers = facts->config.num_layers;
  const int64_t others =
      Elements(layout.embedding) + Elements(layout.head) + layers * OtherElementsPerLayer(layout);
  const int64_t weights = others + layers * layout.LinearWeightsPerLayer();
  ASSIGN_OR_RETURN(facts->checkpoint_bytes, files.bytes());
  if (facts->checkpoint_bytes < kHalfBytes * weights) {
    return absl::InvalidArgumentError(
        absl::StrCat(files.index.empty() ? files.paths[0] : files.index, " leads to ",
                     facts->checkpoint_bytes, " bytes; the ", weights,
                     " weights that config.json asks for take at least ", kHalfBytes * weights));
  }
  const bool full = facts->checkpoint_bytes >= kFloatBytes * weights;
  facts->bytes_per_weight = full ? kFloatBytes : kHalfBytes;
  facts->other_tensor_bytes = others * facts->bytes_per_weight;
  return absl::OkStatus();
}

}  // namespace rondo
