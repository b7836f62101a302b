// The last step of an export, by one process: what the stages wrote is checked, the files beside
// the weights follow, and manifest.json says that the folder is complete.
#include <algorithm>
#include <array>
#include <map>

#include <nlohmann/json.hpp>

#include "absl/strings/match.h"
#include "common/io/posix.h"
#include "common/io/sha256.h"
#include "worker/artifact/exporter.h"
#include "worker/artifact/quantization_config.h"
#include "worker/artifact/stage_tensors.h"

namespace rondo {
namespace {

using Json = nlohmann::ordered_json;

constexpr char kConfig[] = "config.json";
constexpr char kIndex[] = "model.safetensors.index.json";
constexpr char kManifest[] = "manifest.json";

// Weights in any format, and what describes them, are not copied from the source.
bool IsWeightFile(const std::string& name) {
  static constexpr std::array kSuffixes = {".safetensors", ".bin",  ".pt",         ".pth",
                                           ".gguf",        ".h5",   ".msgpack",    ".ot",
                                           ".ckpt",        ".onnx", ".index.json", kPartialSuffix};
  return std::any_of(kSuffixes.begin(), kSuffixes.end(),
                     [&](const char* suffix) { return absl::EndsWith(name, suffix); });
}

class Finisher {
 public:
  Finisher(const Checkpoint& checkpoint, const ModelLayout& layout, int64_t num_layers,
           const ExportPlan& plan)
      : checkpoint_(checkpoint), layout_(layout), num_layers_(num_layers), plan_(plan) {}

  absl::StatusOr<std::vector<ArtifactInfo>> Run() {
    RETURN_IF_ERROR(ReadShards());
    RETURN_IF_ERROR(Audit());
    RETURN_IF_ERROR(RemoveLeftovers());
    RETURN_IF_ERROR(CopyFiles());
    RETURN_IF_ERROR(WriteConfig());
    if (plan_.stages > 1) RETURN_IF_ERROR(WriteIndex());
    return WriteManifest();
  }

 private:
  struct Stored {
    TensorInfo info;
    std::string shard;
  };

  std::string Path(const std::string& name) const { return JoinPath(plan_.out_dir, name); }

  absl::Status ReadShards() {
    for (int stage = 0; stage < plan_.stages; ++stage) {
      const std::string shard = ShardName(stage, plan_.stages);
      const auto file = Checkpoint::OpenFile(Path(shard));
      if (!file.ok()) {
        return absl::InternalError(absl::StrCat("exported shard: ", file.status().message()));
      }
      for (const std::string& name : file->names()) {
        const auto [it, added] = stored_.emplace(name, Stored{file->Find(name)->info, shard});
        if (!added) {
          return absl::InternalError(absl::StrCat("exported tensor ", name, " is in ",
                                                  it->second.shard, " and in ", shard));
        }
      }
      published_.push_back(shard);
    }
    return absl::OkStatus();
  }

  // The shards together hold what one stage with all layers would.
  absl::Status Audit() const {
    ExportPlan whole = plan_;
    whole.stage = 0;
    whole.stages = 1;
    whole.first_layer = 0;
    whole.end_layer = num_layers_;
    ASSIGN_OR_RETURN(const std::vector<TensorInfo> expected,
                     StageTensors(checkpoint_, layout_, whole));
    auto extra = stored_;
    for (const TensorInfo& tensor : expected) {
      const auto it = stored_.find(tensor.name);
      if (it == stored_.end()) {
        return absl::InternalError(
            absl::StrCat("exported tensor ", tensor.name, " is in no shard"));
      }
      if (it->second.info.type != tensor.type || it->second.info.shape != tensor.shape) {
        return absl::InternalError(absl::StrCat(
            "exported tensor ", tensor.name, " has ", it->second.info.bytes(), " bytes of ",
            StorageTypeName(it->second.info.type), " in ", it->second.shard, ", not ",
            tensor.bytes(), " of ", StorageTypeName(tensor.type)));
      }
      extra.erase(tensor.name);
    }
    if (extra.empty()) return absl::OkStatus();
    return absl::InternalError(absl::StrCat("exported tensor ", extra.begin()->first, " in ",
                                            extra.begin()->second.shard,
                                            " does not belong to the model"));
  }

  // An earlier generation of the job may have left shards of another number of stages.
  absl::Status RemoveLeftovers() const {
    ASSIGN_OR_RETURN(const std::vector<std::string> names, ListFiles(plan_.out_dir));
    for (const std::string& name : names) {
      const bool shard = std::count(published_.begin(), published_.end(), name) != 0;
      if (!shard && (IsWeightFile(name) || name == kManifest)) {
        RETURN_IF_ERROR(RemoveFile(Path(name)));
      }
    }
    return absl::OkStatus();
  }

  absl::Status CopyFiles() {
    ASSIGN_OR_RETURN(const std::vector<std::string> names, ListFiles(plan_.model_dir));
    for (const std::string& name : names) {
      // Names that could not be asked for again are left out.
      if (IsWeightFile(name) || name == kConfig || name == kManifest ||
          !ValidateFileName("file", name).ok()) {
        continue;
      }
      RETURN_IF_ERROR(CopyFileAtomically(JoinPath(plan_.model_dir, name), Path(name)));
      published_.push_back(name);
    }
    return absl::OkStatus();
  }

  absl::Status WriteConfig() {
    ASSIGN_OR_RETURN(const std::string source, ReadFile(JoinPath(plan_.model_dir, kConfig)));
    ASSIGN_OR_RETURN(const std::string config, ExportedConfig(source, layout_, num_layers_, plan_));
    return Publish(kConfig, config);
  }

  absl::Status WriteIndex() {
    Json weight_map = Json::object();
    int64_t total = 0;
    for (const auto& [name, stored] : stored_) {
      weight_map.push_back({name, stored.shard});
      total += stored.info.bytes();
    }
    const Json index = {{"metadata", {{"total_size", total}}},
                        {"weight_map", std::move(weight_map)}};
    return Publish(kIndex, index.dump(2) + "\n");
  }

  absl::StatusOr<std::vector<ArtifactInfo>> WriteManifest() {
    std::sort(published_.begin(), published_.end());
    std::vector<ArtifactInfo> artifacts;
    Json files = Json::array();
    for (const std::string& name : published_) {
      ASSIGN_OR_RETURN(const ArtifactInfo artifact, Describe(name));
      files.push_back({{"name", name}, {"bytes", artifact.bytes}, {"sha256", artifact.sha256}});
      artifacts.push_back(artifact);
    }
    const Json manifest = {{"format", ExportFormatName(plan_.format)},
                           {"rondo", RONDO_VERSION},
                           {"files", std::move(files)}};
    RETURN_IF_ERROR(Publish(kManifest, manifest.dump(2) + "\n"));
    ASSIGN_OR_RETURN(const ArtifactInfo artifact, Describe(kManifest));
    const auto place = std::find_if(artifacts.begin(), artifacts.end(),
                                    [](const ArtifactInfo& a) { return a.name > kManifest; });
    artifacts.insert(place, artifact);
    return artifacts;
  }

  absl::StatusOr<ArtifactInfo> Describe(const std::string& name) const {
    ArtifactInfo artifact;
    artifact.format = plan_.format;
    artifact.name = name;
    ASSIGN_OR_RETURN(artifact.bytes, FileSize(Path(name)));
    ASSIGN_OR_RETURN(artifact.sha256, Sha256OfFile(Path(name)));
    return artifact;
  }

  absl::Status Publish(const std::string& name, const std::string& contents) {
    published_.push_back(name);
    return WriteFileAtomically(Path(name), contents);
  }

  const Checkpoint& checkpoint_;
  const ModelLayout& layout_;
  const int64_t num_layers_;
  const ExportPlan& plan_;
  std::map<std::string, Stored> stored_;
  std::vector<std::string> published_;  // names of files
};

}  // namespace

absl::StatusOr<std::vector<ArtifactInfo>> FinishFormat(const Checkpoint& checkpoint,
                                                       const ModelLayout& layout,
                                                       int64_t num_layers, const ExportPlan& plan) {
  return Finisher(checkpoint, layout, num_layers, plan).Run();
}

}  // namespace rondo
