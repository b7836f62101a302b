// Layers over a codebook of 4096 entries of 8, nearest centres and distillation, on one thread.
#include <cmath>

#include "kernels/testing/bench.h"
#include "kernels/testing/cases.h"
#include "kernels/testing/typed.h"

namespace rondo::kernels {
namespace {

using benchmark::State;
using testing::MatrixOf;
using testing::Typed;

const testing::CodebookCase kLayer = {"bench", 256, 4096, 8, 128, 4096, 3};
constexpr double kWeights = 256.0 * 4096.0;
constexpr double kLayerBytes = 1.0 + 2.0 / 8;  // a weight: base and code

// The benchmark library's loop variable is never read.
// NOLINTBEGIN(clang-analyzer-deadcode.DeadStores)
template <typename T>
void DequantizeCodebook(State& state, const HostBackend* backend) {
  const testing::CodebookInput in = testing::MakeCodebookInput(kLayer);
  const CodebookView layer = testing::ViewOf(kLayer, in);
  std::vector<T> out(in.base.size());
  const auto run = Typed<T>::DequantizeCodebook(*backend);
  for (auto _ : state) run(layer, MatrixOf(out.data(), kLayer.rows, kLayer.cols));
  SetRate(state, "weights/s", kWeights);
  SetRate(state, "bytes/s", (kLayerBytes + sizeof(T)) * kWeights);
}

template <typename T>
void CodebookGradient(State& state, const HostBackend* backend) {
  const testing::CodebookInput in = testing::MakeCodebookInput(kLayer);
  const CodebookView layer = testing::ViewOf(kLayer, in);
  const std::vector<T> dw = Typed<T>::FromFloats(in.dw);
  std::vector<float> sum(in.rounding.size());
  const auto run = Typed<T>::CodebookGradient(*backend);
  for (auto _ : state) run(layer, MatrixOf(dw.data(), kLayer.rows, kLayer.cols), sum.data());
  SetRate(state, "weights/s", kWeights);
  SetRate(state, "bytes/s", (kLayerBytes + sizeof(T)) * kWeights);
}

void NearestCentres(State& state, NearestL2Fn* run, int64_t dim, double flop) {
  const testing::NearestCase c = {"bench", 1000, 4096, dim, false};
  const testing::NearestInput in = testing::MakeNearestInput(c);
  std::vector<int32_t> index(c.points);
  std::vector<float> distance(c.points);
  Nearest args = testing::NearestOf(c, in);
  args.index = index.data();
  args.distance = distance.data();
  for (auto _ : state) run(args);
  const auto pairs = static_cast<double>(c.points * c.centres);
  SetRate(state, "pairs/s", pairs);
  SetRate(state, "FLOP/s", flop * static_cast<double>(dim) * pairs);
}

// Logits of a vocabulary of 49152; the student's become gradients, which are logits as good.
template <typename T>
void Distill(State& state, const HostBackend* backend) {
  const testing::DistillCase c = {"bench", 64, 49152, 2.0f};
  const testing::DistillInput in = testing::MakeDistillInput(c);
  const std::vector<T> teacher = Typed<T>::FromFloats(in.teacher);
  std::vector<T> student = Typed<T>::FromFloats(in.student);
  std::vector<double> loss(c.rows);
  const auto run = Typed<T>::Distill(*backend);
  for (auto _ : state) {
    run(MatrixOf(teacher.data(), c.rows, c.vocab), MatrixOf(student.data(), c.rows, c.vocab),
        c.temperature, loss.data());
  }
  const auto logits = static_cast<double>(c.rows * c.vocab);
  SetRate(state, "logits/s", logits);
  SetRate(state, "bytes/s", 3.0 * sizeof(T) * logits);
}

// The variables of one codebook of 4096 x 8, with the regulariser.
void RoundingStep(State& state, const HostBackend* backend) {
  const testing::RoundingStepCase c = {"bench", 32768, true, 0.01f, 8.0f};
  testing::RoundingStepInput in = testing::MakeRoundingStepInput(c);
  std::vector<float> gradient(c.count);
  std::vector<double> regulariser(c.count / kRoundingChunk);
  for (auto _ : state) {
    backend->rounding_gradient({in.alpha.data(), in.uses.data(), in.sum.data(), gradient.data(),
                                regulariser.data(), c.count, c.saturate, c.weight, c.beta});
    backend->adam({in.alpha.data(), gradient.data(), in.mean.data(), in.variance.data(), c.count,
                   1e-6f, 1.0f});
  }
  SetRate(state, "variables/s", static_cast<double>(c.count));
}
// NOLINTEND(clang-analyzer-deadcode.DeadStores)

}  // namespace

void RegisterCodebook(const HostBackend* backend) {
  const auto add = [&](const std::string& name, auto&&... args) {
    Register(name + "/" + std::string(backend->name), args...);
  };
  add("dequantize_codebook", DequantizeCodebook<float>, backend);
  add("dequantize_codebook_bf16", DequantizeCodebook<uint16_t>, backend);
  add("codebook_gradient", CodebookGradient<float>, backend);
  add("codebook_gradient_bf16", CodebookGradient<uint16_t>, backend);
  for (int64_t dim : {8, 16}) {
    const std::string suffix = "_4096x" + std::to_string(dim);
    add("nearest_l2" + suffix, NearestCentres, backend->nearest_l2, dim, 2.0);
    add("nearest_linf" + suffix, NearestCentres, backend->nearest_linf, dim, 3.0);
  }
  add("rounding_step", RoundingStep, backend);
  add("distill", Distill<float>, backend);
  add("distill_bf16", Distill<uint16_t>, backend);
}

}  // namespace rondo::kernels
