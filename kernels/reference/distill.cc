#include <algorithm>
#include <cmath>

#include "kernels/reference/bf16.h"
#include "kernels/reference/exp.h"
#include "kernels/reference/float_ops.h"
#include "kernels/reference/log.h"
#include "kernels/reference/reference.h"

namespace rondo::kernels::reference {
namespace {

// kDistillChunk of kernels/api/distill.h.
class Sum {
 public:
  float& Lane(int64_t column) { return chunk_[column % kErrorSums]; }
  void EndChunk() {
    for (int l = 0; l < kErrorSums; ++l) total_[l] += chunk_[l];
    std::fill_n(chunk_, kErrorSums, 0.0f);
  }
  double Total() {
    for (int width = kErrorSums / 2; width > 0; width /= 2) {
      for (int l = 0; l < width; ++l) total_[l] += total_[l + width];
    }
    return total_[0];
  }

 private:
  float chunk_[kErrorSums] = {};
  double total_[kErrorSums] = {};
};

template <typename T>
float Largest(const T* x, int64_t cols) {
  float most = Widen(x[0]);
  for (int64_t j = 1; j < cols; ++j) most = std::max(most, Widen(x[j]));
  return most;
}

template <typename T>
double Row(const T* teacher, T* student, int64_t cols, float temperature) {
  const float inverse = 1.0f / temperature;
  const float teacher_most = Largest(teacher, cols), student_most = Largest(student, cols);
  const auto u = [&](int64_t j) { return (Widen(teacher[j]) - teacher_most) * inverse; };
  const auto v = [&](int64_t j) { return (Widen(student[j]) - student_most) * inverse; };
  Sum teacher_sum, student_sum, cross_sum;
  for (int64_t begin = 0; begin < cols; begin += kDistillChunk) {
    for (int64_t j = begin; j < std::min(begin + kDistillChunk, cols); ++j) {
      const float a = Exp<FloatOps>(u(j));
      teacher_sum.Lane(j) += a;
      student_sum.Lane(j) += Exp<FloatOps>(v(j));
      cross_sum.Lane(j) = std::fma(a, u(j) - v(j), cross_sum.Lane(j));
    }
    for (Sum* sum : {&teacher_sum, &student_sum, &cross_sum}) sum->EndChunk();
  }
  const double a = teacher_sum.Total(), b = student_sum.Total();
  const auto a_scale = static_cast<float>(temperature / a);
  const auto b_scale = static_cast<float>(temperature / b);
  for (int64_t j = 0; j < cols; ++j) {
    const float q = Exp<FloatOps>(v(j)) * b_scale;
    student[j] = Narrow<T>(std::fma(-Exp<FloatOps>(u(j)), a_scale, q));
  }
  const double t = temperature;
  return t * t * (cross_sum.Total() / a + Log<FloatOps>(b / a));
}

}  // namespace

template <typename T>
void Distill(Matrix<const T> teacher, Matrix<T> student, float temperature, double* loss) {
  for (int64_t r = 0; r < teacher.rows; ++r) {
    loss[r] = Row(teacher.data + r * teacher.stride, student.data + r * student.stride,
                  teacher.cols, temperature);
  }
}

template DistillFn<float> Distill<float>;
template DistillFn<uint16_t> Distill<uint16_t>;

}  // namespace rondo::kernels::reference
