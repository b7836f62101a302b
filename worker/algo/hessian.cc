#include <algorithm>

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include "kernels/api/backend.h"
#include "worker/algo/gptq.h"
#include "worker/algo/row_kernels.h"
#include "worker/model/catch_torch.h"

namespace rondo {
namespace {

// Rows of H that one matrix product computes. Small blocks waste less of the upper triangle, large
// ones run faster: at 192, 1536 features take 56 % of the full product.
int64_t BlockRows(const at::Tensor& h) { return h.is_cuda() ? 1024 : 192; }

// f(begin, rows) for each block of rows of h.
template <typename F>
void ForBlocks(const at::Tensor& h, const F& f) {
  const int64_t in = h.size(0), block = BlockRows(h);
  for (int64_t begin = 0; begin < in; begin += block) f(begin, std::min(block, in - begin));
}

// Float32 products; torch leaves TF32 off unless asked for.
void AddFloat(const at::Tensor& x, const at::Tensor& h) {
  ForBlocks(h, [&](int64_t begin, int64_t rows) {
    const int64_t end = begin + rows;
    h.narrow(0, begin, rows)
        .narrow(1, 0, end)
        .addmm_(x.narrow(1, begin, rows).t(), x.narrow(1, 0, end));
  });
}

void AddBFloat16(const at::Tensor& x, const at::Tensor& h) {
  const int64_t tokens = x.size(0), in = x.size(1);
  at::Tensor packed = at::empty({kernels::SecondMomentScratch(tokens, in)}, at::kInt);
  const kernels::SecondMoment args = {
      {reinterpret_cast<const uint16_t*>(x.const_data_ptr()), tokens, in, x.stride(0)},
      AsMatrix<float>(h),
      reinterpret_cast<uint32_t*>(packed.mutable_data_ptr())};
  const int64_t panels = kernels::SecondMomentPanels(in);
  at::parallel_for(0, panels, 1, [&](int64_t begin, int64_t end) {
    kernels::Cpu().pack_second_moment(args, begin, end);
  });
  const int64_t parts = at::get_num_threads();
  at::parallel_for(0, parts, 1, [&](int64_t begin, int64_t end) {
    for (int64_t part = begin; part < end; ++part) {
      const kernels::PanelRange range = kernels::SecondMomentShare(panels, part, parts);
      kernels::Cpu().accumulate_second_moment(args, range.begin, range.end);
    }
  });
}

}  // namespace

absl::Status HessianAccumulator::Add(const at::Tensor& x) {
  if (x.dim() != 2 || x.size(1) != in_) {
    return absl::InvalidArgumentError(absl::StrCat("inputs of ", x.dim(), " dimensions, the last ",
                                                   x.dim() == 0 ? 0 : x.size(-1),
                                                   "; they must be [tokens, ", in_, "]"));
  }
  return CatchTorch("adding to a Hessian", [&] {
    if (!sum_.defined()) sum_ = at::zeros({in_, in_}, at::device(device_).dtype(at::kFloat));
    const bool dots = x.is_cpu() && x.scalar_type() == at::kBFloat16 && x.stride(1) == 1 &&
                      kernels::SupportsSecondMomentBf16();
    if (dots) {
      AddBFloat16(x, sum_);
    } else {
      AddFloat(x.to(at::kFloat), sum_);
    }
    tokens_ += x.size(0);
    return absl::OkStatus();
  });
}

absl::StatusOr<at::Tensor> HessianAccumulator::Take() {
  if (!sum_.defined()) return absl::FailedPreconditionError("no inputs were added to the Hessian");
  return CatchTorch("finishing a Hessian", [&]() -> absl::StatusOr<at::Tensor> {
    const at::Tensor h = std::exchange(sum_, at::Tensor());
    tokens_ = 0;
    ForBlocks(h, [&](int64_t begin, int64_t rows) {
      const at::Tensor lower = h.narrow(0, begin, rows);
      h.narrow(0, 0, begin).narrow(1, begin, rows).copy_(lower.narrow(1, 0, begin).t());
      const at::Tensor diagonal = lower.narrow(1, begin, rows);
      diagonal.copy_(diagonal.tril() + diagonal.tril(-1).t());
    });
    return h;
  });
}

}  // namespace rondo
