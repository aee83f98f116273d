#include "lsm/compact/filter_bits.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "lsm/format/hash.h"
#include "lsm/table/filter.h"

namespace varve::lsm {
namespace {

TEST(FilterBits, OneLevelGetsTheBudget) {
  const std::vector<uint64_t> keys = {0, 0, 0, 5'000'000};
  EXPECT_DOUBLE_EQ(FilterBits(keys, 3, 10), 10);
  EXPECT_DOUBLE_EQ(FilterBits(keys, 3, 0), 0);
  EXPECT_DOUBLE_EQ(FilterBits(std::vector<uint64_t>{7, 7, 7}, 1, 10), 10);
}

struct Tree {
  const char* name;
  std::vector<uint64_t> keys;  // of each level
  double false_max;            // of one missing key, over all levels
};

// For each tree: bits per key on average, and false answers per missing key as measured on filters of these sizes.
TEST(FilterBits, KeepTheBudgetAndFailLessOftenThanEvenFilters) {
  constexpr int kBudget = 10, kAsked = 200'000;
  const std::vector<Tree> trees = {
      {"young", {30'000, 60'000}, 0.0205},
      {"two levels", {2'000, 20'000, 200'000}, 0.0165},
      {"four levels", {300, 2'000, 20'000, 200'000}, 0.0165},
      {"growing", {4'000, 20'000, 100'000, 150'000}, 0.027},
  };
  for (const Tree& tree : trees) {
    double bits_sum = 0, keys_sum = 0, missed = 0, missed_even = 0;
    std::string line = std::string(tree.name) + ": bits";
    for (size_t n = 0; n < tree.keys.size(); ++n) {
      const double bits = FilterBits(tree.keys, static_cast<int>(n), kBudget);
      std::vector<uint64_t> hashes;
      for (uint64_t i = 0; i < tree.keys[n]; ++i)
        hashes.push_back(HashKey(std::to_string(n) + "/" + std::to_string(i)));
      const FilterReader filter(BuildFilter(hashes, bits)), even(BuildFilter(hashes, kBudget));
      for (int i = 0; i < kAsked; ++i) {
        const uint64_t hash = HashKey("missing" + std::to_string(i));
        missed += filter.MayContain(hash) ? 1.0 / kAsked : 0;
        missed_even += even.MayContain(hash) ? 1.0 / kAsked : 0;
      }
      bits_sum += bits * static_cast<double>(tree.keys[n]);
      keys_sum += static_cast<double>(tree.keys[n]);
      line += " " + std::to_string(bits);
    }
    SCOPED_TRACE(line + "; in vain " + std::to_string(missed) + ", with even filters " + std::to_string(missed_even));
    EXPECT_LE(bits_sum / keys_sum, kBudget + 1e-9);
    EXPECT_LE(missed, tree.false_max);
    EXPECT_LT(missed, missed_even);
  }
}

}  // namespace
}  // namespace varve::lsm
