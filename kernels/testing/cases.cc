#include "kernels/testing/cases.h"

#include <bit>
#include <cmath>
#include <utility>

namespace rondo::kernels::testing {
namespace {

std::string Name(std::initializer_list<std::pair<const char*, int64_t>> parts) {
  std::string name;
  for (const auto& [key, value] : parts) name += key + std::to_string(value);
  return name;
}

std::vector<GridCase> MakeGridCases() {
  std::vector<GridCase> cases;
  const int64_t shapes[][3] = {
      // rows, cols, group size
      {7, 1, 1}, {7, 13, 13}, {9, 48, 16}, {7, 100, 32}, {8, 129, 128}, {7, 31, 8}, {0, 64, 32}};
  for (const auto& [rows, cols, group] : shapes) {
    for (int bits : {2, 3, 4, 8}) {
      for (bool symmetric : {false, true}) {
        for (bool mse : {false, true}) {
          cases.push_back({Name({{"r", rows}, {"c", cols}, {"g", group}, {"b", bits}}) +
                               (symmetric ? "sym" : "asym") + (mse ? "mse" : ""),
                           rows, cols, group, bits, symmetric, mse});
        }
      }
    }
  }
  return cases;
}

std::vector<BlockCase> MakeBlockCases() {
  std::vector<BlockCase> cases;
  const int64_t shapes[][3] = {// rows, cols, groups
                               {5, 1, 1},    {16, 16, 1},  {17, 24, 2}, {33, 100, 3}, {64, 128, 1},
                               {40, 128, 4}, {31, 255, 2}, {3, 256, 8}, {0, 32, 1},   {70, 7, 1}};
  for (const auto& [rows, cols, groups] : shapes) {
    for (int bits : {2, 3, 4, 8}) {
      for (bool shuffled : {false, true}) {
        if (shuffled && groups == 1) continue;
        cases.push_back({Name({{"r", rows}, {"c", cols}, {"g", groups}, {"b", bits}}) +
                             (shuffled ? "shuffled" : ""),
                         rows, cols, groups, shuffled, bits});
      }
    }
  }
  return cases;
}

std::vector<PackCase> MakePackCases() {
  std::vector<PackCase> cases;
  for (int64_t cols : {1, 7, 8, 31, 32, 33, 64, 96, 100, 131}) {
    for (int bits = 1; bits <= 8; ++bits) {
      cases.push_back({Name({{"c", cols}, {"b", bits}}), 5, cols, bits});
    }
  }
  cases.push_back({"norows", 0, 32, 4});
  return cases;
}

std::vector<SecondMomentCase> MakeSecondMomentCases() {
  std::vector<SecondMomentCase> cases;
  const int64_t shapes[][2] = {{1, 1},  {3, 16},  {2, 48},    {65, 49},
                               {64, 7}, {33, 97}, {1100, 50}, {128, 150}};
  for (const auto& [tokens, in] : shapes) {
    cases.push_back({Name({{"t", tokens}, {"in", in}}), tokens, in});
  }
  return cases;
}

// Even groups of consecutive columns, or every column its own draw.
std::vector<int32_t> GroupsOfColumns(const BlockCase& c, Random& random) {
  std::vector<int32_t> groups(c.cols);
  for (int64_t j = 0; j < c.cols; ++j) {
    groups[j] = static_cast<int32_t>(c.shuffled ? random.Bits() % c.groups : j * c.groups / c.cols);
  }
  return groups;
}

}  // namespace

uint64_t Random::Bits() {
  uint64_t z = (state_ += 0x9e3779b97f4a7c15);
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
  z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
  return z ^ (z >> 31);
}

float Random::Normal() {
  double sum = -6.0;
  for (int i = 0; i < 12; ++i) sum += static_cast<double>(Bits() >> 11) * 0x1p-53;
  return static_cast<float>(sum);
}

std::span<const GridCase> GridCases() {
  static const std::vector<GridCase> kCases = MakeGridCases();
  return kCases;
}

std::span<const BlockCase> BlockCases() {
  static const std::vector<BlockCase> kCases = MakeBlockCases();
  return kCases;
}

std::span<const PackCase> PackCases() {
  static const std::vector<PackCase> kCases = MakePackCases();
  return kCases;
}

std::span<const SecondMomentCase> SecondMomentCases() {
  static const std::vector<SecondMomentCase> kCases = MakeSecondMomentCases();
  return kCases;
}

std::vector<float> Weights(int64_t rows, int64_t cols) {
  Random random(static_cast<uint64_t>(rows * 1000 + cols));
  std::vector<float> w(rows * cols);
  for (int64_t r = 0; r < rows; ++r) {
    for (int64_t j = 0; j < cols; ++j) {
      const float v = random.Normal();
      const float kinds[] = {v, 0.0f, std::fabs(v), -0.0f, 0.7f, v * 1e-38f, -std::fabs(v)};
      w[r * cols + j] = kinds[r % 7];
    }
  }
  return w;
}

std::vector<uint8_t> Codes(int64_t rows, int64_t cols, int bits) {
  Random random(static_cast<uint64_t>(cols * 10 + bits));
  std::vector<uint8_t> codes(rows * cols);
  for (uint8_t& code : codes) code = static_cast<uint8_t>(random.Bits() & ((1u << bits) - 1));
  return codes;
}

std::vector<uint16_t> Bf16Activations(int64_t tokens, int64_t in) {
  Random random(static_cast<uint64_t>(tokens * 1000 + in));
  std::vector<uint16_t> x(tokens * in);
  for (uint16_t& bits : x) {
    const float v = random.Normal();
    bits = static_cast<uint16_t>(std::bit_cast<uint32_t>(v) >> 16);
  }
  return x;
}

// feedback ~ N(0, 1/8): large enough that the order of the updates matters.
BlockInput MakeBlockInput(const BlockCase& c) {
  Random random(static_cast<uint64_t>(c.rows * 10000 + c.cols * 10 + c.bits));
  BlockInput in;
  in.weight = Weights(c.rows, c.cols);
  for (float w : in.weight) in.target.push_back(w + 0.05f * random.Normal());
  for (int64_t i = 0; i < c.cols * c.cols; ++i) in.feedback.push_back(0.125f * random.Normal());
  for (int64_t j = 0; j < c.cols; ++j) in.pivots.push_back(0.5f + std::fabs(random.Normal()));
  const int maxq = (1 << c.bits) - 1;
  for (int64_t i = 0; i < c.rows * c.groups; ++i) {
    in.scale.push_back(6.0f / static_cast<float>(maxq) * (1.0f + 0.1f * random.Normal()));
    in.zero_point.push_back(static_cast<float>(random.Bits() % (maxq + 1)));
  }
  in.group_of_column = GroupsOfColumns(c, random);
  return in;
}

GptqBlock BlockOf(const BlockCase& c, const BlockInput& in) {
  GptqBlock block;
  block.target = MatrixOf(in.target.data(), c.rows, c.cols);
  block.weight = MatrixOf(in.weight.data(), c.rows, c.cols);
  block.feedback = MatrixOf(in.feedback.data(), c.cols, c.cols);
  block.pivots = in.pivots.data();
  block.scale = in.scale.data();
  block.zero_point = in.zero_point.data();
  block.groups = c.groups;
  block.group_of_column = in.group_of_column.data();
  block.maxq = (1 << c.bits) - 1;
  return block;
}

}  // namespace rondo::kernels::testing
