#include "worker/model/attention.h"

#include <ATen/ATen.h>

#include "gtest/gtest.h"

namespace rondo {
namespace {

// softmax(q k^T / sqrt(dim) over earlier positions) v from the definition, in float64.
at::Tensor Expected(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v) {
  const int64_t seq = q.size(2);
  const at::Tensor scores =
      at::einsum("bhsgd,bhtd->bhgst", {q.to(at::kDouble), k.to(at::kDouble)}) /
      std::sqrt(q.size(4));
  const at::Tensor future = at::ones({seq, seq}, at::kBool).triu(1);
  const at::Tensor weights =
      at::softmax(scores.masked_fill(future, -std::numeric_limits<double>::infinity()), -1);
  return at::einsum("bhgst,bhtd->bshgd", {weights, v.to(at::kDouble)})
      .reshape({q.size(0), seq, -1});
}

TEST(AttentionTest, EqualsItsDefinition) {
  at::manual_seed(1);
  for (int64_t seq : {1, 63, 64, 65, 200}) {
    for (int64_t group : {1, 3}) {
      const at::Tensor q = at::randn({2, 3, seq, group, 16}) * 3;
      const at::Tensor k = at::randn({2, 3, seq, 16});
      const at::Tensor v = at::randn({2, seq, 3, 16}).transpose(1, 2);
      const at::Tensor got = CausalAttention(q, k, v);
      EXPECT_TRUE(at::allclose(got.to(at::kDouble), Expected(q, k, v), 1e-4, 1e-5))
          << seq << " " << group;
    }
  }
}

TEST(AttentionTest, BackwardEqualsAutogradOfTheDefinition) {
  at::manual_seed(3);
  for (int64_t seq : {1, 63, 65, 200}) {
    for (int64_t group : {1, 3}) {
      std::vector<at::Tensor> leaves = {at::randn({2, 3, seq, group, 16}) * 3,
                                        at::randn({2, 3, seq, 16}),
                                        at::randn({2, seq, 3, 16}).transpose(1, 2)};
      const at::Tensor plain = CausalAttention(leaves[0], leaves[1], leaves[2]);
      std::vector<at::Tensor> wide;
      for (at::Tensor& leaf : leaves) {
        wide.push_back(leaf.to(at::kDouble).requires_grad_());
        leaf.requires_grad_();
      }
      const at::Tensor out = at::randn({2, seq, 3 * group * 16});
      Expected(wide[0], wide[1], wide[2]).backward(out.to(at::kDouble));
      const at::Tensor recorded = CausalAttention(leaves[0], leaves[1], leaves[2]);
      EXPECT_TRUE(at::equal(recorded.detach(), plain));
      recorded.backward(out);
      for (int i : {0, 1, 2}) {
        EXPECT_TRUE(at::allclose(leaves[i].grad().to(at::kDouble), wide[i].grad(), 1e-4, 1e-5))
            << seq << " " << group << " " << i;
      }
    }
  }
}

TEST(AttentionTest, BFloat16StaysClose) {
  at::manual_seed(2);
  const at::Tensor q = at::randn({1, 2, 130, 2, 64}).to(at::kBFloat16);
  const at::Tensor k = at::randn({1, 2, 130, 64}).to(at::kBFloat16);
  const at::Tensor v = at::randn({1, 2, 130, 64}).to(at::kBFloat16);
  const at::Tensor want = Expected(q, k, v);
  const at::Tensor error = CausalAttention(q, k, v).to(at::kDouble) - want;
  EXPECT_LT((error.norm() / want.norm()).item<double>(), 0.01);
}

}  // namespace
}  // namespace rondo
