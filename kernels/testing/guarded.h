// An output matrix inside a larger buffer of a known pattern: a write outside its elements shows.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <vector>

#include "kernels/api/quantize.h"

namespace rondo::kernels::testing {

template <typename T>
class Guarded {
 public:
  // `pad` unused elements follow each row.
  Guarded(int64_t rows, int64_t cols, int64_t pad = 3)
      : rows_(rows), cols_(cols), stride_(cols + pad), data_(kEdge + rows * stride_ + kEdge) {
    std::memset(data_.data(), kPattern, data_.size() * sizeof(T));
  }

  Matrix<T> matrix() { return {data_.data() + kEdge, rows_, cols_, stride_}; }
  // The matrix without its padding.
  std::vector<T> values() const {
    std::vector<T> out;
    for (int64_t r = 0; r < rows_; ++r) {
      const T* row = data_.data() + kEdge + r * stride_;
      out.insert(out.end(), row, row + cols_);
    }
    return out;
  }
  // No element outside the matrix has changed.
  bool Intact() const {
    for (int64_t i = 0; i < static_cast<int64_t>(data_.size()); ++i) {
      const int64_t at = i - kEdge;
      if (at >= 0 && at < rows_ * stride_ && at % stride_ < cols_) continue;
      for (std::byte byte : std::as_bytes(std::span(&data_[i], 1))) {
        if (byte != std::byte{kPattern}) return false;
      }
    }
    return true;
  }

 private:
  static constexpr int64_t kEdge = 64;
  static constexpr int kPattern = 0x5a;
  const int64_t rows_, cols_, stride_;
  std::vector<T> data_;
};

// Equal bit by bit: -0 differs from 0, and a NaN equals itself.
template <typename T>
bool SameBits(const std::vector<T>& a, const std::vector<T>& b) {
  return std::ranges::equal(std::as_bytes(std::span(a)), std::as_bytes(std::span(b)));
}

}  // namespace rondo::kernels::testing
