#include "worker/engine/initialise.h"

#include <gtest/gtest.h>

#include "worker/engine/gang_fixture.h"

namespace rondo {
namespace {

JobSpec SequentialSpec() {
  JobSpec spec;
  spec.model.path = kTinyLlama;
  spec.grid = {3, -1, false};
  spec.exports = {ExportFormat::kDense};
  spec.method = GptqSettings();
  return spec;
}

// The codes of a linear of the first layer, whose other linears are as `layer` has them now.
at::Tensor SolveByHand(const RankContext& ctx, const DecoderLayer& layer, const at::Tensor& hidden,
                       const LinearLayout& linear) {
  LayerStatistics statistics(ctx, 0);
  for (const at::Tensor& window : hidden.split(1)) {  // as the engine takes them
    EXPECT_TRUE(layer.Forward(window, &statistics).ok());
  }
  GptqOptions options;
  options.grid.spec = ctx.spec().grid;
  const GptqFactor factor = *FactorHessian(*statistics.TakeHessian(linear.input), options);
  const at::Tensor weight = *LoadTensor(
      *ctx.checkpoint, FullName(ctx.layout, 0, linear.name) + ".weight", at::kFloat, at::kCPU);
  return Gptq(weight, factor, options)->linear.codes;
}

TEST(InitialiseTest, SequentialLinearsReadWhatTheQuantizedOnesBeforeThemGive) {
  ScopedDir dir;
  RunGang(SequentialSpec(), 1, 1, [&](TestRank& own) {
    own.task.artifact_dir = dir / "artifacts";
    const RankContext& ctx = own.ctx;
    const at::Tensor tokens = RandomTokens(ctx.config.vocab_size);
    std::vector<SolvedLayer> solved;
    ASSERT_EQ(QuantizeSequentialLayers(ctx, tokens,
                                       [&](int64_t, SolvedLayer layer) {
                                         solved.push_back(std::move(layer));
                                         return absl::OkStatus();
                                       }),
              absl::OkStatus());
    const std::unique_ptr<Stage> stage = *LoadOwnStage(ctx, at::kFloat);
    const std::unique_ptr<Stage> unquantized = *LoadOwnStage(ctx, at::kFloat);
    const at::Tensor hidden = *stage->Embed(tokens);
    DecoderLayer& layer = *stage->layers().front();
    const std::vector<QuantizedLinear>& linears = solved.front().linears;
    for (size_t i = 0; i < linears.size(); ++i) {
      const LinearLayout& linear = ctx.layout.linears[i];
      EXPECT_TRUE(at::equal(linears[i].codes, SolveByHand(ctx, layer, hidden, linear)))
          << linear.name;
      // What tells it from statistics of a layer that is not quantized yet.
      const at::Tensor other = SolveByHand(ctx, *unquantized->layers().front(), hidden, linear);
      EXPECT_EQ(at::equal(linears[i].codes, other), linear.input == 0) << linear.name;
      layer.linears()[i].weight = Dequantize(linears[i], ctx.storage_dtype)->to(at::kFloat);
    }
  });
}

}  // namespace
}  // namespace rondo
