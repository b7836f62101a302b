#include "worker/train/teacher_cache.h"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <map>
#include <span>
#include <utility>
#include <vector>

#include <ATen/ATen.h>

#include "absl/strings/str_format.h"
#include "common/format/checkpoint.h"
#include "common/format/safetensors_writer.h"
#include "common/io/cache_room.h"
#include "common/io/file.h"
#include "common/io/posix.h"
#include "common/io/sha256.h"
#include "worker/model/catch_torch.h"
#include "worker/train/stored_tensor.h"

namespace rondo {
namespace {

constexpr char kTeacherKey[] = "key";
// [windows, 64]: the SHA-256 of each window's data, in hexadecimal. They are known only when the
// header is long written.
constexpr char kDigests[] = "sha256";
constexpr int64_t kDigestChars = 64;
constexpr char kSuffix[] = ".safetensors";

constexpr char kPrefix[] = "teacher-";
// Of a PyTorch file, which is a zip archive: its end is a directory with the CRC of each tensor.
constexpr size_t kTorchEnd = 1 << 20;

std::string CachePath(const std::string& dir, const std::string& key) {
  return JoinPath(dir, absl::StrCat(kPrefix, key, kSuffix));
}

StorageType StoredType(at::ScalarType dtype) {
  return dtype == at::kFloat ? StorageType::kF32 : StorageType::kBF16;
}

absl::Status CheckShape(const TeacherShape& shape) {
  const bool hidden = shape.top_k == 0 && shape.width > 0 &&
                      (shape.dtype == at::kFloat || shape.dtype == at::kBFloat16);
  if (shape.windows > 0 && shape.seq > 0 && (hidden || shape.top_k > 0)) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("a teacher's cache of ", shape.windows, " windows of ", shape.seq,
                   " tokens, width ", shape.width, ", ", at::toString(shape.dtype), ", top_k ",
                   shape.top_k, "; sizes must be positive and hidden states float32 or bfloat16"));
}

// The tensors of one window, in the order of their digest.
std::vector<TensorInfo> WindowTensors(const TeacherShape& shape, int64_t window) {
  const std::string name = absl::StrFormat("window.%06d", window);
  if (shape.top_k == 0) return {{name, StoredType(shape.dtype), {shape.seq, shape.width}}};
  return {{name + ".ids", StorageType::kI32, {shape.seq, shape.top_k}},
          {name + ".log_prob", StorageType::kF32, {shape.seq, shape.top_k}},
          {name + ".tail", StorageType::kF32, {shape.seq}}};
}

TensorInfo DigestTensor(const TeacherShape& shape) {
  return {kDigests, StorageType::kU8, {shape.windows, kDigestChars}};
}

class MappedCache final : public TeacherCache {
 public:
  MappedCache(TeacherShape shape, Checkpoint file) : shape_(shape), file_(std::move(file)) {}

  // Checks every tensor's description and data. DATA_LOSS names the first that is another.
  absl::Status Load() {
    ASSIGN_OR_RETURN(const TensorView digests, View(DigestTensor(shape_)));
    const auto* digest = reinterpret_cast<const char*>(digests.data.data());
    for (int64_t window = 0; window < shape_.windows; ++window, digest += kDigestChars) {
      Sha256 sha256;
      for (const TensorInfo& info : WindowTensors(shape_, window)) {
        ASSIGN_OR_RETURN(const TensorView view, View(info));
        sha256.Update(view.data);
        tensors_.push_back(TensorOf(view));
      }
      if (sha256.FinishHex() != std::string_view(digest, kDigestChars)) {
        return absl::DataLossError(absl::StrCat("window ", window, " has another SHA-256"));
      }
    }
    return absl::OkStatus();
  }

  const TeacherShape& shape() const override { return shape_; }
  at::Tensor Window(int64_t window) const override { return tensors_.at(window); }
  TopK TopKOf(int64_t window) const override {
    return {tensors_.at(3 * window), tensors_.at(3 * window + 1), tensors_.at(3 * window + 2)};
  }

 private:
  absl::StatusOr<TensorView> View(const TensorInfo& info) const {
    auto view = file_.Find(info.name);
    if (!view.ok() || view->info.type != info.type || view->info.shape != info.shape) {
      return absl::DataLossError(absl::StrCat("tensor ", info.name, " is missing or another"));
    }
    return view;
  }

  TeacherShape shape_;
  Checkpoint file_;
  std::vector<at::Tensor> tensors_;  // views; with top_k three a window
};

class FileWriter final : public TeacherCacheWriter {
 public:
  FileWriter(TeacherShape shape, std::unique_ptr<SafetensorsWriter> file)
      : shape_(shape),
        file_(std::move(file)),
        digests_(at::zeros({shape.windows, kDigestChars}, at::kByte)) {}

  absl::Status Put(int64_t window, const at::Tensor& hidden) override {
    if (shape_.top_k > 0) {
      return absl::InvalidArgumentError("this teacher's cache holds tokens, not hidden states");
    }
    return CatchTorch("the teacher's cache",
                      [&] { return Write(window, {hidden.to(shape_.dtype)}); });
  }

  absl::Status PutTopK(int64_t window, const TopK& top_k) override {
    if (shape_.top_k == 0) {
      return absl::InvalidArgumentError("this teacher's cache holds hidden states, not tokens");
    }
    return CatchTorch("the teacher's cache", [&] {
      return Write(window, {top_k.ids, top_k.log_prob, top_k.tail});
    });
  }

  absl::Status Finish() override {
    RETURN_IF_ERROR(file_->Write(kDigests, BytesOf(digests_)));
    return file_->Finish();
  }

 private:
  absl::Status Write(int64_t window, const std::vector<at::Tensor>& tensors) {
    if (window < 0 || window >= shape_.windows) {
      return absl::InvalidArgumentError(
          absl::StrCat("window ", window, " of a teacher's cache of ", shape_.windows));
    }
    const std::vector<TensorInfo> infos = WindowTensors(shape_, window);
    Sha256 sha256;
    for (size_t i = 0; i < infos.size(); ++i) {
      ASSIGN_OR_RETURN(const TensorInfo got, InfoOf(infos[i].name, tensors[i]));
      if (got.type != infos[i].type || got.shape != infos[i].shape) {
        return absl::InvalidArgumentError(absl::StrCat(
            infos[i].name, " of a teacher's cache is of another shape or dtype than declared"));
      }
      const at::Tensor data = tensors[i].cpu().contiguous();
      RETURN_IF_ERROR(file_->Write(got.name, BytesOf(data)));
      sha256.Update(BytesOf(data));
    }
    const std::string digest = sha256.FinishHex();
    std::copy(digest.begin(), digest.end(),
              digests_.mutable_data_ptr<uint8_t>() + window * kDigestChars);
    return absl::OkStatus();
  }

  TeacherShape shape_;
  std::unique_ptr<SafetensorsWriter> file_;
  at::Tensor digests_;  // [windows, 64] uint8
};

absl::StatusOr<std::unique_ptr<TeacherCache>> OpenVerified(const std::string& path,
                                                           const std::string& key,
                                                           const TeacherShape& shape) {
  ASSIGN_OR_RETURN(Checkpoint file, Checkpoint::OpenFile(path));
  ASSIGN_OR_RETURN(const auto metadata, ReadSafetensorsMetadata(path));
  const auto stored = metadata.find(kTeacherKey);
  if (stored == metadata.end() || stored->second != key) {
    return absl::DataLossError("its key is another");
  }
  auto cache = std::make_unique<MappedCache>(shape, std::move(file));
  RETURN_IF_ERROR(cache->Load());
  return cache;
}

bool HoldsWeights(const std::string& name) {
  return name.ends_with(kSuffix) || name.ends_with(".bin");
}

// Of safetensors.
std::span<const std::byte> HeaderOf(std::span<const std::byte> file) {
  uint64_t header = 0;
  for (size_t i = 0; i < std::min<size_t>(8, file.size()); ++i) {
    header |= std::to_integer<uint64_t>(file[i]) << (8 * i);
  }
  return file.first(std::min<uint64_t>(header, file.size()));
}

// Size, time of change, and the part that describes the rest, of one file.
absl::Status AddFile(const std::string& path, Sha256* digest) {
  struct stat info = {};
  if (stat(path.c_str(), &info) != 0) return ErrnoStatus("stat", path, errno);
  ASSIGN_OR_RETURN(const auto file, MappedFile::Open(path));
  const auto description = path.ends_with(kSuffix)
                               ? HeaderOf(file->bytes())
                               : file->bytes().last(std::min(kTorchEnd, file->bytes().size()));
  digest->Update(absl::StrCat("file ", info.st_size, " ", info.st_mtim.tv_sec, ".",
                              info.st_mtim.tv_nsec, " ", description.size(), "\n"));
  digest->Update(description);
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::string> TeacherKey(const std::string& model_dir, const at::Tensor& tokens,
                                       const TeacherShape& shape, double temperature) {
  return CatchTorch("the teacher's cache", [&]() -> absl::StatusOr<std::string> {
    ASSIGN_OR_RETURN(const std::string config, ReadFile(JoinPath(model_dir, "config.json")));
    ASSIGN_OR_RETURN(const std::vector<std::string> names, ListFiles(model_dir));
    Sha256 digest;
    digest.Update(absl::StrCat("config ", config.size(), "\n", config));
    for (const std::string& name : names) {
      if (HoldsWeights(name)) RETURN_IF_ERROR(AddFile(JoinPath(model_dir, name), &digest));
    }
    digest.Update(absl::StrFormat("cache %d %d %d %s %d %.17g\n", shape.windows, shape.seq,
                                  shape.width, StorageTypeName(StoredType(shape.dtype)),
                                  shape.top_k, temperature));
    digest.Update(BytesOf(tokens.to(at::kLong).cpu().contiguous()));
    return digest.FinishHex();
  });
}

absl::StatusOr<std::unique_ptr<TeacherCache>> OpenTeacherCache(const std::string& dir,
                                                               const std::string& key,
                                                               const TeacherShape& shape) {
  const std::string path = CachePath(dir, key);
  auto cache = CatchTorch("the teacher's cache", [&] { return OpenVerified(path, key, shape); });
  if (absl::IsInvalidArgument(cache.status()) || absl::IsDataLoss(cache.status())) {
    return absl::DataLossError(
        absl::StrCat("the teacher's cache ", path, " is not whole: ", cache.status().message()));
  }
  if (cache.ok()) MarkUsed(path);
  return cache;
}

bool HasTeacherCache(const std::string& dir, const std::string& key) {
  return FileExists(CachePath(dir, key));
}

absl::StatusOr<std::unique_ptr<TeacherCacheWriter>> CreateTeacherCache(const std::string& dir,
                                                                       const std::string& key,
                                                                       const TeacherShape& shape,
                                                                       int64_t quota_bytes) {
  RETURN_IF_ERROR(CheckShape(shape));
  RETURN_IF_ERROR(MakeDirs(dir));
  std::vector<TensorInfo> tensors;
  for (int64_t window = 0; window < shape.windows; ++window) {
    for (TensorInfo& info : WindowTensors(shape, window)) tensors.push_back(std::move(info));
  }
  tensors.push_back(DigestTensor(shape));
  int64_t bytes = 0;
  for (const TensorInfo& tensor : tensors) bytes += tensor.bytes();
  RETURN_IF_ERROR(MakeCacheRoom(dir, kPrefix, bytes, quota_bytes));
  ASSIGN_OR_RETURN(auto file,
                   SafetensorsWriter::Create(CachePath(dir, key), tensors, {{kTeacherKey, key}}));
  return std::make_unique<FileWriter>(shape, std::move(file));
}

}  // namespace rondo
