#include <algorithm>
#include <bit>
#include <cmath>

#include "kernels/reference/reference.h"

namespace rondo::kernels {

// The first n panels cost n (n + 1) / 2 units, so part p ends where that is p / parts of the total.
PanelRange SecondMomentShare(int64_t panels, int64_t part, int64_t parts) {
  const auto boundary = [&](int64_t p) {
    const double share = static_cast<double>(p) / static_cast<double>(parts);
    return p == parts ? panels : std::llround(static_cast<double>(panels) * std::sqrt(share));
  };
  return {boundary(part), boundary(part + 1)};
}

namespace reference {
namespace {

float FromBf16(uint16_t bits) { return std::bit_cast<float>(static_cast<uint32_t>(bits) << 16); }

}  // namespace

// The plain loops read x itself.
void PackSecondMoment(const SecondMoment& args, int64_t panel_begin, int64_t panel_end) {}

void AccumulateSecondMoment(const SecondMoment& args, int64_t panel_begin, int64_t panel_end) {
  const int64_t end = std::min(panel_end * kSecondMomentPanel, args.x.cols);
  for (int64_t i = panel_begin * kSecondMomentPanel; i < end; ++i) {
    for (int64_t j = 0; j <= i; ++j) {
      float sum = 0.0f;
      for (int64_t t = 0; t < args.x.rows; ++t) {
        const uint16_t* row = args.x.data + t * args.x.stride;
        sum += FromBf16(row[i]) * FromBf16(row[j]);
      }
      args.h.data[i * args.h.stride + j] += sum;
    }
  }
}

}  // namespace reference
}  // namespace rondo::kernels
