// Every host kernel on one thread: rates per second of processor time, so that a busy machine does
// not blur them. Beside them stand what this processor can do at most: bytes copied and filled in
// memory, float32 fused multiply-adds and bfloat16 dot products out of registers.
//
//   rondo_kernels_bench [--benchmark_filter=REGEX]
#include <immintrin.h>

#include <cstring>
#include <memory>
#include <new>

#include "kernels/testing/bench.h"
#include "kernels/testing/cases.h"

namespace rondo::kernels {
namespace {

using benchmark::State;
using testing::MatrixOf;

constexpr int64_t kRows = 256, kCols = 4096, kGroup = 128;

// The benchmark library's loop variable is never read.
// NOLINTBEGIN(clang-analyzer-deadcode.DeadStores)
void CopyMemory(State& state) {
  std::vector<char> from(256 << 20, 1), to(256 << 20, 2);
  for (auto _ : state) {
    std::memcpy(to.data(), from.data(), to.size());
    benchmark::ClobberMemory();
  }
  SetRate(state, "bytes/s", 2.0 * static_cast<double>(to.size()));  // read and written
}

// 24 independent sums hide the latency of an instruction.
__attribute__((target("avx512f"))) void FmaPeak(State& state) {
  __m512 sums[24], a = _mm512_set1_ps(0.5f);
  for (__m512& sum : sums) {
    sum = _mm512_setzero_ps();
    asm volatile("" : "+v"(sum));
  }
  for (auto _ : state) {
    for (int i = 0; i < 1000; ++i) {
#pragma GCC unroll 24
      for (int k = 0; k < 24; ++k) sums[k] = _mm512_fmadd_ps(a, a, sums[k]);
      asm volatile("" : "+v"(a));
    }
  }
  for (__m512& sum : sums) asm volatile("" : "+v"(sum));
  SetRate(state, "FLOP/s", 1000.0 * 24 * 32);
}

__attribute__((target("avx512f,avx512bw,avx512bf16"))) void Bf16DotPeak(State& state) {
  __m512 sums[24];
  __m512i a = _mm512_set1_epi32(0x3f003f00);
  for (__m512& sum : sums) {
    sum = _mm512_setzero_ps();
    asm volatile("" : "+v"(sum));
  }
  for (auto _ : state) {
    for (int i = 0; i < 1000; ++i) {
#pragma GCC unroll 24
      for (int k = 0; k < 24; ++k) sums[k] = _mm512_dpbf16_ps(sums[k], (__m512bh)a, (__m512bh)a);
      asm volatile("" : "+v"(a));
    }
  }
  for (__m512& sum : sums) asm volatile("" : "+v"(sum));
  SetRate(state, "FLOP/s", 1000.0 * 24 * 64);
}

struct Grid {
  std::vector<float> w = testing::Weights(kRows, kCols);
  std::vector<float> scale = std::vector<float>(kRows * kCols / kGroup);
  std::vector<float> zero_point = scale;
  std::vector<uint8_t> codes = std::vector<uint8_t>(kRows * kCols);
  GridView view() const { return {scale.data(), zero_point.data(), kCols / kGroup, kGroup, 15}; }
  Matrix<const float> weights() const { return MatrixOf(w.data(), kRows, kCols); }
};

void FitGrid(State& state, const HostBackend* backend, bool mse) {
  Grid grid;
  for (auto _ : state) {
    backend->fit_grid(grid.weights(), {kGroup, 15, false, mse}, grid.scale.data(),
                      grid.zero_point.data());
  }
  SetRate(state, "bytes/s", 4.0 * kRows * kCols);
  SetRate(state, "weights/s", 1.0 * kRows * kCols);
}

void Quantize(State& state, const HostBackend* backend) {
  Grid grid;
  Cpu().fit_grid(grid.weights(), {kGroup, 15}, grid.scale.data(), grid.zero_point.data());
  for (auto _ : state) {
    backend->quantize(grid.weights(), grid.view(), MatrixOf(grid.codes.data(), kRows, kCols));
  }
  SetRate(state, "bytes/s", 5.0 * kRows * kCols);
}

void Dequantize(State& state, const HostBackend* backend) {
  Grid grid;
  Cpu().fit_grid(grid.weights(), {kGroup, 15}, grid.scale.data(), grid.zero_point.data());
  for (auto _ : state) {
    backend->dequantize({grid.codes.data(), kRows, kCols, kCols}, grid.view(),
                        MatrixOf(grid.w.data(), kRows, kCols));
  }
  SetRate(state, "bytes/s", 5.0 * kRows * kCols);
}

void GptqBlockOf(State& state, const HostBackend* backend, int64_t groups, bool shuffled) {
  const testing::BlockCase c = {"bench", 1024, 128, groups, shuffled, 4};
  const testing::BlockInput input = testing::MakeBlockInput(c);
  std::vector<uint8_t> codes(c.rows * c.cols);
  std::vector<float> error(c.rows * c.cols);
  std::vector<double> loss(c.rows);
  GptqBlock block = testing::BlockOf(c, input);
  block.codes = MatrixOf(codes.data(), c.rows, c.cols);
  block.error = MatrixOf(error.data(), c.rows, c.cols);
  block.loss = loss.data();
  for (auto _ : state) backend->gptq_block(block);
  const double updates = static_cast<double>(c.rows * c.cols * (c.cols - 1)) / 2.0;
  SetRate(state, "FLOP/s", 2.0 * updates);
  SetRate(state, "weights/s", static_cast<double>(c.rows * c.cols));
}

void Pack(State& state, const HostBackend* backend, int bits, bool unpack) {
  std::vector<uint8_t> codes = testing::Codes(kRows, kCols, bits);
  const int64_t count = PackedWords(kCols, bits);
  std::vector<uint32_t> words(kRows * count);
  backend->pack_rows(MatrixOf<const uint8_t>(codes.data(), kRows, kCols), bits,
                     MatrixOf(words.data(), kRows, count));
  for (auto _ : state) {
    if (unpack) {
      backend->unpack_rows({words.data(), kRows, count, count}, bits,
                           MatrixOf(codes.data(), kRows, kCols));
    } else {
      backend->pack_rows({codes.data(), kRows, kCols, kCols}, bits,
                         MatrixOf(words.data(), kRows, count));
    }
  }
  SetRate(state, "bytes/s", static_cast<double>(kRows * (kCols + 4 * count)));
}

void SecondMomentOf(State& state, const HostBackend* backend, int64_t tokens, int64_t in) {
  const std::vector<uint16_t> x = testing::Bf16Activations(tokens, in);
  std::vector<float> h(in * in);
  auto* packed = static_cast<uint32_t*>(
      ::operator new(SecondMomentScratch(tokens, in) * 4, std::align_val_t(64)));
  const SecondMoment args = {{x.data(), tokens, in, in}, MatrixOf(h.data(), in, in), packed};
  for (auto _ : state) {
    backend->pack_second_moment(args, 0, SecondMomentPanels(in));
    backend->accumulate_second_moment(args, 0, SecondMomentPanels(in));
  }
  ::operator delete(packed, std::align_val_t(64));
  SetRate(state, "FLOP/s", static_cast<double>(tokens * in * (in + 1)));  // of the triangle
}

// In-place operations that give back what they get, so that every iteration is alike.
constexpr uint16_t kBf16One = 0x3f80, kBf16Twenty = 0x41a0;

void RmsNormBf16(State& state, const HostBackend* backend, int64_t cols) {
  const std::vector<uint16_t> x = testing::Bf16Activations(2048, cols);
  std::vector<uint16_t> out(x.size());
  for (auto _ : state) {
    backend->rms_norm_bf16(MatrixOf(x.data(), 2048, cols), x.data(), 1e-5f,
                           MatrixOf(out.data(), 2048, cols));
  }
  SetRate(state, "bytes/s", 4.0 * static_cast<double>(x.size()));
}

void SiluMulBf16(State& state, const HostBackend* backend, int64_t cols) {
  const std::vector<uint16_t> up(2048 * cols, kBf16One);
  std::vector<uint16_t> gate(up.size(), kBf16Twenty);
  for (auto _ : state) {
    backend->silu_mul_bf16(MatrixOf(gate.data(), 2048, cols), MatrixOf(up.data(), 2048, cols));
  }
  SetRate(state, "bytes/s", 6.0 * static_cast<double>(up.size()));
}

void RotateBf16(State& state, const HostBackend* backend) {
  constexpr int64_t kHeadDim = 64, kWidth = 9 * kHeadDim;
  std::vector<uint16_t> x = testing::Bf16Activations(2048, kWidth);
  const std::vector<uint16_t> cos(2048 * kHeadDim / 2, kBf16One), sin(cos.size());
  for (auto _ : state) {
    backend->rotate_bf16({MatrixOf<const uint16_t>(x.data(), 2048, kWidth),
                          MatrixOf(x.data(), 2048, kWidth), cos.data(), sin.data(), kHeadDim});
  }
  SetRate(state, "bytes/s", 4.0 * static_cast<double>(x.size()));
}

// NOLINTEND(clang-analyzer-deadcode.DeadStores)

void RegisterPeaks() {
  Register("peak/copy", CopyMemory);
  if (__builtin_cpu_supports("avx512f")) Register("peak/fma_f32", FmaPeak);
  if (SupportsSecondMomentBf16()) Register("peak/dot_bf16", Bf16DotPeak);
}

void RegisterBackend(const HostBackend* backend) {
  const auto add = [&](const std::string& name, auto&&... args) {
    Register(name + "/" + std::string(backend->name), args...);
  };
  add("fit_grid", FitGrid, backend, false);
  add("fit_grid_mse", FitGrid, backend, true);
  add("quantize", Quantize, backend);
  add("dequantize", Dequantize, backend);
  add("gptq_block_128", GptqBlockOf, backend, 1, false);
  add("gptq_block_128_act_order", GptqBlockOf, backend, 32, true);
  for (int bits : {2, 3, 4, 8}) {
    add("pack_" + std::to_string(bits), Pack, backend, bits, false);
    add("unpack_" + std::to_string(bits), Pack, backend, bits, true);
  }
  add("rms_norm_bf16_576", RmsNormBf16, backend, 576);
  add("rms_norm_bf16_4096", RmsNormBf16, backend, 4096);
  add("silu_mul_bf16_1536", SiluMulBf16, backend, 1536);
  add("silu_mul_bf16_11008", SiluMulBf16, backend, 11008);
  add("rotate_bf16", RotateBf16, backend);
  const bool plain = backend->accumulate_second_moment == Reference().accumulate_second_moment;
  const int64_t shapes[][2] = {{512, 576}, {2048, 576}, {2048, 1536}, {2048, 4096}, {4096, 11008}};
  for (const auto& [tokens, in] : shapes) {
    if (plain && in > 576) continue;
    add("second_moment_" + std::to_string(tokens) + "x" + std::to_string(in), SecondMomentOf,
        backend, tokens, in);
  }
}

}  // namespace
}  // namespace rondo::kernels

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  rondo::kernels::RegisterPeaks();
  for (const auto* backend : rondo::kernels::HostBackends()) {
    rondo::kernels::RegisterBackend(backend);
    rondo::kernels::RegisterCodebook(backend);
  }
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
