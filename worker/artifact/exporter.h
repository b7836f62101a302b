// Writes one stage's share of a quantized model as a Hugging Face folder, layer by layer.
//
// Folder layout of a format: model-0000i-of-0000n.safetensors (one a stage; model.safetensors when
// there is one stage), model.safetensors.index.json, config.json, and every other file of the
// source folder that is not weights. Files appear under their final names only when complete; the
// index and then manifest.json (names, sizes, SHA-256) come last, written by FinishFormat.
//
// Packed layout: compressed-tensors "pack-quantized" (docs/formats.md). Not thread-safe.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

#include "common/base/status.h"
#include "common/domain/job.h"
#include "common/domain/job_spec.h"
#include "common/domain/model_config.h"
#include "common/format/checkpoint.h"
#include "worker/algo/grid.h"

namespace rondo {

// The folder of one format inside a job's artifact folder: <artifact_dir>/<format name>.
std::string FormatDir(const std::string& artifact_dir, ExportFormat format);

struct ExportPlan {
  ExportFormat format = ExportFormat::kDense;
  GridSpec grid;
  std::vector<LayerOverride> overrides;
  std::string model_dir;  // the source
  std::string out_dir;    // FormatDir()
  int stage = 0;
  int stages = 1;
  int64_t first_layer = 0;  // of this stage
  int64_t end_layer = 0;
};

class StageExporter {
 public:
  virtual ~StageExporter() = default;
  // One quantized decoder layer: linears in the order of ModelLayout::linears, skipped where the
  // plan's overrides say so. The weights of those and the layer's other tensors (norms, biases) are
  // copied from the checkpoint as they are.
  virtual absl::Status WriteLayer(int64_t layer, const std::vector<QuantizedLinear>& linears) = 0;
  // Copies the stage's remaining tensors (embedding on the first, norm and head on the last), and
  // completes the file.
  virtual absl::Status Finish() = 0;
  // Then: reads the file again. INTERNAL when a tensor is not, byte for byte, as it was written, or
  // the integers of the stage's last layer do not come back from it.
  virtual absl::Status Verify() const = 0;
};

// `checkpoint`, `layout`: of the source; they must outlive the exporter.
absl::StatusOr<std::unique_ptr<StageExporter>> MakeStageExporter(const Checkpoint& checkpoint,
                                                                 const ModelLayout& layout,
                                                                 const ExportPlan& plan);

// After every stage finished: config.json with the quantization_config, other files copied,
// index.json, manifest.json last. Checks that the folder holds exactly the tensors it should.
// Returns what was published, sorted by name.
absl::StatusOr<std::vector<ArtifactInfo>> FinishFormat(const Checkpoint& checkpoint,
                                                       const ModelLayout& layout,
                                                       int64_t num_layers, const ExportPlan& plan);

}  // namespace rondo
