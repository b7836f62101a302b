// gptq_block over lanes of rows. Columns go in panels of 16, transposed into [column][row] buffers.
// A panel first takes the feedback of all finished columns, kGptqColumns sums in registers at a
// time, then its columns are rounded one after the other. Each t_k still receives its terms in the
// order of j, so the bits are those of the reference.
#pragma once

#include "kernels/api/gptq_block.h"
#include "kernels/cpu/quantize-inl.h"

namespace rondo::kernels::cpu {

template <typename Ops>
class GptqRows {
 public:
  static constexpr int kVectors = Ops::kGptqVectors;
  static constexpr int64_t kRows = kVectors * kLanes;

  // Rows [row, row + rows) of the block, rows <= kRows.
  GptqRows(const GptqBlock& block, int64_t row, int64_t rows) : b_(block), row_(row), rows_(rows) {}

  void Run() {
    for (int64_t panel = 0; panel < b_.target.cols; panel += kLanes) {
      const int64_t left = b_.target.cols - panel;
      const int64_t cols = left < kLanes ? left : kLanes;
      LoadPanel(b_.target, panel, cols, target_);
      LoadPanel(b_.weight, panel, cols, weight_);
      for (int64_t k = panel; k < panel + cols; k += kColumns) {
        const int64_t end = k + kColumns;
        const bool whole = end <= panel + cols;
        if (whole) ApplyFeedback(k);
        for (int64_t j = k; j < (whole ? end : panel + cols); ++j) RoundColumn(j, whole ? k : 0);
      }
      StorePanel(panel, cols);
    }
    for (int64_t r = 0; r < rows_; ++r) b_.loss[row_ + r] += loss_[r];
  }

 private:
  using F = typename Ops::F;
  static constexpr int kColumns = Ops::kGptqColumns;

  // Rows past the last repeat it: their results are not stored.
  const float* RowOf(const Matrix<const float>& m, int64_t r) const {
    return m.data + (row_ + (r < rows_ ? r : rows_ - 1)) * m.stride;
  }

  void LoadPanel(const Matrix<const float>& m, int64_t col, int64_t cols, float (*panel)[kRows]) {
    for (int64_t v = 0; v < kRows; v += kLanes) {
      F lanes[kLanes];
      for (int64_t i = 0; i < kLanes; ++i) lanes[i] = Ops::LoadN(RowOf(m, v + i) + col, cols);
      Ops::Transpose(lanes);
      for (int64_t i = 0; i < kLanes; ++i) Ops::Store(panel[i] + v, lanes[i]);
    }
  }

  void TransposeBack(const float (*panel)[kRows], int64_t v, int64_t cols, F* lanes) {
    for (int64_t i = 0; i < kLanes; ++i) {
      lanes[i] = i < cols ? Ops::Load(panel[i] + v) : Ops::Set1(0.0f);
    }
    Ops::Transpose(lanes);
  }

  void StorePanel(int64_t col, int64_t cols) {
    for (int64_t v = 0; v < rows_; v += kLanes) {
      const int64_t rows = rows_ - v < kLanes ? rows_ - v : kLanes;
      F lanes[kLanes];
      TransposeBack(error_ + col, v, cols, lanes);
      for (int64_t i = 0; i < rows; ++i) {
        Ops::StoreN(b_.error.data + (row_ + v + i) * b_.error.stride + col, lanes[i], cols);
      }
      TransposeBack(code_, v, cols, lanes);
      for (int64_t i = 0; i < rows; ++i) {
        Ops::StoreCodesN(b_.codes.data + (row_ + v + i) * b_.codes.stride + col, lanes[i], cols);
      }
    }
  }

  // Columns [k, k + kColumns) receive the errors of the columns before k.
  void ApplyFeedback(int64_t k) {
    F sums[kColumns][kVectors];
    float(*t)[kRows] = target_ + k % kLanes;
#pragma GCC unroll 8
    for (int c = 0; c < kColumns; ++c) {
#pragma GCC unroll 2
      for (int v = 0; v < kVectors; ++v) sums[c][v] = Ops::Load(t[c] + v * kLanes);
    }
    const float* feedback = b_.feedback.data + k;
    for (int64_t j = 0; j < k; ++j, feedback += b_.feedback.stride) {
      F errors[kVectors];
#pragma GCC unroll 2
      for (int v = 0; v < kVectors; ++v) errors[v] = Ops::Load(error_[j] + v * kLanes);
#pragma GCC unroll 8
      for (int c = 0; c < kColumns; ++c) {
        const F factor = Ops::Set1(feedback[c]);
#pragma GCC unroll 2
        for (int v = 0; v < kVectors; ++v) sums[c][v] = Ops::Fma(errors[v], factor, sums[c][v]);
      }
    }
#pragma GCC unroll 8
    for (int c = 0; c < kColumns; ++c) {
#pragma GCC unroll 2
      for (int v = 0; v < kVectors; ++v) Ops::Store(t[c] + v * kLanes, sums[c][v]);
    }
  }

  void LoadGroup(int32_t group) {
    if (group == group_) return;
    group_ = group;
    for (int64_t r = 0; r < kRows; ++r) {
      const int64_t i = (row_ + (r < rows_ ? r : rows_ - 1)) * b_.groups + group;
      scale_[r] = b_.scale[i];
      zero_point_[r] = b_.zero_point[i];
    }
  }

  // Column k has received the errors of the columns before `from`.
  void RoundColumn(int64_t k, int64_t from) {
    LoadGroup(b_.group_of_column[k]);
    const int64_t c = k % kLanes;
    const F maxq = Ops::Set1(static_cast<float>(b_.maxq));
#pragma GCC unroll 2
    for (int64_t v = 0; v < kRows; v += kLanes) {
      F t = Ops::Load(target_[c] + v);
      for (int64_t j = from; j < k; ++j) {
        const F factor = Ops::Set1(b_.feedback.data[j * b_.feedback.stride + k]);
        t = Ops::Fma(Ops::Load(error_[j] + v), factor, t);
      }
      const F scale = Ops::Load(scale_ + v), zero_point = Ops::Load(zero_point_ + v);
      const F rounded = Ops::Add(Ops::Rint(Ops::Div(t, scale)), zero_point);
      const F code = Ops::Min(Ops::Max(rounded, Ops::Set1(0.0f)), maxq);
      const F q = Ops::Mul(scale, Ops::Sub(code, zero_point));
      Ops::Store(code_[c] + v, code);
      Ops::Store(error_[k] + v, Ops::Sub(Ops::Load(weight_[c] + v), q));
      Ops::AddSquares(loss_ + v, b_.pivots[k], Ops::Sub(t, q));
    }
  }

  const GptqBlock& b_;
  const int64_t row_, rows_;
  int32_t group_ = -1;
  alignas(64) float error_[kMaxGptqBlock][kRows];
  alignas(64) float target_[kLanes][kRows];
  alignas(64) float weight_[kLanes][kRows];
  alignas(64) float code_[kLanes][kRows];
  alignas(64) float scale_[kRows];
  alignas(64) float zero_point_[kRows];
  alignas(64) double loss_[kRows] = {};
};

template <typename Ops>
void RunGptqBlock(const GptqBlock& block) {
  constexpr int64_t kRows = GptqRows<Ops>::kRows;
  for (int64_t r = 0; r < block.target.rows; r += kRows) {
    const int64_t left = block.target.rows - r;
    GptqRows<Ops>(block, r, left < kRows ? left : kRows).Run();
  }
}

}  // namespace rondo::kernels::cpu
