// The bytes of the packed layout, against words computed bit by bit here and against words that
// compressed-tensors 0.20.0 packed (pack_to_int32).
#include <ATen/ATen.h>

#include <filesystem>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/format/checkpoint.h"
#include "worker/artifact/linear_format.h"

namespace rondo {
namespace {

using ::testing::ElementsAre;

class PackedLinearTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = testing::TempDir() + "/rondo_packed_XXXXXX";
    dir_ = mkdtemp(pattern.data());
  }
  void TearDown() override { std::filesystem::remove_all(dir_); }

  absl::StatusOr<Checkpoint> Store(const GridSpec& grid, StorageType type,
                                   const QuantizedLinear& linear) {
    const auto format = MakePackedLinear(grid, type);
    const std::string path = JoinPath(dir_, "m.safetensors");
    ASSIGN_OR_RETURN(
        auto writer,
        SafetensorsWriter::Create(
            path, format->Tensors("l", linear.codes.size(0), linear.codes.size(1)), {}));
    RETURN_IF_ERROR(format->Write("l", linear, writer.get()));
    RETURN_IF_ERROR(writer->Finish());
    return Checkpoint::OpenFile(path);
  }

  // Code k * 7 + row, modulo the number of codes; scales are powers of two.
  static QuantizedLinear Example(const GridSpec& grid, int64_t out, int64_t in) {
    const int64_t groups = grid.group_size < 0 ? 1 : in / grid.group_size;
    QuantizedLinear linear;
    linear.codes = (at::arange(in).mul(7).unsqueeze(0) + at::arange(out).unsqueeze(1))
                       .remainder(1 << grid.bits)
                       .to(at::kByte);
    linear.grid.scale =
        at::arange(out * groups).remainder(5).exp2().to(at::kFloat).view({out, groups});
    linear.grid.zero_point =
        grid.symmetric
            ? at::full({out, groups}, 1 << (grid.bits - 1), at::kFloat)
            : at::arange(out * groups).remainder(1 << grid.bits).to(at::kFloat).view({out, groups});
    linear.grid.group_size = grid.group_size < 0 ? in : grid.group_size;
    linear.grid.bits = grid.bits;
    return linear;
  }

  template <typename T>
  static std::vector<T> Values(const Checkpoint& checkpoint, const std::string& name) {
    const TensorView view = checkpoint.Find(name).value();
    std::vector<T> values(view.data.size() / sizeof(T));
    std::memcpy(values.data(), view.data.data(), view.data.size());
    return values;
  }

  // Element k of a stream of words.
  static int CodeAt(const uint32_t* words, int64_t stride, int64_t k, int bits) {
    int code = 0;
    for (int bit = 0; bit < bits; ++bit) {
      const int64_t at = k * bits + bit;
      code |= static_cast<int>(words[at / 32 * stride] >> (at % 32) & 1) << bit;
    }
    return code;
  }

  std::string dir_;
};

TEST_F(PackedLinearTest, CodesScalesAndZeroPointsComeBack) {
  const int64_t out = 20;
  const int64_t in = 96;
  for (const int bits : {2, 3, 4, 8}) {
    for (const bool symmetric : {true, false}) {
      for (const int64_t group_size : {int64_t{32}, int64_t{-1}}) {
        SCOPED_TRACE(absl::StrCat(bits, " bits, group ", group_size, ", symmetric ", symmetric));
        const GridSpec grid = {.bits = bits, .group_size = group_size, .symmetric = symmetric};
        const QuantizedLinear linear = Example(grid, out, in);
        const auto stored = Store(grid, StorageType::kBF16, linear);
        ASSERT_TRUE(stored.ok()) << stored.status();
        const auto packed = Values<uint32_t>(*stored, "l.weight_packed");
        const int64_t words = static_cast<int64_t>(packed.size()) / out;
        EXPECT_EQ(words, (in * bits + 31) / 32);
        for (int64_t row = 0; row < out; ++row) {
          for (int64_t k = 0; k < in; ++k) {
            ASSERT_EQ(CodeAt(&packed[row * words], 1, k, bits), linear.codes[row][k].item<int>());
          }
        }
        EXPECT_THAT(Values<int64_t>(*stored, "l.weight_shape"), ElementsAre(out, in));
        const auto scales = Values<uint16_t>(*stored, "l.weight_scale");
        const int64_t groups = linear.grid.scale.size(1);
        ASSERT_EQ(static_cast<int64_t>(scales.size()), out * groups);
        for (int64_t i = 0; i < out * groups; ++i) {  // bfloat16 is the upper half of a float
          EXPECT_EQ(std::bit_cast<float>(static_cast<uint32_t>(scales[i]) << 16),
                    linear.grid.scale.view(-1)[i].item<float>());
        }
        EXPECT_EQ(stored->Has("l.weight_zero_point"), !symmetric);
        if (symmetric) continue;
        const auto zeros = Values<uint32_t>(*stored, "l.weight_zero_point");
        EXPECT_EQ(static_cast<int64_t>(zeros.size()), (out * bits + 31) / 32 * groups);
        for (int64_t row = 0; row < out; ++row) {
          for (int64_t group = 0; group < groups; ++group) {
            ASSERT_EQ(CodeAt(&zeros[group], groups, row, bits),
                      linear.grid.zero_point[row][group].item<int>());
          }
        }
      }
    }
  }
}

// pack_to_int32(torch.tensor([[(7 * k) % 8 - 4 for k in range(24)]], dtype=torch.int8), 3) and, for
// zero points, pack_to_int32(torch.tensor([[k % 8 - 4] for k in range(11)], dtype=torch.int8), 3,
// packed_dim=0), as compressed-tensors 0.20.0 returns them.
TEST_F(PackedLinearTest, EqualsCompressedTensors) {
  const GridSpec grid = {.bits = 3, .group_size = -1, .symmetric = false};
  const auto stored = Store(grid, StorageType::kF32, Example(grid, 11, 24)).value();
  const auto packed = Values<int32_t>(stored, "l.weight_packed");
  EXPECT_THAT(std::vector<int32_t>(packed.begin(), packed.begin() + 3),
              ElementsAre(-1205220424, -877123125, 41));
  EXPECT_THAT(Values<int32_t>(stored, "l.weight_zero_point"), ElementsAre(-1996831096, 0));
}

TEST_F(PackedLinearTest, RefusesWhatCannotBeStored) {
  const GridSpec grid = {.bits = 4, .group_size = 32, .symmetric = true};
  QuantizedLinear linear = Example(grid, 2, 64);
  linear.grid.zero_point[1][1] = 7;
  EXPECT_EQ(Store(grid, StorageType::kF16, linear).status(),
            absl::InternalError(
                "l has a zero point that is not 8, but the grid of the job is symmetric"));
  linear = Example(grid, 2, 64);
  linear.grid.scale[0][0] = 1.0f / 3.0f;
  EXPECT_EQ(Store(grid, StorageType::kF16, linear).status(),
            absl::InternalError("l.weight_scale holds a value that is not representable as F16"));
  linear = Example({.bits = 4, .group_size = 16, .symmetric = true}, 2, 64);
  EXPECT_EQ(Store(grid, StorageType::kF16, linear).status(),
            absl::InternalError("l is not on the grid of the job: 4 bits, 64 inputs in 4 groups"));
}

TEST_F(PackedLinearTest, HoldsTellsEveryPartApart) {
  for (const int bits : {2, 3, 4, 8}) {
    SCOPED_TRACE(bits);
    const GridSpec grid = {.bits = bits, .group_size = 32, .symmetric = false};
    const auto format = MakePackedLinear(grid, StorageType::kF16);
    const Checkpoint stored = Store(grid, StorageType::kF16, Example(grid, 20, 96)).value();
    QuantizedLinear linear = Example(grid, 20, 96);
    EXPECT_TRUE(format->Holds(stored, "l", linear).value());
    linear.codes[19][95] = linear.codes[19][95].item<int>() ^ 1;
    EXPECT_FALSE(format->Holds(stored, "l", linear).value());
    linear = Example(grid, 20, 96);
    linear.grid.scale[19][2] *= 2;
    EXPECT_FALSE(format->Holds(stored, "l", linear).value());
    linear = Example(grid, 20, 96);
    linear.grid.zero_point[19][2] += 1;
    EXPECT_FALSE(format->Holds(stored, "l", linear).value());
  }
}

}  // namespace
}  // namespace rondo
