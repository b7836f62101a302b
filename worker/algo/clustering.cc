#include "worker/algo/clustering.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <span>
#include <utility>
#include <vector>

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include "common/base/random.h"
#include "kernels/api/codebook.h"
#include "worker/algo/lloyd.h"
#include "worker/model/catch_torch.h"

namespace rondo {
namespace {

constexpr int64_t kMaxCodes = 65536;
constexpr int64_t kPointsPerCode = 256;  // FAISS's max_points_per_centroid

struct Codebook {
  std::vector<float> centres;  // [k, dim]
  std::vector<int32_t> codes;
  int64_t iterations = 0;
};

std::span<const float> Row(const Points& points, int64_t i) {
  return {points.data + i * points.dim, static_cast<size_t>(points.dim)};
}

std::vector<float> Gather(const Points& points, std::span<const int64_t> rows) {
  std::vector<float> gathered;
  gathered.reserve(rows.size() * points.dim);
  for (const int64_t i : rows) {
    const auto row = Row(points, i);
    gathered.insert(gathered.end(), row.begin(), row.end());
  }
  return gathered;
}

// The first `wanted` of a random order of 0..count-1 (Fisher and Yates).
std::vector<int64_t> Sample(int64_t count, int64_t wanted, uint64_t seed) {
  SplitMix64 random(seed);
  std::vector<int64_t> order(count);
  std::iota(order.begin(), order.end(), 0);
  for (int64_t i = 0; i < wanted; ++i) {
    std::swap(order[i], order[i + static_cast<int64_t>(random.Below(count - i))]);
  }
  order.resize(wanted);
  return order;
}

Codebook Train(Metric metric, const Points& points, int64_t rows, const ClusteringOptions& options,
               uint64_t seed) {
  const int64_t used = std::min(points.count, rows * kPointsPerCode);
  const std::vector<int64_t> sample = Sample(points.count, used, seed);
  Codebook codebook;
  codebook.centres = Gather(points, std::span(sample).first(rows));
  const LloydOptions lloyd = {options.iterations, options.tolerance};
  if (used == points.count) {
    codebook.iterations = RunLloyd(metric, points, lloyd, &codebook.centres);
  } else {
    const std::vector<float> trained = Gather(points, sample);
    codebook.iterations =
        RunLloyd(metric, {trained.data(), used, points.dim}, lloyd, &codebook.centres);
  }
  return codebook;
}

Codebook ClusterTogether(Metric metric, const Points& points, const ClusteringOptions& options) {
  Codebook codebook = Train(metric, points, options.codes, options, options.seed);
  codebook.codes = FindNearest(metric, points, codebook.centres).codes;
  return codebook;
}

// Bit d: element d rounds up.
uint32_t Pattern(std::span<const float> block) {
  uint32_t pattern = 0;
  for (size_t d = 0; d < block.size(); ++d) pattern |= static_cast<uint32_t>(block[d] >= 0) << d;
  return pattern;
}

// The blocks of one pattern of decisions and their share of the codebook.
struct Group {
  uint32_t pattern = 0;
  int64_t first = 0;  // of its blocks in Groups::order
  int64_t count = 0;
  int64_t rows = 0;
};

struct Groups {
  std::vector<int64_t> order;  // of the blocks, by pattern
  std::vector<Group> groups;   // in order of pattern, none is empty
};

Groups GroupByPattern(const Points& points) {
  std::vector<uint32_t> pattern(points.count);
  for (int64_t i = 0; i < points.count; ++i) pattern[i] = Pattern(Row(points, i));
  Groups result;
  result.order.resize(points.count);
  std::iota(result.order.begin(), result.order.end(), 0);
  std::stable_sort(result.order.begin(), result.order.end(),
                   [&](int64_t a, int64_t b) { return pattern[a] < pattern[b]; });
  for (int64_t i = 0; i < points.count; ++i) {
    const uint32_t here = pattern[result.order[i]];
    if (result.groups.empty() || result.groups.back().pattern != here) {
      result.groups.push_back({here, i, 0, 0});
    }
    ++result.groups.back().count;
  }
  return result;
}

// One row each, the others in proportion to the blocks that are left, by largest remainder (the
// first of equals). No group gets more rows than blocks. REQUIRES: groups <= rows <= blocks.
void DivideRows(int64_t rows, std::vector<Group>* groups) {
  const auto group_count = static_cast<int64_t>(groups->size());
  int64_t blocks = -group_count;
  for (const Group& group : *groups) blocks += group.count;
  const int64_t spare = rows - group_count;
  int64_t given = 0;
  std::vector<std::pair<int64_t, int64_t>> remainders;  // negative, group
  remainders.reserve(group_count);
  for (int64_t g = 0; g < group_count; ++g) {
    const int64_t product = spare * ((*groups)[g].count - 1);
    const int64_t share = blocks == 0 ? 0 : product / blocks;
    (*groups)[g].rows = 1 + share;
    given += share;
    remainders.emplace_back(share * blocks - product, g);
  }
  std::sort(remainders.begin(), remainders.end());
  for (int64_t i = 0; i < spare - given; ++i) ++(*groups)[remainders[i].second].rows;
}

// No decision flips: a mean of negatives is negative, one of others is not, and FAISS makes a new
// cluster by scaling a centre.
absl::StatusOr<Codebook> ClusterWithinPatterns(const Points& points,
                                               const ClusteringOptions& options) {
  Groups grouped = GroupByPattern(points);
  std::vector<Group>& groups = grouped.groups;
  const auto group_count = static_cast<int64_t>(groups.size());
  if (options.codes < group_count) {
    return absl::InvalidArgumentError(absl::StrCat(
        "a codebook of ", options.codes, " rows cannot keep the ", group_count,
        " patterns of decisions of ", points.count, " blocks; at least ", group_count,
        " rows are needed: raise the codes or the codebook's share of the weights, lower the "
        "dimension of a block, or choose clusters that do not preserve signs"));
  }
  DivideRows(options.codes, &groups);
  const std::vector<float> sorted = Gather(points, grouped.order);
  std::vector<Codebook> parts(group_count);
  // Each pattern on one thread: a few hundred blocks are too few to share.
  at::parallel_for(0, group_count, 1, [&](int64_t begin, int64_t end) {
    for (int64_t g = begin; g < end; ++g) {
      const Group& group = groups[g];
      const Points mine = {sorted.data() + group.first * points.dim, group.count, points.dim};
      parts[g] = Train(Metric::kL2, mine, group.rows, options, options.seed + group.pattern);
      parts[g].codes = FindNearest(Metric::kL2, mine, parts[g].centres).codes;
    }
  });
  Codebook whole;
  whole.codes.resize(points.count);
  int32_t first_row = 0;
  for (int64_t g = 0; g < group_count; ++g) {
    const Codebook& part = parts[g];
    for (int64_t i = 0; i < groups[g].count; ++i) {
      whole.codes[grouped.order[groups[g].first + i]] = first_row + part.codes[i];
    }
    whole.centres.insert(whole.centres.end(), part.centres.begin(), part.centres.end());
    whole.iterations = std::max(whole.iterations, part.iterations);
    first_row += static_cast<int32_t>(groups[g].rows);
  }
  return whole;
}

absl::Status Check(const at::Tensor& blocks, const ClusteringOptions& options) {
  const bool fits = blocks.dim() == 2 && blocks.scalar_type() == at::kFloat && blocks.is_cpu() &&
                    blocks.size(0) > 0 && blocks.size(1) > 0 &&
                    blocks.size(1) <= kernels::kMaxCodebookDim;
  if (!fits) {
    return absl::InvalidArgumentError(
        absl::StrCat("blocks of rounding variables must be a float32 matrix on the CPU, with 1 to ",
                     kernels::kMaxCodebookDim, " columns and at least one row"));
  }
  if (options.codes < 1 || options.codes > std::min(kMaxCodes, blocks.size(0))) {
    return absl::InvalidArgumentError(
        absl::StrCat("a codebook of ", options.codes, " rows for ", blocks.size(0),
                     " blocks; from 1 to ", std::min(kMaxCodes, blocks.size(0)), " are possible"));
  }
  if (!blocks.isfinite().all().item<bool>()) {
    return absl::InvalidArgumentError("the blocks of rounding variables hold NaN or Inf");
  }
  return absl::OkStatus();
}

absl::StatusOr<Codebook> Cluster(const Points& points, const ClusteringOptions& options) {
  switch (options.kind) {
    case Clustering::kL2: return ClusterTogether(Metric::kL2, points, options);
    case Clustering::kLinf: return ClusterTogether(Metric::kLinf, points, options);
    case Clustering::kSignPreserving: return ClusterWithinPatterns(points, options);
  }
  return absl::InvalidArgumentError("an unknown kind of clustering");
}

Clusters Measured(const Points& points, const Codebook& codebook) {
  const auto rows = static_cast<int64_t>(codebook.centres.size()) / points.dim;
  Clusters clusters;
  clusters.iterations = codebook.iterations;
  clusters.centres = at::tensor(codebook.centres).view({rows, points.dim});
  clusters.codes = at::tensor(codebook.codes, at::kInt);
  int64_t flipped = 0;
  for (int64_t i = 0; i < points.count; ++i) {
    const auto block = Row(points, i);
    const float* centre = codebook.centres.data() + codebook.codes[i] * points.dim;
    for (int64_t d = 0; d < points.dim; ++d) {
      const double difference = static_cast<double>(block[d]) - centre[d];
      clusters.distortion += difference * difference;
      if ((block[d] >= 0) != (centre[d] >= 0)) ++flipped;
    }
  }
  const auto elements = static_cast<double>(points.count * points.dim);
  clusters.distortion /= elements;
  clusters.flipped = static_cast<double>(flipped) / elements;
  return clusters;
}

}  // namespace

absl::StatusOr<Clusters> ClusterBlocks(const at::Tensor& blocks, const ClusteringOptions& options) {
  return CatchTorch("clustering", [&]() -> absl::StatusOr<Clusters> {
    RETURN_IF_ERROR(Check(blocks, options));
    const at::Tensor rows = blocks.contiguous();
    const Points points = {rows.const_data_ptr<float>(), rows.size(0), rows.size(1)};
    ASSIGN_OR_RETURN(const Codebook codebook, Cluster(points, options));
    return Measured(points, codebook);
  });
}

int64_t CodebookRows(const CodebookSettings& settings, int64_t weights) {
  const double most = std::floor(settings.max_share * static_cast<double>(weights) /
                                 static_cast<double>(settings.dim));
  int64_t least = 1;
  if (settings.clustering == Clustering::kSignPreserving) {
    least = std::min(int64_t{1} << settings.dim, weights / settings.dim);
  }
  return std::min(std::max(static_cast<int64_t>(most), least), settings.codes);
}

}  // namespace rondo
