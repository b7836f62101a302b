#include "common/format/checkpoint.h"

#include "common/format/json.h"
#include "common/format/safetensors_header.h"

namespace rondo {
namespace {

constexpr char kSingleFile[] = "model.safetensors";
constexpr char kIndexFile[] = "model.safetensors.index.json";
constexpr char kDecoderPrefix[] = "model.";
constexpr char kHead[] = "lm_head.weight";

// Tensor name -> name of the shard that holds it.
absl::StatusOr<std::map<std::string, std::string>> ReadWeightMap(const std::string& path) {
  ASSIGN_OR_RETURN(const std::string text, ReadFile(path));
  ASSIGN_OR_RETURN(const nlohmann::json index, ParseJsonObject(text, path));
  const auto it = index.find("weight_map");
  if (it == index.end() || !it->is_object()) {
    return absl::InvalidArgumentError(absl::StrCat(path, " has no object \"weight_map\""));
  }
  std::map<std::string, std::string> weight_map;
  for (const auto& [name, shard] : it->items()) {
    if (!shard.is_string()) {
      return absl::InvalidArgumentError(
          absl::StrCat(path, ": tensor ", name, " has no shard name"));
    }
    const std::string shard_name = shard.get<std::string>();
    RETURN_IF_ERROR(
        ValidateFileName(absl::StrCat(path, ": the shard of tensor ", name), shard_name));
    weight_map[name] = shard_name;
  }
  return weight_map;
}

}  // namespace

absl::StatusOr<Checkpoint> Checkpoint::Open(const std::string& dir) {
  if (!IsDirectory(dir)) return absl::NotFoundError(absl::StrCat(dir, " is not a folder"));
  const std::string single = JoinPath(dir, kSingleFile);
  const std::string index = JoinPath(dir, kIndexFile);
  if (!FileExists(single) && !FileExists(index)) {
    return absl::NotFoundError(
        absl::StrCat(dir, " holds neither ", kSingleFile, " nor ", kIndexFile));
  }
  ASSIGN_OR_RETURN(Checkpoint checkpoint,
                   FileExists(single) ? OpenFile(single) : OpenShards(dir, index));
  checkpoint.NameInFull();
  return checkpoint;
}

void Checkpoint::NameInFull() {
  if (!Has("decoder.embed_tokens.weight") && !Has("embed_tokens.weight")) return;
  std::map<std::string, Entry> named;
  for (auto& [name, entry] : tensors_) {
    if (name != kHead) entry.info.name = absl::StrCat(kDecoderPrefix, name);
    const std::string full = entry.info.name;
    named[full] = std::move(entry);
  }
  tensors_ = std::move(named);
}

absl::StatusOr<Checkpoint> Checkpoint::OpenFile(const std::string& path) {
  ASSIGN_OR_RETURN(const auto file, MappedFile::Open(path));
  ASSIGN_OR_RETURN(std::vector<StoredTensor> tensors,
                   ReadSafetensorsHeader(file->bytes(), file->path()));
  Checkpoint checkpoint;
  for (StoredTensor& tensor : tensors) {
    const std::string name = tensor.info.name;
    checkpoint.tensors_[name] = {std::move(tensor.info), tensor.offset, file};
  }
  return checkpoint;
}

absl::StatusOr<Checkpoint> Checkpoint::OpenShards(const std::string& dir,
                                                  const std::string& index) {
  ASSIGN_OR_RETURN(const auto weight_map, ReadWeightMap(index));
  std::map<std::string, Checkpoint> shards;
  Checkpoint checkpoint;
  for (const auto& [name, shard_name] : weight_map) {
    auto shard = shards.find(shard_name);
    if (shard == shards.end()) {
      const std::string path = JoinPath(dir, shard_name);
      if (!FileExists(path)) {
        return absl::InvalidArgumentError(absl::StrCat(
            index, " names shard ", shard_name, " of tensor ", name, ", which does not exist"));
      }
      ASSIGN_OR_RETURN(Checkpoint opened, OpenFile(path));
      shard = shards.emplace(shard_name, std::move(opened)).first;
    }
    const auto entry = shard->second.tensors_.find(name);
    if (entry == shard->second.tensors_.end()) {
      return absl::InvalidArgumentError(absl::StrCat(index, " places tensor ", name, " in ",
                                                     shard_name, ", which does not hold it"));
    }
    checkpoint.tensors_.insert(*entry);
  }
  return checkpoint;
}

absl::StatusOr<TensorView> Checkpoint::Find(const std::string& name) const {
  const auto it = tensors_.find(name);
  if (it == tensors_.end()) {
    return absl::NotFoundError(absl::StrCat("the checkpoint holds no tensor ", name));
  }
  const Entry& entry = it->second;
  return TensorView{entry.info, entry.file->bytes().subspan(entry.offset, entry.info.bytes())};
}

std::vector<std::string> Checkpoint::names() const {
  std::vector<std::string> names;
  for (const auto& [name, entry] : tensors_) names.push_back(name);
  return names;
}

int64_t Checkpoint::total_bytes() const {
  int64_t total = 0;
  for (const auto& [name, entry] : tensors_) total += entry.info.bytes();
  return total;
}

void Checkpoint::Drop(const std::string& name) const {
  const auto it = tensors_.find(name);
  if (it == tensors_.end()) return;
  it->second.file->DropPages(it->second.offset, it->second.info.bytes());
}

absl::StatusOr<std::map<std::string, std::string>> ReadSafetensorsMetadata(
    const std::string& path) {
  ASSIGN_OR_RETURN(const auto file, MappedFile::Open(path));
  return ReadSafetensorsMetadata(file->bytes(), path);
}

}  // namespace rondo
