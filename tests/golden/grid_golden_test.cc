// Grids and round to nearest against float64 vectors (tests/data/golden/PROVENANCE.md).
#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "tests/golden/golden.h"
#include "worker/algo/grid.h"

namespace rondo {
namespace {

using testing::Close;
using testing::Golden;

constexpr int64_t kRowWithoutNegatives = 3;

// The reference leaves the range of a symmetric row without negative entries at [0, max]; Rondo
// makes it symmetric (docs/algorithms.md 1.3), so that row is not compared.
at::Tensor Compared(const at::Tensor& t, bool symmetric) {
  if (!symmetric) return t;
  return at::cat({t.narrow(0, 0, kRowWithoutNegatives), t.slice(0, kRowWithoutNegatives + 1)});
}

TEST(GridGoldenTest, MinMaxAndSearchedGrids) {
  const Golden golden("grids_rtn");
  for (int bits : {2, 3, 4, 8}) {
    for (bool symmetric : {false, true}) {
      for (int64_t group : {0, 16}) {
        for (bool mse : {false, true}) {
          const std::string key =
              absl::StrCat("b", bits, "_sym", symmetric ? 1 : 0, "_g", group, "_mse", mse ? 1 : 0);
          GridOptions options;
          options.spec = {bits, group == 0 ? -1 : group, symmetric};
          options.mse = mse;
          const auto grid = FitGrid(golden.Float("W"), options);
          ASSERT_TRUE(grid.ok()) << grid.status();
          EXPECT_TRUE(Close(Compared(grid->scale, symmetric),
                            Compared(golden.Get("scale_" + key), symmetric)))
              << key;
          EXPECT_TRUE(at::equal(Compared(grid->zero_point, symmetric).to(at::kDouble),
                                Compared(golden.Get("zero_" + key), symmetric)))
              << key;
        }
      }
    }
  }
}

TEST(GridGoldenTest, RoundToNearest) {
  const Golden golden("grids_rtn");
  GridOptions options;
  options.spec = {4, 16, false};
  const auto linear = RoundToNearest(golden.Float("W"), options);
  ASSERT_TRUE(linear.ok()) << linear.status();
  EXPECT_TRUE(at::equal(linear->codes.to(at::kDouble), golden.Get("rtn_codes_b4_g16")));
  EXPECT_TRUE(Close(*Dequantize(*linear, at::kFloat), golden.Get("rtn_Q_b4_g16")));
}

}  // namespace
}  // namespace rondo
