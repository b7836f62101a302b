#include "worker/algo/gptq.h"

#include <algorithm>

#include <ATen/ATen.h>

#include "worker/algo/grid_fit.h"
#include "worker/algo/row_kernels.h"
#include "worker/model/catch_torch.h"

namespace rondo {
namespace {

// One solve. Columns are in the factor's order; tensors are [out, in] unless stated.
class Solver {
 public:
  Solver(const at::Tensor& w, const GptqFactor& factor, const GptqOptions& options)
      : factor_(factor),
        options_(options),
        in_(w.size(1)),
        group_size_(options.grid.spec.group_size == -1
                        ? in_
                        : std::min(options.grid.spec.group_size, in_)) {}

  absl::StatusOr<GptqResult> Run(const at::Tensor& w) {
    RETURN_IF_ERROR(Prepare(w));
    for (int64_t begin = 0; begin < in_; begin += options_.block_size) {
      RETURN_IF_ERROR(RunBlockAt(begin, std::min(begin + options_.block_size, in_)));
    }
    GptqResult result;
    result.objective = loss_.sum().item<double>();
    const double energy = WeightEnergy();
    result.relative_error = energy > 0 ? result.objective / energy : 0.0;
    result.linear = {InCheckpointOrder(codes_), std::move(grid_)};
    if (options_.keep_target) result.target = InCheckpointOrder(running_);
    return result;
  }

 private:
  bool dynamic_groups() const {
    return options_.grid.spec.group_size != -1 && !factor_.permutation.defined();
  }

  absl::Status Prepare(const at::Tensor& w) {
    const at::Tensor alive = w.masked_fill(factor_.dead, 0);
    if (dynamic_groups()) {
      const int64_t groups = (in_ + group_size_ - 1) / group_size_;
      grid_.scale = at::empty({w.size(0), groups}, w.options());
      grid_.zero_point = at::empty_like(grid_.scale);
      grid_.group_size = group_size_;
      grid_.bits = options_.grid.spec.bits;
    } else {
      // As the reference does: a whole row's parameters see dead columns, a group's do not.
      const bool whole_row = options_.grid.spec.group_size == -1;
      ASSIGN_OR_RETURN(grid_, FitFinite(whole_row ? w : alive, options_.grid));
    }
    at::Tensor columns = at::arange(in_, w.options().dtype(at::kLong));
    weight_ = alive;
    if (factor_.permutation.defined()) {
      columns = factor_.permutation;
      weight_ = alive.index_select(1, columns);
    }
    group_of_column_ = columns.floor_divide(group_size_).to(at::kInt);
    running_ = weight_.clone();
    codes_ = at::empty(w.sizes(), w.options().dtype(at::kByte));
    error_ = at::empty({w.size(0), options_.block_size}, w.options());
    loss_ = at::zeros({w.size(0)}, w.options().dtype(at::kDouble));
    return absl::OkStatus();
  }

  // Parameters of the groups that open in [begin, end), from the weights as they would be if no
  // column from `begin` on were rounded: updates inside the block are not seen, as in the
  // reference.
  absl::Status FitGroups(int64_t begin, int64_t end) {
    const int64_t first = (begin + group_size_ - 1) / group_size_;
    const int64_t last = (end + group_size_ - 1) / group_size_;
    if (first == last) return absl::OkStatus();
    const int64_t skipped = first * group_size_ - begin;
    const at::Tensor w = Compensated(begin, std::min(last * group_size_, in_));
    ASSIGN_OR_RETURN(const Grid grid,
                     FitFinite(w.narrow(1, skipped, w.size(1) - skipped), options_.grid));
    grid_.scale.narrow(1, first, last - first).copy_(grid.scale);
    grid_.zero_point.narrow(1, first, last - first).copy_(grid.zero_point);
    return absl::OkStatus();
  }

  // The weights of columns [begin, end) that make up best for the columns before `begin`: the
  // reference's running weights. A column left at w' feeds w - w' to those after it, so
  // w'_k = t_k + sum_{begin <= i < k} (w_i - w'_i) V_ik, hence (w' - w) V = t - w.
  at::Tensor Compensated(int64_t begin, int64_t end) const {
    const int64_t cols = end - begin;
    const at::Tensor weight = weight_.narrow(1, begin, cols);
    const at::Tensor feedback = factor_.feedback.narrow(0, begin, cols).narrow(1, begin, cols);
    const at::Tensor change =
        at::linalg_solve_triangular(feedback, running_.narrow(1, begin, cols) - weight,
                                    /*upper=*/true, /*left=*/false, /*unitriangular=*/true);
    return (weight + change).contiguous();
  }

  absl::Status RunBlockAt(int64_t begin, int64_t end) {
    if (dynamic_groups()) RETURN_IF_ERROR(FitGroups(begin, end));
    const int64_t cols = end - begin;
    const at::Tensor feedback = factor_.feedback.narrow(0, begin, cols);
    const at::Tensor error = error_.narrow(1, 0, cols);
    kernels::GptqBlock block;
    block.target = AsMatrix<const float>(running_.narrow(1, begin, cols));
    block.weight = AsMatrix<const float>(weight_.narrow(1, begin, cols));
    block.feedback = AsMatrix<const float>(feedback.narrow(1, begin, cols));
    block.pivots = factor_.pivots.const_data_ptr<float>() + begin;
    block.scale = grid_.scale.const_data_ptr<float>();
    block.zero_point = grid_.zero_point.const_data_ptr<float>();
    block.groups = grid_.scale.size(1);
    block.group_of_column = group_of_column_.const_data_ptr<int32_t>() + begin;
    block.maxq = (1 << grid_.bits) - 1;
    block.codes = AsMatrix<uint8_t>(codes_.narrow(1, begin, cols));
    block.error = AsMatrix<float>(error);
    block.loss = loss_.mutable_data_ptr<double>();
    RETURN_IF_ERROR(RunBlock(block, running_.device()));
    if (end < in_) {
      running_.narrow(1, end, in_ - end).addmm_(error, feedback.narrow(1, end, in_ - end));
    }
    if (options_.keep_target) {
      // The kernel keeps t to itself; the block's own columns are not read again.
      running_.narrow(1, begin, cols).addmm_(error, feedback.narrow(1, begin, cols).triu(1));
    }
    return absl::OkStatus();
  }

  // tr(W H_d W^T) = sum over columns j of D_j |(W V)_j|^2; V is triangular.
  double WeightEnergy() const {
    double energy = 0.0;
    for (int64_t begin = 0; begin < in_; begin += options_.block_size) {
      const int64_t end = std::min(begin + options_.block_size, in_), cols = end - begin;
      const at::Tensor product = at::mm(weight_.narrow(1, 0, end),
                                        factor_.feedback.narrow(0, 0, end).narrow(1, begin, cols));
      const at::Tensor columns = at::sum(product.square_(), {0}, false, at::kDouble);
      energy += columns.mul_(factor_.pivots.narrow(0, begin, cols)).sum().item<double>();
    }
    return energy;
  }

  at::Tensor InCheckpointOrder(const at::Tensor& columns) const {
    if (!factor_.permutation.defined()) return columns;
    return at::empty_like(columns).index_copy_(1, factor_.permutation, columns);
  }

  const GptqFactor& factor_;
  const GptqOptions& options_;
  const int64_t in_;
  const int64_t group_size_;
  Grid grid_;
  at::Tensor weight_;           // the original weights, dead columns zero
  at::Tensor running_;          // t: with the feedback of all columns before the block
  at::Tensor codes_;            // uint8
  at::Tensor error_;            // [out, block_size]: weight - value, of the current block
  at::Tensor loss_;             // [out] float64
  at::Tensor group_of_column_;  // [in] int32
};

}  // namespace

absl::StatusOr<GptqResult> Gptq(const at::Tensor& w, const GptqFactor& factor,
                                const GptqOptions& options) {
  if (options.block_size < 1 || options.block_size > kernels::kMaxGptqBlock) {
    return absl::InvalidArgumentError(absl::StrCat("block_size ", options.block_size,
                                                   " is not in [1, ", kernels::kMaxGptqBlock, "]"));
  }
  return CatchTorch("GPTQ", [&]() -> absl::StatusOr<GptqResult> {
    RETURN_IF_ERROR(CheckWeights(w));
    if (w.size(1) != factor.pivots.size(0)) {
      return absl::InvalidArgumentError(absl::StrCat(
          "the weight has ", w.size(1), " columns, the Hessian's factor ", factor.pivots.size(0)));
    }
    return Solver(w.contiguous(), factor, options).Run(w.contiguous());
  });
}

absl::StatusOr<at::Tensor> GptqPush(const GptqResult& result, const GptqFactor& factor,
                                    double hessian_scale) {
  if (!result.target.defined()) {
    return absl::InvalidArgumentError("GPTQ's targets were not kept; set keep_target");
  }
  return CatchTorch("GPTQ", [&]() -> absl::StatusOr<at::Tensor> {
    ASSIGN_OR_RETURN(const at::Tensor value, Dequantize(result.linear, at::kFloat));
    at::Tensor root = factor.pivots.mul(hessian_scale).sqrt_();  // 1 / U_jj
    if (factor.permutation.defined()) {
      root = at::empty_like(root).index_copy_(0, factor.permutation, root);
    }
    return result.target.sub(value).mul_(root);
  });
}

}  // namespace rondo
