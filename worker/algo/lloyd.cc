#include "worker/algo/lloyd.h"

#include <algorithm>
#include <limits>

#include <ATen/Parallel.h>
#include <faiss/Clustering.h>
#include <faiss/Index.h>

#include "kernels/api/backend.h"

namespace rondo {
namespace {

constexpr int64_t kLanes = 16;  // Nearest::stride is a multiple of it
constexpr int64_t kProductsPerTask = 1 << 18;
constexpr float kInfinity = std::numeric_limits<float>::infinity();

// Centres as kernels/api/codebook.h wants them: column k is centre k.
class CentreColumns {
 public:
  CentreColumns(const float* centres, int64_t count, int64_t dim)
      : count_(count),
        dim_(dim),
        stride_((count + kLanes - 1) / kLanes * kLanes),
        columns_(dim * stride_),
        half_norms_(stride_, kInfinity) {
    for (int64_t k = 0; k < count; ++k) {
      float norm = 0;
      for (int64_t d = 0; d < dim; ++d) {
        const float c = centres[k * dim + d];
        columns_[d * stride_ + k] = c;
        norm += c * c;
      }
      half_norms_[k] = norm / 2;
    }
  }

  void FindNearest(Metric metric, const Points& points, int32_t* codes, float* distances) const {
    auto* const nearest =
        metric == Metric::kL2 ? kernels::Cpu().nearest_l2 : kernels::Cpu().nearest_linf;
    const int64_t grain = std::max<int64_t>(1, kProductsPerTask / (dim_ * stride_));
    at::parallel_for(0, points.count, grain, [&](int64_t begin, int64_t end) {
      kernels::Nearest task;
      task.points = points.data + begin * dim_;
      task.count = end - begin;
      task.centres = columns_.data();
      task.stride = stride_;
      task.centre_count = count_;
      task.half_norms = half_norms_.data();
      task.dim = dim_;
      task.index = codes + begin;
      task.distance = distances + begin;
      nearest(task);
    });
  }

 private:
  int64_t count_;
  int64_t dim_;
  int64_t stride_;
  std::vector<float> columns_;     // [dim, stride]
  std::vector<float> half_norms_;  // [stride]
};

// What must fall for the iterations to go on.
struct Objectives {
  double sum = std::numeric_limits<double>::infinity();    // of all distances
  double worst = std::numeric_limits<double>::infinity();  // the largest; L2: not looked at

  bool Fell(const Objectives& before, double tolerance) const {
    return sum < (1 - tolerance) * before.sum || worst < (1 - tolerance) * before.worst;
  }
};

// What FAISS asks for the nearest centre, and the objective of the last answer: FAISS's own is a
// float32 sum, too coarse to be compared with the one before.
class NearestIndex final : public faiss::Index {
 public:
  explicit NearestIndex(int64_t dim) : faiss::Index(dim, faiss::METRIC_L2) {}

  void add(idx_t n, const float* centres) override {
    centres_.assign(centres, centres + n * d);
    ntotal = n;
  }
  void reset() override {
    centres_.clear();
    ntotal = 0;
  }
  void search(idx_t n, const float* x, idx_t /*k, which is 1*/, float* distances, idx_t* labels,
              const faiss::SearchParameters* /*params*/) const override {
    std::vector<int32_t> codes(n);
    CentreColumns(centres_.data(), ntotal, d)
        .FindNearest(Metric::kL2, {x, n, d}, codes.data(), distances);
    std::copy(codes.begin(), codes.end(), labels);
    objective_ = 0;
    for (idx_t i = 0; i < n; ++i) objective_ += distances[i];
  }

  double objective() const { return objective_; }

 private:
  std::vector<float> centres_;
  mutable double objective_ = 0;
};

// One iteration of FAISS at a time, as it has no tolerance.
class L2Step {
 public:
  L2Step(const Points& points, std::vector<float>* centres)
      : points_(points),
        centres_(centres),
        index_(points.dim),
        clustering_(static_cast<int>(points.dim),
                    static_cast<int>(static_cast<int64_t>(centres->size()) / points.dim)) {
    clustering_.niter = 1;
    clustering_.min_points_per_centroid = 1;
    clustering_.max_points_per_centroid = std::numeric_limits<int>::max();  // all are wanted
  }
  Objectives operator()() {
    clustering_.centroids = *centres_;
    clustering_.train(points_.count, points_.data, index_);
    *centres_ = clustering_.centroids;
    return {index_.objective(), 0};
  }

 private:
  const Points& points_;
  std::vector<float>* centres_;
  NearestIndex index_;
  faiss::Clustering clustering_;
};

class LinfStep {
 public:
  LinfStep(const Points& points, std::vector<float>* centres)
      : points_(points), centres_(centres) {}
  Objectives operator()() {
    const Assignment nearest = FindNearest(Metric::kLinf, points_, *centres_);
    low_.assign(centres_->size(), kInfinity);
    high_.assign(centres_->size(), -kInfinity);
    Objectives objectives = {0, 0};
    for (int64_t i = 0; i < points_.count; ++i) {
      const float* x = points_.data + i * points_.dim;
      const int64_t first = nearest.codes[i] * points_.dim;
      for (int64_t d = 0; d < points_.dim; ++d) {
        low_[first + d] = std::min(low_[first + d], x[d]);
        high_[first + d] = std::max(high_[first + d], x[d]);
      }
      const double distance = nearest.distances[i];
      objectives.sum += distance;
      objectives.worst = std::max(objectives.worst, distance);
    }
    for (size_t i = 0; i < centres_->size(); ++i) {
      if (low_[i] <= high_[i]) (*centres_)[i] = (low_[i] + high_[i]) / 2;
    }
    return objectives;
  }

 private:
  const Points& points_;
  std::vector<float>* centres_;
  std::vector<float> low_, high_;  // of the points of each centre, [k, dim]
};

template <typename Step>
int64_t Iterate(Step step, const LloydOptions& options) {
  Objectives before;
  int64_t done = 0;
  while (done < options.iterations) {
    const Objectives now = step();
    ++done;
    if (!now.Fell(before, options.tolerance)) break;
    before = now;
  }
  return done;
}

}  // namespace

int64_t RunLloyd(Metric metric, const Points& points, const LloydOptions& options,
                 std::vector<float>* centres) {
  return metric == Metric::kL2 ? Iterate(L2Step(points, centres), options)
                               : Iterate(LinfStep(points, centres), options);
}

Assignment FindNearest(Metric metric, const Points& points, const std::vector<float>& centres) {
  Assignment nearest;
  nearest.codes.resize(points.count);
  nearest.distances.resize(points.count);
  const auto count = static_cast<int64_t>(centres.size()) / points.dim;
  CentreColumns(centres.data(), count, points.dim)
      .FindNearest(metric, points, nearest.codes.data(), nearest.distances.data());
  return nearest;
}

}  // namespace rondo
