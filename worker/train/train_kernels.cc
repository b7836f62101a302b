#include "worker/train/train_kernels.h"

#include <algorithm>

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include "kernels/api/backend.h"
#include "kernels/api/cuda.h"
#include "worker/algo/row_kernels.h"

namespace rondo {
namespace {

using kernels::CodebookView;
using kernels::Matrix;

// Parts of a layer's rows whose gradient sums are formed apart and added in order, so that the
// result does not depend on the number of threads.
constexpr int64_t kGradientParts = 4;
constexpr int64_t kRowsPerTask = 32;
constexpr int64_t kLogitRowsPerTask = 16;
constexpr int64_t kVariableChunksPerTask = 32;

void Check(const absl::Status& status) { TORCH_CHECK(status.ok(), std::string(status.message())); }

// Rows [begin, begin + count) of a contiguous matrix; T as the kernels see the elements.
template <typename T>
Matrix<T> Rows(const at::Tensor& m, int64_t begin, int64_t count) {
  const int64_t cols = m.size(1);
  return {static_cast<T*>(m.data_ptr()) + begin * cols, count, cols, cols};
}

CodebookView View(const CodebookTensors& layer, const at::Tensor& rounding, int64_t begin,
                  int64_t count) {
  const int64_t groups = layer.grid.scale.size(1);
  CodebookView view;
  view.base = Rows<const uint8_t>(layer.base, begin, count);
  view.base_offset = kernels::BaseOffset((1 << layer.grid.bits) - 1);
  view.dim = rounding.size(1);
  view.codes = layer.codes.const_data_ptr<uint16_t>() + begin * layer.base.size(1) / view.dim;
  view.rounding = rounding.const_data_ptr<float>();
  view.grid = {layer.grid.scale.const_data_ptr<float>() + begin * groups,
               layer.grid.zero_point.const_data_ptr<float>() + begin * groups, groups,
               layer.grid.group_size, (1 << layer.grid.bits) - 1};
  return view;
}

template <typename T>
void Dequantize(const CodebookTensors& layer, const at::Tensor& rounding, const at::Tensor& out,
                kernels::DequantizeCodebookFn<T>* on_host) {
  const int64_t rows = layer.base.size(0);
  if (out.is_cuda()) {
    return Check(kernels::cuda::DequantizeCodebook<T>(
        View(layer, rounding, 0, rows), Rows<T>(out, 0, rows), CurrentStream(out.device())));
  }
  at::parallel_for(0, rows, kRowsPerTask, [&](int64_t begin, int64_t end) {
    on_host(View(layer, rounding, begin, end - begin), Rows<T>(out, begin, end - begin));
  });
}

template <typename T>
void Gradient(const CodebookTensors& layer, const at::Tensor& rounding, const at::Tensor& dw,
              const at::Tensor& sum, kernels::CodebookGradientFn<T>* on_host) {
  const int64_t rows = layer.base.size(0);
  if (dw.is_cuda()) {
    const kernels::cuda::BlocksByCode blocks = {layer.blocks_by_code.const_data_ptr<int32_t>(),
                                                layer.code_begin.const_data_ptr<int32_t>(),
                                                sum.size(0)};
    return Check(kernels::cuda::CodebookGradient<T>(
        View(layer, rounding, 0, rows), blocks, Rows<const T>(dw, 0, rows), sum.data_ptr<float>(),
        CurrentStream(dw.device())));
  }
  const at::Tensor parts = at::zeros({kGradientParts, sum.numel()}, sum.options());
  at::parallel_for(0, kGradientParts, 1, [&](int64_t first, int64_t last) {
    for (int64_t part = first; part < last; ++part) {
      const int64_t begin = rows * part / kGradientParts;
      const int64_t count = rows * (part + 1) / kGradientParts - begin;
      on_host(View(layer, rounding, begin, count), Rows<const T>(dw, begin, count),
              parts.data_ptr<float>() + part * sum.numel());
    }
  });
  for (int64_t part = 0; part < kGradientParts; ++part) sum.add_(parts[part].view_as(sum));
}

template <typename T>
void Distill(const at::Tensor& teacher, const at::Tensor& student, double temperature,
             const at::Tensor& losses, kernels::DistillFn<T>* on_host) {
  const int64_t rows = student.size(0);
  const auto t = static_cast<float>(temperature);
  auto* loss = losses.data_ptr<double>();
  if (student.is_cuda()) {
    return Check(kernels::cuda::Distill<T>(Rows<const T>(teacher, 0, rows),
                                           Rows<T>(student, 0, rows), t, loss,
                                           CurrentStream(student.device())));
  }
  at::parallel_for(0, rows, kLogitRowsPerTask, [&](int64_t begin, int64_t end) {
    on_host(Rows<const T>(teacher, begin, end - begin), Rows<T>(student, begin, end - begin), t,
            loss + begin);
  });
}

}  // namespace

void IndexByCode(int64_t rows, CodebookTensors* layer) {
  if (!layer->base.is_cuda()) return;
  const at::Tensor codes = layer->codes.to(at::kLong);
  layer->blocks_by_code = at::argsort(codes, /*stable=*/true).to(at::kInt);
  const at::Tensor ends = at::bincount(codes, {}, rows).cumsum(0).to(at::kInt);
  layer->code_begin = at::cat({at::zeros({1}, ends.options()), ends});
}

at::Tensor CodebookWeight(const CodebookTensors& layer, const at::Tensor& rounding,
                          at::ScalarType dtype) {
  at::Tensor weight = at::empty(layer.base.sizes(), layer.base.options().dtype(dtype));
  const kernels::HostBackend& host = kernels::Cpu();
  if (dtype == at::kBFloat16) {
    Dequantize<uint16_t>(layer, rounding, weight, host.dequantize_codebook_bf16);
  } else {
    Dequantize<float>(layer, rounding, weight, host.dequantize_codebook);
  }
  return weight;
}

void AddCodebookGradient(const CodebookTensors& layer, const at::Tensor& rounding,
                         const at::Tensor& dw, const at::Tensor& sum) {
  const kernels::HostBackend& host = kernels::Cpu();
  if (dw.scalar_type() == at::kBFloat16) {
    Gradient<uint16_t>(layer, rounding, dw, sum, host.codebook_gradient_bf16);
  } else {
    Gradient<float>(layer, rounding, dw, sum, host.codebook_gradient);
  }
}

double DistillRows(const at::Tensor& teacher, const at::Tensor& student, double temperature) {
  const at::Tensor losses = at::empty({student.size(0)}, student.options().dtype(at::kDouble));
  const kernels::HostBackend& host = kernels::Cpu();
  if (student.scalar_type() == at::kBFloat16) {
    Distill<uint16_t>(teacher, student, temperature, losses, host.distill_bf16);
  } else {
    Distill<float>(teacher, student, temperature, losses, host.distill);
  }
  return losses.sum().item<double>();
}

at::Tensor FindRoundingGradient(const RoundingGradientTensors& args) {
  const int64_t count = args.alpha.numel();
  const int64_t chunks = (count + kernels::kRoundingChunk - 1) / kernels::kRoundingChunk;
  const at::Tensor regulariser = at::empty({chunks}, args.alpha.options().dtype(at::kDouble));
  const auto part = [&](int64_t begin, int64_t end) {
    const int64_t first = begin * kernels::kRoundingChunk;
    kernels::RoundingGradient part;
    part.alpha = args.alpha.const_data_ptr<float>() + first;
    part.uses = args.uses.const_data_ptr<float>() + first;
    part.sum = args.sum.const_data_ptr<float>() + first;
    part.gradient = args.gradient.data_ptr<float>() + first;
    part.regulariser = regulariser.data_ptr<double>() + begin;
    part.count = std::min(end * kernels::kRoundingChunk, count) - first;
    part.saturate = args.saturate;
    part.weight = static_cast<float>(args.weight);
    part.beta = static_cast<float>(args.beta);
    return part;
  };
  if (args.alpha.is_cuda()) {
    Check(kernels::cuda::FindRoundingGradient(part(0, chunks), CurrentStream(args.alpha.device())));
  } else {
    at::parallel_for(0, chunks, kVariableChunksPerTask, [&](int64_t begin, int64_t end) {
      kernels::Cpu().rounding_gradient(part(begin, end));
    });
  }
  return regulariser.sum();
}

void RunAdam(const at::Tensor& value, const at::Tensor& gradient, const at::Tensor& mean,
             const at::Tensor& variance, double rate, double spread) {
  const auto part = [&](int64_t begin, int64_t end) {
    return kernels::Adam{.value = value.data_ptr<float>() + begin,
                         .gradient = gradient.const_data_ptr<float>() + begin,
                         .mean = mean.data_ptr<float>() + begin,
                         .variance = variance.data_ptr<float>() + begin,
                         .count = end - begin,
                         .rate = static_cast<float>(rate),
                         .spread = static_cast<float>(spread)};
  };
  if (value.is_cuda()) {
    return Check(kernels::cuda::RunAdam(part(0, value.numel()), CurrentStream(value.device())));
  }
  at::parallel_for(0, value.numel(), kVariableChunksPerTask * kernels::kRoundingChunk,
                   [&](int64_t begin, int64_t end) { kernels::Cpu().adam(part(begin, end)); });
}

}  // namespace rondo
