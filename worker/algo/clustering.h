// Clusters blocks of rounding variables into the rows of a codebook (docs/algorithms.md 5.2):
// k-means by FAISS, its assignments by kernels/api/codebook.h. Deterministic for a seed, whatever
// the number of threads. Functions of tensors; thread-safe.
#pragma once

#include <cstdint>

#include <ATen/core/Tensor.h>

#include "common/base/status.h"
#include "common/domain/job_spec.h"

namespace rondo {

struct ClusteringOptions {
  Clustering kind = Clustering::kSignPreserving;
  int64_t codes = 4096;     // at most; 1..65536
  int64_t iterations = 25;  // at most
  double tolerance = 1e-3;
  uint64_t seed = 0;
};

struct Clusters {
  at::Tensor centres;     // [K, dim] float32, K <= options.codes
  at::Tensor codes;       // [blocks] int32, in [0, K)
  double distortion = 0;  // mean squared distance per element
  double flipped = 0;  // share of elements whose sign differs from their centre's (0 is positive)
  int64_t iterations = 0;
};

// blocks: [count, dim] float32 on the CPU, dim <= 16. At most 256 blocks a code are trained on, as
// in FAISS. kSignPreserving divides the codes over the patterns of signs that occur, by their
// blocks, and needs at least one a pattern.
// INVALID_ARGUMENT when options.codes > count, or blocks hold NaN or Inf, or occur in more patterns
// than there are codes.
absl::StatusOr<Clusters> ClusterBlocks(const at::Tensor& blocks, const ClusteringOptions& options);

// options.codes for `weights` weights that share one codebook: settings.codes, lowered so that the
// codebook holds at most settings.max_share variables a weight, but not below 1, nor, for clusters
// that preserve signs, below a row for each pattern of decisions.
int64_t CodebookRows(const CodebookSettings& settings, int64_t weights);

}  // namespace rondo
