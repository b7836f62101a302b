// Distillation over 16 lanes of columns, in three passes over a pair of rows: the maxima, the sums,
// the gradient. The last two find the rows in the cache.
#pragma once

#include "kernels/api/distill.h"
#include "kernels/cpu/elementwise-inl.h"
#include "kernels/reference/exp.h"
#include "kernels/reference/log.h"

namespace rondo::kernels::cpu {

// kDistillChunk of kernels/api/distill.h.
template <typename Ops>
struct DoubleSum {
  double lanes[kErrorSums] = {};

  void Add(typename Ops::F chunk) {
    float values[kErrorSums];
    Ops::Store(values, chunk);
    for (int l = 0; l < kErrorSums; ++l) lanes[l] += values[l];
  }
  double Total() {
    for (int width = kErrorSums / 2; width > 0; width /= 2) {
      for (int l = 0; l < width; ++l) lanes[l] += lanes[l + width];
    }
    return lanes[0];
  }
};

template <typename Ops, typename T>
class DistillRow {
 public:
  DistillRow(const T* teacher, T* student, int64_t cols, float temperature)
      : teacher_(teacher),
        student_(student),
        cols_(cols),
        temperature_(temperature),
        inverse_(Ops::Set1(1.0f / temperature)),
        teacher_most_(Largest(teacher)),
        student_most_(Largest(student)) {}

  double Run() {
    DoubleSum<Ops> teacher, student, cross;
    for (int64_t begin = 0; begin < cols_; begin += kDistillChunk) {
      const int64_t left = cols_ - begin;
      F a = Ops::Set1(0.0f), b = a, c = a;
      AddChunk(begin, left < kDistillChunk ? left : kDistillChunk, &a, &b, &c);
      teacher.Add(a);
      student.Add(b);
      cross.Add(c);
    }
    const double a = teacher.Total(), b = student.Total();
    WriteGradient(static_cast<float>(temperature_ / a), static_cast<float>(temperature_ / b));
    const double t = temperature_;
    return t * t * (cross.Total() / a + Log<Ops>(b / a));
  }

 private:
  using F = typename Ops::F;
  using L = Lanes<Ops, T>;

  F Largest(const T* x) const {
    float lanes[kLanes], most = -__builtin_inff();
    F mosts = Ops::Set1(most);
    const auto fold = [&](int64_t n) {
      for (int64_t l = 0; l < n; ++l) most = lanes[l] > most ? lanes[l] : most;
    };
    int64_t j = 0;
    for (; j + kLanes <= cols_; j += kLanes) mosts = Ops::Max(mosts, L::LoadN(x + j, kLanes));
    Ops::Store(lanes, mosts);
    fold(kLanes);
    if (j < cols_) {
      Ops::Store(lanes, L::LoadN(x + j, cols_ - j));
      fold(cols_ - j);
    }
    return Ops::Set1(most);
  }

  F U(int64_t j, int64_t n) const {
    return Ops::Mul(Ops::Sub(L::LoadN(teacher_ + j, n), teacher_most_), inverse_);
  }
  F V(int64_t j, int64_t n) const {
    return Ops::Mul(Ops::Sub(L::LoadN(student_ + j, n), student_most_), inverse_);
  }
  // Zero in the lanes past n.
  static F Keep(F v, int64_t n) {
    if (n == kLanes) return v;
    float lanes[kLanes];
    Ops::Store(lanes, v);
    return Ops::LoadN(lanes, n);
  }

  void AddChunk(int64_t begin, int64_t count, F* teacher, F* student, F* cross) const {
    F a_sum = *teacher, b_sum = *student, c_sum = *cross;
    ForColumns(
        count, [&](int64_t at, int64_t n) __attribute__((always_inline)) {
          const F u = U(begin + at, n), v = V(begin + at, n);
          const F a = Keep(Exp<Ops>(u), n);
          a_sum = Ops::Add(a_sum, a);
          b_sum = Ops::Add(b_sum, Keep(Exp<Ops>(v), n));
          c_sum = Ops::Fma(a, Ops::Sub(u, v), c_sum);
        });
    *teacher = a_sum;
    *student = b_sum;
    *cross = c_sum;
  }

  void WriteGradient(float teacher_scale, float student_scale) const {
    const F a_scale = Ops::Set1(teacher_scale), b_scale = Ops::Set1(student_scale);
    ForColumns(
        cols_, [&](int64_t j, int64_t n) __attribute__((always_inline)) {
          const F q = Ops::Mul(Exp<Ops>(V(j, n)), b_scale);
          L::StoreN(student_ + j, Ops::FnMadd(Exp<Ops>(U(j, n)), a_scale, q), n);
        });
  }

  const T* teacher_;
  T* student_;
  const int64_t cols_;
  const float temperature_;
  const F inverse_, teacher_most_, student_most_;
};

template <typename Ops, typename T>
void Distill(Matrix<const T> teacher, Matrix<T> student, float temperature, double* loss) {
  for (int64_t r = 0; r < teacher.rows; ++r) {
    loss[r] = DistillRow<Ops, T>(teacher.data + r * teacher.stride,
                                 student.data + r * student.stride, teacher.cols, temperature)
                  .Run();
  }
}

}  // namespace rondo::kernels::cpu
