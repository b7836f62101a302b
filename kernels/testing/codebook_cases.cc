#include <bit>
#include <cmath>
#include <limits>

#include "kernels/testing/cases.h"

namespace rondo::kernels::testing {
namespace {

std::vector<CodebookCase> MakeCodebookCases() {
  std::vector<CodebookCase> cases;
  const int64_t shapes[][5] = {// rows, cols, dim, group size, entries
                               {5, 8, 8, 8, 1},     {7, 48, 8, 16, 5},  {9, 128, 8, 128, 300},
                               {6, 136, 8, 24, 40}, {8, 72, 8, 40, 3},  {3, 64, 8, 1000, 9},
                               {1, 168, 8, 21, 6},  {4, 40, 8, 5, 10},  {5, 36, 4, 12, 20},
                               {3, 48, 16, 48, 7},  {4, 30, 3, 10, 11}, {6, 13, 1, 13, 4},
                               {0, 64, 8, 32, 2}};
  for (const auto& s : shapes) {
    for (int bits : {2, 3, 4, 8}) {
      cases.push_back({"r" + std::to_string(s[0]) + "c" + std::to_string(s[1]) + "d" +
                           std::to_string(s[2]) + "g" + std::to_string(s[3]) + "b" +
                           std::to_string(bits),
                       s[0], s[1], s[2], s[3], s[4], bits});
    }
  }
  return cases;
}

std::vector<NearestCase> MakeNearestCases() {
  std::vector<NearestCase> cases;
  const int64_t shapes[][3] = {// points, centres, dim
                               {1, 1, 8},     {7, 16, 8},  {13, 33, 8},  {100, 256, 8},
                               {29, 1000, 8}, {70, 47, 8}, {5, 20, 1},   {9, 50, 3},
                               {17, 100, 16}, {0, 16, 8},  {31, 200, 12}};
  for (const auto& s : shapes) {
    for (bool lattice : {false, true}) {
      cases.push_back({"n" + std::to_string(s[0]) + "k" + std::to_string(s[1]) + "d" +
                           std::to_string(s[2]) + (lattice ? "lattice" : ""),
                       s[0], s[1], s[2], lattice});
    }
  }
  return cases;
}

std::vector<DistillCase> MakeDistillCases() {
  std::vector<DistillCase> cases;
  const int64_t shapes[][2] = {{3, 1},   {2, 15},   {4, 16},   {3, 511}, {2, 512},
                               {3, 513}, {2, 1300}, {1, 5000}, {0, 64}};
  for (const auto& s : shapes) {
    for (float temperature : {0.7f, 1.0f, 2.0f}) {
      cases.push_back({"r" + std::to_string(s[0]) + "v" + std::to_string(s[1]) + "t" +
                           std::to_string(temperature),
                       s[0], s[1], temperature});
    }
  }
  return cases;
}

std::vector<RoundingStepCase> MakeRoundingStepCases() {
  std::vector<RoundingStepCase> cases;
  for (int64_t count : {0, 1, 15, 16, 255, 256, 257, 1000}) {
    for (float beta : {2.0f, 3.7f, 20.0f}) {
      const std::string name = "n" + std::to_string(count) + "beta" + std::to_string(beta);
      cases.push_back({name, count, true, 0.01f, beta});
      cases.push_back({name + "hard", count, false, 0.0f, beta});
    }
  }
  return cases;
}

}  // namespace

std::span<const CodebookCase> CodebookCases() {
  static const std::vector<CodebookCase> kCases = MakeCodebookCases();
  return kCases;
}

std::span<const NearestCase> NearestCases() {
  static const std::vector<NearestCase> kCases = MakeNearestCases();
  return kCases;
}

std::span<const RoundingStepCase> RoundingStepCases() {
  static const std::vector<RoundingStepCase> kCases = MakeRoundingStepCases();
  return kCases;
}

std::span<const DistillCase> DistillCases() {
  static const std::vector<DistillCase> kCases = MakeDistillCases();
  return kCases;
}

CodebookInput MakeCodebookInput(const CodebookCase& c) {
  Random random(static_cast<uint64_t>(c.rows * 1000 + c.cols * 10 + c.bits));
  const auto below = [&](int64_t n) { return static_cast<int64_t>(random.Bits() % uint64_t(n)); };
  CodebookInput in;
  in.base.reserve(c.rows * c.cols);
  in.dw.reserve(c.rows * c.cols);
  for (int64_t i = 0; i < c.rows * c.cols; ++i) {
    in.base.push_back(static_cast<uint8_t>(below(c.maxq() < 255 ? c.maxq() + 4 : c.maxq())));
    in.dw.push_back(0.01f * random.Normal());
  }
  for (int64_t i = 0; i < c.rows * c.cols / c.dim; ++i) {
    in.codes.push_back(static_cast<uint16_t>(below(c.entries)));
  }
  for (int64_t i = 0; i < c.entries * c.dim; ++i) {
    const float r = static_cast<float>(random.Bits() >> 40) * 0x1p-24f;
    const float kinds[] = {r, 0.0f, 1.0f, r};
    in.rounding.push_back(kinds[below(4)]);
  }
  for (int64_t i = 0; i < c.rows * c.groups(); ++i) {
    in.scale.push_back(0.01f * (1.0f + 0.1f * random.Normal()));
    in.zero_point.push_back(static_cast<float>(below(c.maxq() + 1)));
  }
  return in;
}

CodebookView ViewOf(const CodebookCase& c, const CodebookInput& in) {
  CodebookView view;
  view.base = MatrixOf(in.base.data(), c.rows, c.cols);
  view.base_offset = BaseOffset(c.maxq());
  view.codes = in.codes.data();
  view.rounding = in.rounding.data();
  view.dim = c.dim;
  view.grid = {in.scale.data(), in.zero_point.data(), c.groups(), c.group_size, c.maxq()};
  return view;
}

NearestInput MakeNearestInput(const NearestCase& c) {
  Random random(static_cast<uint64_t>(c.points * 1000 + c.centres * 10 + c.dim));
  const auto draw = [&] {
    const float v = random.Normal();
    return c.lattice ? 0.5f * std::rint(v) : v;
  };
  NearestInput in;
  in.stride = (c.centres + 15) / 16 * 16 + 16;
  for (int64_t i = 0; i < c.points * c.dim; ++i) in.points.push_back(draw());
  in.centres.assign(c.dim * in.stride, std::numeric_limits<float>::quiet_NaN());
  in.half_norms.assign(in.stride, std::numeric_limits<float>::infinity());
  for (int64_t k = 0; k < c.centres; ++k) {
    float norm = 0.0f;
    for (int64_t d = 0; d < c.dim; ++d) {
      const float v = draw();
      in.centres[d * in.stride + k] = v;
      norm += v * v;
    }
    in.half_norms[k] = 0.5f * norm;
  }
  return in;
}

Nearest NearestOf(const NearestCase& c, const NearestInput& in) {
  Nearest args;
  args.points = in.points.data();
  args.count = c.points;
  args.centres = in.centres.data();
  args.stride = in.stride;
  args.centre_count = c.centres;
  args.half_norms = in.half_norms.data();
  args.dim = c.dim;
  return args;
}

// Far from zero, so that an exponential of a logit itself would overflow.
DistillInput MakeDistillInput(const DistillCase& c) {
  Random random(static_cast<uint64_t>(c.rows * 100000 + c.vocab));
  DistillInput in;
  in.teacher.reserve(c.rows * c.vocab);
  in.student.reserve(c.rows * c.vocab);
  for (int64_t i = 0; i < c.rows * c.vocab; ++i) {
    const float logit = 100.0f + 3.0f * random.Normal();
    in.teacher.push_back(logit);
    in.student.push_back(logit + 50.0f + 0.5f * random.Normal());
  }
  return in;
}

RoundingStepInput MakeRoundingStepInput(const RoundingStepCase& c) {
  Random random(static_cast<uint64_t>(c.count) + 7);
  RoundingStepInput in;
  for (int64_t i = 0; i < c.count; ++i) {
    in.alpha.push_back(i % 13 == 0 ? 0.0f : (i % 7 == 0 ? 30.0f : 2.5f) * random.Normal());
    in.uses.push_back(static_cast<float>(random.Bits() % 300));
    in.sum.push_back(i % 5 == 0 ? 0.0f : random.Normal());
    in.mean.push_back(0.1f * random.Normal());
    in.variance.push_back(i % 11 == 0 ? 0.0f : random.Normal() * random.Normal());
    in.variance.back() *= in.variance.back();
  }
  return in;
}

}  // namespace rondo::kernels::testing
