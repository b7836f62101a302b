#include "worker/model/weights.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstring>
#include <utility>

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include "absl/strings/str_join.h"
#include "worker/model/catch_torch.h"
#include "worker/model/torch_zip.h"

namespace rondo {
namespace {

absl::StatusOr<at::ScalarType> FloatType(const TensorInfo& info) {
  switch (info.type) {
    case StorageType::kF16: return at::kHalf;
    case StorageType::kBF16: return at::kBFloat16;
    case StorageType::kF32: return at::kFloat;
    case StorageType::kF64: return at::kDouble;
    default:
      return absl::InvalidArgumentError(absl::StrCat(info.name, " is of dtype ",
                                                     StorageTypeName(info.type),
                                                     "; weights must be F16, BF16, F32 or F64"));
  }
}

// aminmax propagates NaN, so one pass without a temporary sees NaN and Inf alike.
bool AllFinite(const at::Tensor& t) {
  if (t.numel() == 0) return true;
  const auto [low, high] = at::aminmax(t);
  return std::isfinite(low.item<double>()) && std::isfinite(high.item<double>());
}

// Elements that are converted and searched while the second cache still holds them.
constexpr int64_t kChunk = int64_t{1} << 16;

// The stored numbers as a tensor: in place, unless a safetensors header ended where they are not
// aligned.
at::Tensor Stored(const TensorView& view, at::ScalarType stored) {
  void* data = const_cast<std::byte*>(view.data.data());
  if (reinterpret_cast<uintptr_t>(data) % c10::elementSize(stored) == 0) {
    return at::from_blob(data, view.info.shape, at::TensorOptions(stored));
  }
  at::Tensor t = at::empty(view.info.shape, at::TensorOptions(stored));
  std::memcpy(t.data_ptr(), data, view.data.size());
  return t;
}

// In one pass over memory: [the copy as `dtype`, whether it is finite].
std::pair<at::Tensor, bool> ConvertOnHost(const at::Tensor& stored, at::ScalarType dtype) {
  const at::Tensor copy = at::empty(stored.sizes(), stored.options().dtype(dtype));
  // By address: a view of what the calling thread made in inference mode is not for other threads.
  const auto part = [](const at::Tensor& whole, int64_t begin, int64_t count) {
    auto* data = static_cast<std::byte*>(whole.data_ptr()) + begin * whole.itemsize();
    return at::from_blob(data, {count}, whole.options());
  };
  std::atomic<bool> finite = true;
  // All threads go through the file together: the kernel reads ahead of one place, not of several.
  std::atomic<int64_t> next = 0;
  at::parallel_for(0, at::get_num_threads(), 1, [&](int64_t, int64_t) {
    for (;;) {
      const int64_t begin = next.fetch_add(kChunk);
      if (begin >= copy.numel() || !finite) return;
      const int64_t count = std::min(kChunk, copy.numel() - begin);
      at::Tensor to = part(copy, begin, count);
      to.copy_(part(stored, begin, count));
      if (!AllFinite(to)) finite = false;
    }
  });
  return {copy, finite};
}

std::pair<at::Tensor, bool> Convert(const at::Tensor& stored, at::ScalarType dtype,
                                    at::Device device) {
  if (device.is_cpu()) return ConvertOnHost(stored, dtype);
  const at::Tensor copy = stored.to(device, dtype);
  return {copy, AllFinite(copy)};
}

}  // namespace

absl::StatusOr<at::Tensor> LoadTensor(const Checkpoint& checkpoint, const std::string& name,
                                      at::ScalarType dtype, at::Device device) {
  if (!checkpoint.Has(name)) {
    return absl::InvalidArgumentError(absl::StrCat("the checkpoint holds no tensor ", name));
  }
  ASSIGN_OR_RETURN(const TensorView view, checkpoint.Find(name));
  ASSIGN_OR_RETURN(const at::ScalarType stored, FloatType(view.info));
  return CatchTorch(absl::StrCat("loading ", name), [&]() -> absl::StatusOr<at::Tensor> {
    const auto [t, finite] = Convert(Stored(view, stored), dtype, device);
    checkpoint.Drop(name);
    if (!finite) {
      return absl::InvalidArgumentError(absl::StrCat(name, " holds NaN or Inf",
                                                     dtype == stored ? "" : " as ",
                                                     dtype == stored ? "" : at::toString(dtype)));
    }
    return t;
  });
}

absl::StatusOr<Checkpoint> OpenCheckpoint(const std::string& dir) {
  return Checkpoint::Open(dir, FindTorchTensors);
}

absl::StatusOr<at::Tensor> WeightReader::Read(const std::string& name,
                                              const std::vector<int64_t>& shape) const {
  if (checkpoint_.Has(name)) {
    ASSIGN_OR_RETURN(const TensorView view, checkpoint_.Find(name));
    if (view.info.shape != shape) {
      return absl::InvalidArgumentError(
          absl::StrCat(name, " has shape [", absl::StrJoin(view.info.shape, ", "),
                       "]; config.json asks for [", absl::StrJoin(shape, ", "), "]"));
    }
  }
  return LoadTensor(checkpoint_, name, dtype_, device_);
}

absl::StatusOr<at::Tensor> WeightReader::ReadEnd(const std::string& name) const {
  for (const auto* tensors : {&layout_.embedding, &layout_.head}) {
    for (const TensorLayout& tensor : *tensors) {
      if (tensor.name == name) return Read(name, tensor.shape);
    }
  }
  return at::Tensor();
}

absl::StatusOr<at::Tensor> WeightReader::ReadOther(int64_t layer,
                                                   const std::string& relative) const {
  for (const TensorLayout& other : layout_.layer_others) {
    if (other.name == relative) return Read(FullName(layout_, layer, relative), other.shape);
  }
  return absl::InternalError(absl::StrCat("the layout of a decoder layer has no ", relative));
}

absl::StatusOr<std::vector<Linear>> WeightReader::ReadLinears(int64_t layer, bool weights) const {
  std::vector<Linear> linears;
  for (const LinearLayout& l : layout_.linears) {
    const std::string name = FullName(layout_, layer, l.name);
    Linear linear;
    if (weights) {
      ASSIGN_OR_RETURN(linear.weight, Read(name + ".weight", {l.out, l.in}));
    }
    if (l.bias) {
      ASSIGN_OR_RETURN(linear.bias, Read(name + ".bias", {l.out}));
    }
    linears.push_back(std::move(linear));
  }
  return linears;
}

}  // namespace rondo
