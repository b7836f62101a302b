// The one list of cases that tests every backend against the reference, on the host and on the
// device, and that the bench times the large ends of. Inputs come from our own generator, so a case
// is the same everywhere.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "kernels/api/backend.h"

namespace rondo::kernels::testing {

// splitmix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators, 2014).
class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed) {}
  uint64_t Bits();
  float Normal();  // about N(0, 1): the sum of 12 uniforms, less 6

 private:
  uint64_t state_;
};

struct GridCase {
  std::string name;
  int64_t rows, cols, group_size;
  int bits;
  bool symmetric, mse;

  int maxq() const { return (1 << bits) - 1; }
  int64_t groups() const { return (cols + group_size - 1) / group_size; }
  FitOptions options() const { return {group_size, maxq(), symmetric, mse}; }
};

struct BlockCase {
  std::string name;
  int64_t rows, cols, groups;
  bool shuffled;  // groups of columns in any order, as under activation order
  int bits;
};

struct PackCase {
  std::string name;
  int64_t rows, cols;
  int bits;
};

struct SecondMomentCase {
  std::string name;
  int64_t tokens, in;
};

struct CodebookCase {
  std::string name;
  int64_t rows, cols, dim, group_size, entries;
  int bits;

  int maxq() const { return (1 << bits) - 1; }
  int64_t groups() const { return (cols + group_size - 1) / group_size; }
};

struct NearestCase {
  std::string name;
  int64_t points, centres, dim;
  bool lattice;  // multiples of 1/2: distances are exact and often equal
};

struct DistillCase {
  std::string name;
  int64_t rows, vocab;
  float temperature;
};

struct RoundingStepCase {
  std::string name;
  int64_t count;
  bool saturate;
  float weight, beta;
};

std::span<const GridCase> GridCases();
std::span<const BlockCase> BlockCases();
std::span<const PackCase> PackCases();
std::span<const SecondMomentCase> SecondMomentCases();
std::span<const CodebookCase> CodebookCases();
std::span<const NearestCase> NearestCases();
std::span<const DistillCase> DistillCases();
std::span<const RoundingStepCase> RoundingStepCases();

// [rows, cols] with rows of zeros, of negative zeros, of one sign, of equal values and of tiny
// values among normal ones.
std::vector<float> Weights(int64_t rows, int64_t cols);
std::vector<uint8_t> Codes(int64_t rows, int64_t cols, int bits);
std::vector<uint16_t> Bf16Activations(int64_t tokens, int64_t in);

// Everything that a GptqBlock points to but its outputs.
struct BlockInput {
  std::vector<float> target, weight, feedback, pivots, scale, zero_point;
  std::vector<int32_t> group_of_column;
};
BlockInput MakeBlockInput(const BlockCase& c);
// A block over `input` with outputs unset.
GptqBlock BlockOf(const BlockCase& c, const BlockInput& input);

struct CodebookInput {
  std::vector<uint8_t> base;
  std::vector<uint16_t> codes;
  std::vector<float> rounding, scale, zero_point, dw;
};
CodebookInput MakeCodebookInput(const CodebookCase& c);
CodebookView ViewOf(const CodebookCase& c, const CodebookInput& input);

// Columns past the last centre hold NaN.
struct NearestInput {
  std::vector<float> points, centres, half_norms;
  int64_t stride;
};
NearestInput MakeNearestInput(const NearestCase& c);
// Over `input` with outputs unset.
Nearest NearestOf(const NearestCase& c, const NearestInput& input);

struct DistillInput {
  std::vector<float> teacher, student;
};
DistillInput MakeDistillInput(const DistillCase& c);

// Alphas that are 0, decided and beyond h's clamp are among them.
struct RoundingStepInput {
  std::vector<float> alpha, uses, sum, mean, variance;
};
RoundingStepInput MakeRoundingStepInput(const RoundingStepCase& c);

template <typename T>
Matrix<T> MatrixOf(T* data, int64_t rows, int64_t cols) {
  return {data, rows, cols, cols};
}

}  // namespace rondo::kernels::testing
