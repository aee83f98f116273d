// bench/zipf.h - numbers in [0, count), small ones most often: Zipf's distribution with exponent 0.99, YCSB's.
//
// After Gray et al., "Quickly Generating Billion-Record Synthetic Databases", SIGMOD 1994. The constructor takes time in
// proportion to `count`. Threads: immutable once made.
#pragma once

#include <cmath>
#include <cstdint>

#include "bench/harness.h"

namespace varve::bench {

class Zipf {
 public:
  explicit Zipf(uint64_t count) : count_(static_cast<double>(count)) {
    for (uint64_t i = 1; i <= count; ++i) zeta_ += std::pow(1.0 / static_cast<double>(i), kTheta);
    eta_ = (1 - std::pow(2.0 / count_, 1 - kTheta)) / (1 - (1 + std::pow(0.5, kTheta)) / zeta_);
  }
  uint64_t Next(Random* random) const {
    const double u = static_cast<double>(random->Next() >> 11) / static_cast<double>(uint64_t{1} << 53);
    const double uz = u * zeta_;
    if (uz < 1) return 0;
    if (uz < 1 + std::pow(0.5, kTheta)) return 1;
    return static_cast<uint64_t>(count_ * std::pow(eta_ * u - eta_ + 1, 1 / (1 - kTheta)));
  }

 private:
  static constexpr double kTheta = 0.99;
  const double count_;
  double zeta_ = 0;
  double eta_ = 0;
};

}  // namespace varve::bench
