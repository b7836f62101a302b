#include "kernels/api/cuda.h"
#include "kernels/cuda/cuda_status.h"
#include "kernels/cuda/device_ops.h"
#include "kernels/cuda/launch.h"
#include "kernels/reference/exp.h"
#include "kernels/reference/log.h"

namespace rondo::kernels::cuda {
namespace {

// kErrorSums threads a chunk of columns, so many chunks at a time.
constexpr int kChunks = kThreads / kErrorSums;
enum { kTeacher, kStudent, kCross, kSums };

// The largest of a row, in every thread of the block.
template <typename T>
__device__ float Largest(const T* x, int64_t cols) {
  __shared__ float mosts[kThreads];
  float most = -INFINITY;
  for (int64_t j = threadIdx.x; j < cols; j += kThreads) most = fmaxf(most, Widen(x[j]));
  __syncthreads();
  mosts[threadIdx.x] = most;
  for (int width = kThreads / 2; width > 0; width /= 2) {
    __syncthreads();
    if (threadIdx.x < width) {
      mosts[threadIdx.x] = fmaxf(mosts[threadIdx.x], mosts[threadIdx.x + width]);
    }
  }
  __syncthreads();
  return mosts[0];
}

template <typename T>
struct Row {
  const T* teacher;
  T* student;
  int64_t cols;
  float teacher_most, student_most, inverse;

  __device__ float U(int64_t j) const { return (Widen(teacher[j]) - teacher_most) * inverse; }
  __device__ float V(int64_t j) const { return (Widen(student[j]) - student_most) * inverse; }

  // This thread's float32 sums of one chunk.
  __device__ void AddChunk(int64_t begin, float (&sums)[kSums]) const {
    const int64_t end = begin + kDistillChunk < cols ? begin + kDistillChunk : cols;
    for (int64_t j = begin + threadIdx.x % kErrorSums; j < end; j += kErrorSums) {
      const float u = U(j), v = V(j), a = Exp<DeviceOps>(u);
      sums[kTeacher] += a;
      sums[kStudent] += Exp<DeviceOps>(v);
      sums[kCross] = fmaf(a, u - v, sums[kCross]);
    }
  }
};

// The sums of the row into totals, which all threads may read afterwards.
template <typename T>
__device__ void Sum(const Row<T>& row, double (&totals)[kSums]) {
  __shared__ float parts[kSums][kChunks][kErrorSums];
  __shared__ double lanes[kSums][kErrorSums];
  const int chunk = threadIdx.x / kErrorSums, lane = threadIdx.x % kErrorSums;
  double total = 0.0;  // of sum `chunk` and lane, in the first kSums * kErrorSums threads
  for (int64_t begin = 0; begin < row.cols; begin += kChunks * kDistillChunk) {
    float sums[kSums] = {};
    row.AddChunk(begin + chunk * kDistillChunk, sums);
    __syncthreads();
    for (int s = 0; s < kSums; ++s) parts[s][chunk][lane] = sums[s];
    __syncthreads();
    for (int c = 0; chunk < kSums && c < kChunks; ++c) total += parts[chunk][c][lane];
  }
  if (chunk < kSums) lanes[chunk][lane] = total;
  for (int width = kErrorSums / 2; width > 0; width /= 2) {
    __syncthreads();
    if (chunk < kSums && lane < width) lanes[chunk][lane] += lanes[chunk][lane + width];
  }
  __syncthreads();
  for (int s = 0; s < kSums; ++s) totals[s] = lanes[s][0];
}

// A block a row.
template <typename T>
__global__ void DistillKernel(Matrix<const T> teachers, Matrix<T> students, float temperature,
                              double* loss) {
  Row<T> row = {teachers.data + blockIdx.x * teachers.stride,
                students.data + blockIdx.x * students.stride, teachers.cols};
  row.inverse = 1.0f / temperature;
  row.teacher_most = Largest(row.teacher, row.cols);
  row.student_most = Largest<T>(row.student, row.cols);
  double totals[kSums];
  Sum(row, totals);
  const double t = temperature, a = totals[kTeacher], b = totals[kStudent];
  const float a_scale = static_cast<float>(t / a), b_scale = static_cast<float>(t / b);
  for (int64_t j = threadIdx.x; j < row.cols; j += kThreads) {
    const float q = Exp<DeviceOps>(row.V(j)) * b_scale;
    Narrow(fmaf(-Exp<DeviceOps>(row.U(j)), a_scale, q), row.student + j);
  }
  if (threadIdx.x == 0) loss[blockIdx.x] = t * t * (totals[kCross] / a + Log<DeviceOps>(b / a));
}

}  // namespace

template <typename T>
absl::Status Distill(Matrix<const T> teacher, Matrix<T> student, float temperature, double* loss,
                     void* stream) {
  if (teacher.rows == 0) return absl::OkStatus();
  DistillKernel<<<static_cast<unsigned>(teacher.rows), kThreads, 0,
                  static_cast<cudaStream_t>(stream)>>>(teacher, student, temperature, loss);
  RETURN_IF_CUDA_ERROR(cudaGetLastError());
  return absl::OkStatus();
}

template absl::Status Distill(Matrix<const float>, Matrix<float>, float, double*, void*);
template absl::Status Distill(Matrix<const uint16_t>, Matrix<uint16_t>, float, double*, void*);

}  // namespace rondo::kernels::cuda
