#include "worker/algo/row_kernels.h"

#include <algorithm>

#include <ATen/Parallel.h>
#include <c10/core/impl/VirtualGuardImpl.h>

#include "kernels/api/backend.h"
#include "kernels/api/cuda.h"

namespace rondo {
namespace {

using kernels::GptqBlock;
using kernels::GridView;
using kernels::Matrix;

constexpr int64_t kElementsPerTask = 1 << 14;

template <typename F>
void ForRows(int64_t rows, int64_t cols, const F& f) {
  const int64_t grain = std::max<int64_t>(1, kElementsPerTask / std::max<int64_t>(1, cols));
  at::parallel_for(0, rows, grain, f);
}

template <typename T>
Matrix<T> Slice(const Matrix<T>& m, int64_t begin, int64_t end) {
  return {m.data + begin * m.stride, end - begin, m.cols, m.stride};
}

GridView Slice(GridView grid, int64_t begin) {
  grid.scale += begin * grid.groups;
  grid.zero_point += begin * grid.groups;
  return grid;
}

GptqBlock Slice(GptqBlock b, int64_t begin, int64_t end) {
  b.target = Slice(b.target, begin, end);
  b.weight = Slice(b.weight, begin, end);
  b.codes = Slice(b.codes, begin, end);
  b.error = Slice(b.error, begin, end);
  b.scale += begin * b.groups;
  b.zero_point += begin * b.groups;
  b.loss += begin;
  return b;
}

}  // namespace

void* CurrentStream(at::Device device) {
  return c10::impl::VirtualGuardImpl(device.type()).getStream(device).native_handle();
}

absl::Status FitRows(const at::Tensor& w, const kernels::FitOptions& options, at::Tensor& scale,
                     at::Tensor& zero_point) {
  const auto rows = AsMatrix<const float>(w);
  float* s = scale.mutable_data_ptr<float>();
  float* z = zero_point.mutable_data_ptr<float>();
  if (w.is_cuda()) return kernels::cuda::FitGrid(rows, options, s, z, CurrentStream(w.device()));
  const int64_t groups = scale.size(1);
  ForRows(rows.rows, rows.cols, [&](int64_t begin, int64_t end) {
    kernels::Cpu().fit_grid(Slice(rows, begin, end), options, s + begin * groups,
                            z + begin * groups);
  });
  return absl::OkStatus();
}

absl::Status QuantizeRows(const at::Tensor& w, const GridView& grid, at::Tensor& codes) {
  const auto in = AsMatrix<const float>(w);
  const auto out = AsMatrix<uint8_t>(codes);
  if (w.is_cuda()) return kernels::cuda::Quantize(in, grid, out, CurrentStream(w.device()));
  ForRows(in.rows, in.cols, [&](int64_t begin, int64_t end) {
    kernels::Cpu().quantize(Slice(in, begin, end), Slice(grid, begin), Slice(out, begin, end));
  });
  return absl::OkStatus();
}

absl::Status DequantizeRows(const at::Tensor& codes, const GridView& grid, at::Tensor& values) {
  const auto in = AsMatrix<const uint8_t>(codes);
  const auto out = AsMatrix<float>(values);
  if (codes.is_cuda()) {
    return kernels::cuda::Dequantize(in, grid, out, CurrentStream(codes.device()));
  }
  ForRows(in.rows, in.cols, [&](int64_t begin, int64_t end) {
    kernels::Cpu().dequantize(Slice(in, begin, end), Slice(grid, begin), Slice(out, begin, end));
  });
  return absl::OkStatus();
}

absl::Status RunBlock(const GptqBlock& block, at::Device device) {
  if (device.is_cuda()) return kernels::cuda::RunGptqBlock(block, CurrentStream(device));
  // Work in a row grows with the square of its columns.
  const int64_t work = block.target.cols * block.target.cols / 2;
  ForRows(block.target.rows, work,
          [&](int64_t begin, int64_t end) { kernels::Cpu().gptq_block(Slice(block, begin, end)); });
  return absl::OkStatus();
}

}  // namespace rondo
