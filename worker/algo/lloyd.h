// Lloyd's iterations from given centres, and the nearest centre of each point. Deterministic,
// whatever the number of threads; inside an at::parallel_for they run on the caller's thread.
// Private to worker/algo and its tests. Throws as FAISS does.
#pragma once

#include <cstdint>
#include <vector>

namespace rondo {

enum class Metric {
  kL2,    // squared Euclidean distance; a centre is the mean of its points
  kLinf,  // largest element of the difference; a centre is the middle of its points' range
};

struct Points {
  const float* data = nullptr;  // [count, dim]
  int64_t count = 0;
  int64_t dim = 0;
};

struct LloydOptions {
  int64_t iterations = 25;  // at most
  double tolerance = 1e-3;  // stops when no objective falls by more than this share
};

// Moves `centres`, [k, dim], 1 <= k <= points.count; returns the iterations made. Of a cluster
// without points, L2 makes half of a large one (FAISS), L-infinity keeps the centre.
int64_t RunLloyd(Metric metric, const Points& points, const LloydOptions& options,
                 std::vector<float>* centres);

// The index of the nearest centre, ties to the lowest, and its distance; both [points.count].
struct Assignment {
  std::vector<int32_t> codes;
  std::vector<float> distances;
};
Assignment FindNearest(Metric metric, const Points& points, const std::vector<float>& centres);

}  // namespace rondo
