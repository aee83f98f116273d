#include "lsm/compact/filter_bits.h"

#include <algorithm>
#include <cmath>

namespace varve::lsm {

namespace {
constexpr double kFilterBitsUseful = 16;
constexpr double kRatePerBit = 0.6;  // ln 2 / 1.15
}  // namespace

double FilterBits(std::span<const uint64_t> keys, int level, int budget) {
  double total = 0;
  for (uint64_t count : keys) total += static_cast<double>(count);
  const auto here = static_cast<double>(keys[static_cast<size_t>(level)]);
  if (budget <= 0 || here == 0) return budget;
  double entropy = 0;
  for (uint64_t count : keys) {
    const double share = static_cast<double>(count) / total;
    if (count != 0) entropy -= share * std::log(share);
  }
  const double bits = budget - (entropy + std::log(here / total)) / kRatePerBit;
  return std::clamp(bits, 1.0, std::max<double>(kFilterBitsUseful, budget));
}

}  // namespace varve::lsm
