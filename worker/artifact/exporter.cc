#include "worker/artifact/exporter.h"

#include "absl/strings/match.h"
#include "common/domain/overrides.h"
#include "common/format/safetensors_writer.h"
#include "common/io/posix.h"
#include "worker/artifact/linear_format.h"
#include "worker/artifact/stage_tensors.h"
#include "worker/model/catch_torch.h"

namespace rondo {
namespace {

class Exporter final : public StageExporter {
 public:
  Exporter(const Checkpoint& checkpoint, const ModelLayout& layout, const ExportPlan& plan,
           std::unique_ptr<SafetensorsWriter> writer)
      : checkpoint_(checkpoint),
        layout_(layout),
        plan_(plan),
        type_(WeightType(checkpoint, layout)),
        writer_(std::move(writer)) {
    writer_->KeepDigests();
  }

  absl::Status WriteLayer(int64_t layer, const std::vector<QuantizedLinear>& linears) override {
    if (linears.size() != layout_.linears.size()) {
      return absl::InternalError(absl::StrCat("layer ", layer, " has ", layout_.linears.size(),
                                              " linear layers, got ", linears.size()));
    }
    for (size_t i = 0; i < linears.size(); ++i) {
      const std::string name = FullName(layout_, layer, layout_.linears[i].name);
      const LayerSettings settings = SettingsOf(plan_.grid, plan_.overrides, name);
      if (linears[i].skipped() != settings.skip) {
        return absl::InternalError(
            absl::StrCat(name, settings.skip ? " is to be skipped" : " is not quantized"));
      }
      if (settings.skip) continue;
      const auto format = MakeLinearFormat(plan_.format, settings.grid, type_);
      RETURN_IF_ERROR(CatchTorch("export of " + name, [&]() -> absl::Status {
        return format->Write(name, linears[i], writer_.get());
      }));
    }
    if (layer + 1 == plan_.end_layer) last_linears_ = linears;
    return Copy(CopiedWithLayer(layout_, plan_, layer));
  }

  absl::Status Finish() override {
    RETURN_IF_ERROR(Copy(CopiedBesidesLayers(layout_, plan_)));
    return writer_->Finish();
  }

  absl::Status Verify() const override {
    RETURN_IF_ERROR(writer_->Verify());
    const std::string path = JoinPath(plan_.out_dir, ShardName(plan_.stage, plan_.stages));
    ASSIGN_OR_RETURN(const Checkpoint file, Checkpoint::OpenFile(path));
    for (size_t i = 0; i < last_linears_.size(); ++i) {
      if (last_linears_[i].skipped()) continue;
      const std::string name = FullName(layout_, plan_.end_layer - 1, layout_.linears[i].name);
      const GridSpec grid = SettingsOf(plan_.grid, plan_.overrides, name).grid;
      const auto format = MakeLinearFormat(plan_.format, grid, type_);
      ASSIGN_OR_RETURN(const bool same,
                       CatchTorch("comparing " + name, [&]() -> absl::StatusOr<bool> {
                         return format->Holds(file, name, last_linears_[i]);
                       }));
      if (same) continue;
      return absl::InternalError(
          absl::StrCat("read again, ", path, " does not hold the integers of ", name));
    }
    return absl::OkStatus();
  }

 private:
  absl::Status Copy(const std::vector<std::string>& names) {
    for (const std::string& name : names) {
      ASSIGN_OR_RETURN(const TensorView tensor, checkpoint_.Find(name));
      RETURN_IF_ERROR(writer_->Write(name, tensor.data));
      checkpoint_.Drop(name);
    }
    return absl::OkStatus();
  }

  const Checkpoint& checkpoint_;
  const ModelLayout& layout_;
  const ExportPlan plan_;
  const StorageType type_;
  const std::unique_ptr<SafetensorsWriter> writer_;
  // The integers of the stage's last layer, as a sample: any other one's would be held while the
  // next is worked on.
  std::vector<QuantizedLinear> last_linears_;
};

// What a rank that was killed left of this file holds space that is needed now.
absl::Status RemovePartials(const std::string& dir, const std::string& file_name) {
  ASSIGN_OR_RETURN(const std::vector<std::string> names, ListFiles(dir));
  for (const std::string& name : names) {
    if (absl::StartsWith(name, file_name + ".") && absl::EndsWith(name, kPartialSuffix)) {
      RETURN_IF_ERROR(RemoveFile(JoinPath(dir, name)));
    }
  }
  return absl::OkStatus();
}

}  // namespace

std::string FormatDir(const std::string& artifact_dir, ExportFormat format) {
  return JoinPath(artifact_dir, ExportFormatName(format));
}

absl::StatusOr<std::unique_ptr<StageExporter>> MakeStageExporter(const Checkpoint& checkpoint,
                                                                 const ModelLayout& layout,
                                                                 const ExportPlan& plan) {
  ASSIGN_OR_RETURN(const std::vector<TensorInfo> tensors, StageTensors(checkpoint, layout, plan));
  RETURN_IF_ERROR(MakeDirs(plan.out_dir));
  const std::string shard = ShardName(plan.stage, plan.stages);
  RETURN_IF_ERROR(RemovePartials(plan.out_dir, shard));
  ASSIGN_OR_RETURN(auto writer, SafetensorsWriter::Create(JoinPath(plan.out_dir, shard), tensors,
                                                          {{"format", "pt"}}));
  return std::make_unique<Exporter>(checkpoint, layout, plan, std::move(writer));
}

}  // namespace rondo
