#include "worker/train/checkpoint.h"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <optional>
#include <set>
#include <string_view>
#include <utility>
#include <vector>

#include <ATen/ATen.h>

#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "common/format/checkpoint.h"
#include "common/format/safetensors_writer.h"
#include "common/io/file.h"
#include "common/io/sha256.h"
#include "worker/model/catch_torch.h"
#include "worker/train/stored_tensor.h"

namespace rondo {
namespace {

constexpr char kKey[] = "key";
constexpr char kSha256[] = "sha256";

std::string FileName(int64_t layer, int64_t step) {
  return absl::StrFormat("layer-%05d-step-%06d.safetensors", layer, step);
}

struct LayerStep {
  int64_t layer = 0;
  int64_t step = 0;
};

// Takes the number that `text` starts with.
std::optional<int64_t> TakeNumber(std::string_view* text) {
  int64_t number = 0;
  const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), number);
  if (error != std::errc()) return std::nullopt;
  text->remove_prefix(end - text->data());
  return number;
}

// Nothing for other files, such as those that were set aside.
std::optional<LayerStep> ParseFileName(const std::string& name) {
  constexpr std::string_view kBefore = "layer-", kBetween = "-step-";
  std::string_view rest = name;
  if (!rest.starts_with(kBefore)) return std::nullopt;
  rest.remove_prefix(kBefore.size());
  const std::optional<int64_t> layer = TakeNumber(&rest);
  if (!layer || !rest.starts_with(kBetween)) return std::nullopt;
  rest.remove_prefix(kBetween.size());
  const std::optional<int64_t> step = TakeNumber(&rest);
  if (!step || name != FileName(*layer, *step)) return std::nullopt;
  return LayerStep{*layer, *step};
}

void AddToDigest(const TensorInfo& info, std::span<const std::byte> data, Sha256* digest) {
  digest->Update(absl::StrCat(info.name.size(), ":", info.name, " ", StorageTypeName(info.type),
                              " [", absl::StrJoin(info.shape, ","), "]\n"));
  digest->Update(data);
}

// OK when every byte of `path` is what SaveLayer wrote for `key`.
absl::Status Verify(const Checkpoint& file, const std::string& path, const std::string& key) {
  ASSIGN_OR_RETURN(const auto metadata, ReadSafetensorsMetadata(path));
  const auto stored_key = metadata.find(kKey);
  const auto stored_digest = metadata.find(kSha256);
  if (stored_key == metadata.end() || stored_digest == metadata.end()) {
    return absl::DataLossError(absl::StrCat(path, " does not say its key and SHA-256"));
  }
  if (stored_key->second != key) {
    return absl::DataLossError(
        absl::StrCat(path, " is of run \"", stored_key->second, "\", not of \"", key, "\""));
  }
  Sha256 digest;
  for (const std::string& name : file.names()) {
    ASSIGN_OR_RETURN(const TensorView view, file.Find(name));
    AddToDigest(view.info, view.data, &digest);
  }
  if (digest.FinishHex() != stored_digest->second) {
    return absl::DataLossError(absl::StrCat(path, " is corrupt: its SHA-256 is another"));
  }
  return absl::OkStatus();
}

absl::Status SetAside(const std::string& path, const absl::Status& why) {
  const std::string aside = path + ".corrupt";
  // Another rank may have been faster.
  const bool done = std::rename(path.c_str(), aside.c_str()) == 0 || errno == ENOENT;
  return absl::DataLossError(
      absl::StrCat(why.message(), done ? "; it was set aside as " : "; it cannot become ", aside));
}

// A file that is not whole is set aside.
absl::StatusOr<Checkpoint> OpenVerified(const std::string& path, const std::string& key) {
  auto file = Checkpoint::OpenFile(path);
  const absl::Status status = file.ok() ? Verify(*file, path, key) : file.status();
  if (absl::IsInvalidArgument(status) || absl::IsDataLoss(status)) return SetAside(path, status);
  if (!status.ok()) return status;
  return file;
}

absl::StatusOr<NamedTensors> LoadVerified(const std::string& path, const std::string& key) {
  ASSIGN_OR_RETURN(const Checkpoint file, OpenVerified(path, key));
  NamedTensors tensors;
  for (const std::string& name : file.names()) {
    ASSIGN_OR_RETURN(const TensorView view, file.Find(name));
    tensors[name] = TensorOf(view).clone();
  }
  return tensors;
}

}  // namespace

absl::Status SaveLayer(const std::string& dir, int64_t layer, int64_t step, const std::string& key,
                       const NamedTensors& tensors) {
  return CatchTorch("saving a checkpoint", [&]() -> absl::Status {
    RETURN_IF_ERROR(MakeDirs(dir));
    const std::string path = JoinPath(dir, FileName(layer, step));
    NamedTensors host;
    std::vector<TensorInfo> infos;
    Sha256 digest;
    for (const auto& [name, tensor] : tensors) {
      ASSIGN_OR_RETURN(TensorInfo info, InfoOf(name, tensor));
      const at::Tensor data = tensor.cpu().contiguous();
      AddToDigest(info, BytesOf(data), &digest);
      host[name] = data;
      infos.push_back(std::move(info));
    }
    // So that every tensor lies at a multiple of its element size.
    std::stable_sort(infos.begin(), infos.end(), [](const TensorInfo& a, const TensorInfo& b) {
      return BytesOf(a.type) > BytesOf(b.type);
    });
    ASSIGN_OR_RETURN(
        const auto writer,
        SafetensorsWriter::Create(path, infos, {{kKey, key}, {kSha256, digest.FinishHex()}}));
    for (const auto& [name, tensor] : host) RETURN_IF_ERROR(writer->Write(name, BytesOf(tensor)));
    return writer->Finish();
  });
}

absl::Status CheckLayer(const std::string& dir, int64_t layer, int64_t step,
                        const std::string& key) {
  return OpenVerified(JoinPath(dir, FileName(layer, step)), key).status();
}

absl::StatusOr<NamedTensors> LoadLayer(const std::string& dir, int64_t layer, int64_t step,
                                       const std::string& key) {
  return CatchTorch("loading a checkpoint", [&]() -> absl::StatusOr<NamedTensors> {
    return LoadVerified(JoinPath(dir, FileName(layer, step)), key);
  });
}

absl::StatusOr<int64_t> LatestStep(const std::string& dir, int64_t layers) {
  if (!IsDirectory(dir)) return -1;
  ASSIGN_OR_RETURN(const std::vector<std::string> names, ListFiles(dir));
  std::map<int64_t, std::set<int64_t>> layers_of_step;
  for (const std::string& name : names) {
    const std::optional<LayerStep> file = ParseFileName(name);
    if (file && file->layer < layers) layers_of_step[file->step].insert(file->layer);
  }
  int64_t latest = -1;
  for (const auto& [step, present] : layers_of_step) {
    if (static_cast<int64_t>(present.size()) == layers) latest = step;
  }
  return latest;
}

absl::Status RemoveOlderSteps(const std::string& dir, int64_t first_layer, int64_t end_layer,
                              int64_t step) {
  ASSIGN_OR_RETURN(const std::vector<std::string> names, ListFiles(dir));
  for (const std::string& name : names) {
    const std::optional<LayerStep> file = ParseFileName(name);
    if (!file || file->layer < first_layer || file->layer >= end_layer) continue;
    if (file->step <= 0 || file->step >= step) continue;
    RETURN_IF_ERROR(RemoveFile(JoinPath(dir, name)));
  }
  return absl::OkStatus();
}

}  // namespace rondo
