// Distillation from a teacher's k most probable tokens against float64 vectors
// (tests/data/golden/PROVENANCE.md, kd.npz).
#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "tests/golden/golden.h"
#include "worker/train/teacher_cache.h"

namespace rondo {
namespace {

using testing::Golden;

bool Near(const at::Tensor& got, const at::Tensor& want) {
  return at::allclose(got.to(at::kDouble), want, 1e-4, 1e-6);
}

TEST(DistillGoldenTest, TopKAndTail) {
  const Golden golden("kd");
  const double temperature = golden.Scalar("T");
  for (int64_t k : {16, 64}) {
    const std::string suffix = absl::StrCat("_k", k);
    const TopK top = MakeTopK(golden.Float("zt"), temperature, k);
    EXPECT_TRUE(at::equal(top.ids.to(at::kDouble), golden.Get("ids" + suffix)));
    EXPECT_TRUE(Near(top.log_prob, golden.Get("logp" + suffix)));
    EXPECT_TRUE(Near(top.tail, golden.Get("tail" + suffix)));
    at::Tensor gradient;
    const double loss = TopKDivergence(golden.Float("zs"), top, temperature, &gradient);
    const double want = golden.Scalar("loss" + suffix);
    EXPECT_NEAR(loss, want, 1e-4 * want);
    EXPECT_TRUE(Near(gradient, golden.Get("grad" + suffix)));
  }
}

}  // namespace
}  // namespace rondo
