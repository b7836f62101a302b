#include "common/format/checkpoint.h"

#include <filesystem>

#include "common/format/safetensors_header.h"

namespace rondo {
namespace {

constexpr char kDecoderPrefix[] = "model.";
constexpr char kHead[] = "lm_head.weight";

absl::StatusOr<std::vector<StoredTensor>> FindSafetensors(const MappedFile& file) {
  return ReadSafetensorsHeader(file.bytes(), file.path());
}

}  // namespace

absl::StatusOr<Checkpoint> Checkpoint::Open(const std::string& dir,
                                            const TensorFinder& torch_finder) {
  ASSIGN_OR_RETURN(const CheckpointFiles files, FindCheckpoint(dir));
  const bool torch = files.form == CheckpointForm::kTorch;
  if (torch && !torch_finder) {
    return absl::FailedPreconditionError(
        absl::StrCat(dir, " holds a checkpoint of PyTorch, which only workers read"));
  }
  const TensorFinder find = torch ? torch_finder : FindSafetensors;
  ASSIGN_OR_RETURN(Checkpoint checkpoint,
                   files.index.empty() ? OpenFile(files.paths[0], find) : OpenShards(files, find));
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
  return OpenFile(path, FindSafetensors);
}

absl::StatusOr<Checkpoint> Checkpoint::OpenFile(const std::string& path, const TensorFinder& find) {
  ASSIGN_OR_RETURN(const auto file, MappedFile::Open(path));
  ASSIGN_OR_RETURN(std::vector<StoredTensor> tensors, find(*file));
  Checkpoint checkpoint;
  for (StoredTensor& tensor : tensors) {
    const std::string name = tensor.info.name;
    checkpoint.tensors_[name] = {std::move(tensor.info), tensor.offset, file};
  }
  return checkpoint;
}

absl::StatusOr<Checkpoint> Checkpoint::OpenShards(const CheckpointFiles& files,
                                                  const TensorFinder& find) {
  std::map<std::string, Checkpoint> shards;
  for (const std::string& path : files.paths) {
    ASSIGN_OR_RETURN(shards[path], OpenFile(path, find));
  }
  Checkpoint checkpoint;
  for (const auto& [name, path] : files.shard_of) {
    const auto& held = shards.at(path).tensors_;
    const auto entry = held.find(name);
    if (entry == held.end()) {
      return absl::InvalidArgumentError(absl::StrCat(
          files.index, " places tensor ", name, " in ",
          std::filesystem::path(path).filename().string(), ", which does not hold it"));
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
