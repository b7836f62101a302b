// compressed-tensors "pack-quantized" (docs/formats.md): codes and zero points as dense bit streams
// in 32-bit words, scales as numbers. Signed codes are stored with 2^(bits-1) added, which is what
// our unsigned codes are.
#include <ATen/ATen.h>

#include "kernels/api/backend.h"
#include "worker/artifact/linear_format.h"

namespace rondo {
namespace {

// codes: [rows, cols] uint8 -> [rows, ceil(cols * bits / 32)] int32
at::Tensor PackRows(const at::Tensor& codes, int bits) {
  const at::Tensor host = codes.to(at::kCPU).contiguous();
  const int64_t rows = host.size(0);
  const int64_t cols = host.size(1);
  const int64_t words = kernels::PackedWords(cols, bits);
  at::Tensor packed = at::empty({rows, words}, at::kInt);
  kernels::Cpu().pack_rows(
      {host.const_data_ptr<uint8_t>(), rows, cols, cols}, bits,
      {reinterpret_cast<uint32_t*>(packed.mutable_data_ptr<int32_t>()), rows, words, words});
  return packed;
}

// words: [rows, ceil(cols * bits / 32)] int32 -> [rows, cols] uint8
at::Tensor UnpackRows(const at::Tensor& words, int64_t cols, int bits) {
  const int64_t rows = words.size(0);
  const int64_t width = words.size(1);
  at::Tensor codes = at::empty({rows, cols}, at::kByte);
  kernels::Cpu().unpack_rows(
      {reinterpret_cast<const uint32_t*>(words.const_data_ptr<int32_t>()), rows, width, width},
      bits, {codes.mutable_data_ptr<uint8_t>(), rows, cols, cols});
  return codes;
}

class PackedLinear final : public LinearFormat {
 public:
  PackedLinear(const GridSpec& grid, StorageType type) : grid_(grid), type_(type) {}

  std::vector<TensorInfo> Tensors(const std::string& name, int64_t out, int64_t in) const override {
    const int64_t groups = Groups(in);
    std::vector<TensorInfo> tensors = {
        {name + ".weight_packed", StorageType::kI32, {out, kernels::PackedWords(in, grid_.bits)}},
        {name + ".weight_scale", type_, {out, groups}},
        {name + ".weight_shape", StorageType::kI64, {2}}};
    if (!grid_.symmetric) {
      tensors.push_back({name + ".weight_zero_point",
                         StorageType::kI32,
                         {kernels::PackedWords(out, grid_.bits), groups}});
    }
    return tensors;
  }

  absl::Status Write(const std::string& name, const QuantizedLinear& linear,
                     SafetensorsWriter* writer) const override {
    RETURN_IF_ERROR(CheckGrid(name, linear));
    RETURN_IF_ERROR(
        WriteTensor(name + ".weight_packed", PackRows(linear.codes, grid_.bits), writer));
    RETURN_IF_ERROR(WriteScale(name + ".weight_scale", linear.grid.scale, writer));
    const std::vector<int64_t> shape = {linear.codes.size(0), linear.codes.size(1)};
    RETURN_IF_ERROR(writer->Write(name + ".weight_shape", std::as_bytes(std::span(shape))));
    if (grid_.symmetric) return absl::OkStatus();
    // Packed along the outputs: [out, groups] -> [ceil(out * bits / 32), groups].
    const at::Tensor zero_point = linear.grid.zero_point.to(at::kByte);
    return WriteTensor(name + ".weight_zero_point", PackRows(zero_point.t(), grid_.bits).t(),
                       writer);
  }

  absl::StatusOr<bool> Holds(const Checkpoint& file, const std::string& name,
                             const QuantizedLinear& linear) const override {
    const int64_t out = linear.codes.size(0);
    const int64_t in = linear.codes.size(1);
    const int64_t groups = Groups(in);
    ASSIGN_OR_RETURN(const at::Tensor codes,
                     ReadTensor(file, name + ".weight_packed", at::kInt,
                                {out, kernels::PackedWords(in, grid_.bits)}));
    ASSIGN_OR_RETURN(const at::Tensor scale,
                     ReadTensor(file, name + ".weight_scale", ScalarTypeOf(type_), {out, groups}));
    if (!at::equal(UnpackRows(codes, in, grid_.bits), linear.codes.to(at::kCPU)) ||
        !at::equal(scale.to(at::kFloat), linear.grid.scale.to(at::kCPU))) {
      return false;
    }
    if (grid_.symmetric) return true;
    ASSIGN_OR_RETURN(const at::Tensor zeros,
                     ReadTensor(file, name + ".weight_zero_point", at::kInt,
                                {kernels::PackedWords(out, grid_.bits), groups}));
    return at::equal(UnpackRows(zeros.t().contiguous(), out, grid_.bits).t(),
                     linear.grid.zero_point.to(at::kCPU, at::kByte));
  }

 private:
  int64_t Groups(int64_t in) const {
    return grid_.group_size < 0 ? 1 : (in + grid_.group_size - 1) / grid_.group_size;
  }

  absl::Status CheckGrid(const std::string& name, const QuantizedLinear& linear) const {
    const int64_t in = linear.codes.size(1);
    const at::IntArrayRef groups = linear.grid.scale.sizes();
    if (linear.grid.bits != grid_.bits || groups != linear.grid.zero_point.sizes() ||
        groups != at::IntArrayRef({linear.codes.size(0), Groups(in)})) {
      return absl::InternalError(
          absl::StrCat(name, " is not on the grid of the job: ", linear.grid.bits, " bits, ", in,
                       " inputs in ", linear.grid.scale.size(-1), " groups"));
    }
    const at::Tensor& zero = linear.grid.zero_point;
    if (grid_.symmetric && !zero.eq(1 << (grid_.bits - 1)).all().item<bool>()) {
      return absl::InternalError(absl::StrCat(name, " has a zero point that is not ",
                                              1 << (grid_.bits - 1),
                                              ", but the grid of the job is symmetric"));
    }
    return absl::OkStatus();
  }

  absl::Status WriteScale(const std::string& name, const at::Tensor& scale,
                          SafetensorsWriter* writer) const {
    const at::Tensor stored = scale.to(ScalarTypeOf(type_));
    if (!at::equal(stored.to(at::kFloat), scale)) {
      return absl::InternalError(absl::StrCat(name, " holds a value that is not representable as ",
                                              StorageTypeName(type_)));
    }
    return WriteTensor(name, stored, writer);
  }

  GridSpec grid_;
  StorageType type_;
};

}  // namespace

std::unique_ptr<LinearFormat> MakePackedLinear(const GridSpec& grid, StorageType type) {
  return std::make_unique<PackedLinear>(grid, type);
}

}  // namespace rondo
