// Learned rounding against float64 vectors (tests/data/golden/PROVENANCE.md, vqround.npz).
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "gtest/gtest.h"
#include "kernels/api/codebook.h"
#include "tests/golden/golden.h"
#include "worker/algo/lloyd.h"
#include "worker/algo/rounding_start.h"

namespace rondo {
namespace {

using testing::Close;
using testing::Golden;

constexpr int kBits = 3;
constexpr int kMaxq = (1 << kBits) - 1;

class RoundingGoldenTest : public ::testing::Test {
 protected:
  RoundingGoldenTest() : golden_("vqround") {}

  Grid GridOf() const {
    return {golden_.Float("scale"), golden_.Float("zero"), golden_.Get("W").size(1), kBits};
  }
  at::Tensor Weight(const at::Tensor& base, const at::Tensor& r) const {
    const at::Tensor code = (base + r).clamp(0, kMaxq);
    return (code - golden_.Get("zero")) * golden_.Get("scale");
  }
  // Ten iterations from kmeans_init over the blocks of alpha0, then the nearest centres.
  void ExpectLloyd(Metric metric, const std::string& codebook, const std::string& codes) const {
    const at::Tensor blocks = golden_.Float("alpha0").reshape({-1, 8});
    const Points points = {blocks.const_data_ptr<float>(), blocks.size(0), blocks.size(1)};
    const at::Tensor start = golden_.Float("kmeans_init").contiguous();
    const float* first = start.const_data_ptr<float>();
    std::vector<float> centres(first, first + start.numel());
    RunLloyd(metric, points, {10, /*tolerance=*/0}, &centres);
    const at::Tensor got = at::tensor(centres, at::kDouble).view(start.sizes());
    EXPECT_TRUE(at::allclose(got, golden_.Get(codebook), 1e-4, 1e-5));
    const at::Tensor nearest = at::tensor(FindNearest(metric, points, centres).codes, at::kDouble);
    EXPECT_TRUE(at::equal(nearest, golden_.Get(codes)));
  }

  const Golden golden_;
};

TEST_F(RoundingGoldenTest, Start) {
  const auto start = FractionalStart(golden_.Float("W"), GridOf(), {});
  ASSERT_TRUE(start.ok()) << start.status();
  EXPECT_TRUE(at::allclose(start->alpha.to(at::kDouble), golden_.Get("alpha0"), 1e-4, 1e-5));
  const at::Tensor base =
      golden_.Get("base_int") + golden_.Get("zero") + kernels::BaseOffset(kMaxq);
  EXPECT_TRUE(at::equal(start->base.to(at::kDouble), base));
  const at::Tensor alpha0 = InverseRectifiedSigmoid(golden_.Float("rest"));
  EXPECT_TRUE(at::allclose(alpha0.to(at::kDouble), golden_.Get("alpha0"), 1e-4, 1e-6));
}

TEST_F(RoundingGoldenTest, SoftAndHardWeights) {
  const auto start = FractionalStart(golden_.Float("W"), GridOf(), {});
  ASSERT_TRUE(start.ok()) << start.status();
  const at::Tensor base = start->base.to(at::kDouble) - kernels::BaseOffset(kMaxq);
  const at::Tensor alpha = golden_.Float("alpha");
  const at::Tensor r = RectifiedSigmoid(alpha).to(at::kDouble);
  EXPECT_TRUE(at::allclose(r, golden_.Get("r_soft"), 1e-4, 1e-6));
  EXPECT_TRUE(at::allclose(Weight(base, r), golden_.Get("Wq_soft"), 1e-4, 1e-6));
  const at::Tensor hard = alpha.ge(0).to(at::kDouble);
  EXPECT_TRUE(Close(Weight(base, hard), golden_.Get("Wq_hard")));
  EXPECT_TRUE(at::equal((base + hard).clamp(0, kMaxq), golden_.Get("export_codes")));
  const at::Tensor pre = base + r;
  const at::Tensor mask = pre.ge(0).logical_and(pre.le(kMaxq)).to(at::kDouble);
  const at::Tensor slope = RectifiedSigmoidSlope(alpha, /*saturate=*/true).to(at::kDouble);
  EXPECT_TRUE(at::allclose(golden_.Get("gW") * golden_.Get("scale") * mask * slope,
                           golden_.Get("grad_alpha"), 1e-4, 1e-7));
}

TEST_F(RoundingGoldenTest, Regulariser) {
  const at::Tensor alpha = golden_.Float("codebook");
  const at::Tensor counts = golden_.Get("counts");
  for (double beta : {20.0, 7.25, 2.0}) {
    const std::string name =
        absl::StrReplaceAll(absl::StrCat("beta", beta, beta == 7.25 ? "" : ".0"), {{".", "p"}});
    const at::Tensor sum = (counts * RoundRegulariser(alpha, beta).to(at::kDouble)).sum();
    const double want = golden_.Scalar("reg_" + name);
    EXPECT_NEAR(sum.item<double>(), want, 1e-5 * want);
    const at::Tensor slope = counts * RoundRegulariserSlope(alpha, beta).to(at::kDouble);
    EXPECT_TRUE(at::allclose(slope, golden_.Get("reg_grad_" + name), 1e-4, 1e-6)) << name;
  }
}

TEST_F(RoundingGoldenTest, LloydWithSquaredDistances) {
  ExpectLloyd(Metric::kL2, "codebook_l2", "codes");
}

TEST_F(RoundingGoldenTest, LloydWithLargestElements) {
  ExpectLloyd(Metric::kLinf, "codebook_linf", "codes_linf");
}

}  // namespace
}  // namespace rondo
