// CUDA errors as absl::Status: INTERNAL with the expression, the error's name and where.
#pragma once

#include <cuda_runtime_api.h>

#include "common/base/status.h"

#define RETURN_IF_CUDA_ERROR(expr)                                                               \
  do {                                                                                           \
    if (const cudaError_t rondo_cuda_error = (expr); rondo_cuda_error != cudaSuccess) {          \
      return absl::InternalError(absl::StrCat(#expr, ": ", cudaGetErrorString(rondo_cuda_error), \
                                              " (", cudaGetErrorName(rondo_cuda_error), "), ",   \
                                              __FILE__, ":", __LINE__));                         \
    }                                                                                            \
  } while (false)
