#include "lsm/table/filter.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/lsm/table/table_test_util.h"

namespace varve::lsm {
namespace {

std::vector<uint64_t> Hashes(const std::string& stem, int count) {
  std::vector<uint64_t> hashes;
  for (int i = 0; i < count; ++i) hashes.push_back(FilterHash(stem + std::to_string(i)));
  return hashes;
}

double FalsePositiveRate(const FilterReader& filter) {
  constexpr int kQuestions = 200'000;
  int maybe = 0;
  for (const uint64_t hash : Hashes("absent", kQuestions)) maybe += filter.MayContain(hash) ? 1 : 0;
  return static_cast<double>(maybe) / kQuestions;
}

// Pins the on-disk layout. If this fails the format changed: add a version, do not edit the bytes.
TEST(FilterFormat, OneKeyOneLine) {
  // 10 bits a key: 6 probes, one line. The low half of the hash is 1, so the probes are the powers of 0x9e3779b9 mod
  // 2^32: 9e3779b9, e35e67b1, 734297e9, 35fbe861, deb7c719, 0448b211; their top 9 bits are 316, 454, 230, 107, 445, 8.
  const std::string filter = BuildFilter({0x8000000000000001u}, 10);
  std::string want(65, '\0');
  want[0] = 6;
  want[1 + 39] = 0x10;  // 316 = 39 * 8 + 4
  want[1 + 56] = 0x40;  // 454 = 56 * 8 + 6
  want[1 + 28] = 0x40;  // 230 = 28 * 8 + 6
  want[1 + 13] = 0x08;  // 107 = 13 * 8 + 3
  want[1 + 55] = 0x20;  // 445 = 55 * 8 + 5
  want[1 + 1] = 0x01;   // 8 = 1 * 8 + 0
  EXPECT_EQ(Hex(filter), Hex(want));
}

TEST(FilterFormat, TheHighHalfOfTheHashChoosesTheLine) {
  const std::vector<uint64_t> hashes(100, 0xffffffff00000001u);  // of 2 lines the last
  const std::string filter = BuildFilter(hashes, 10);
  ASSERT_EQ(filter.size(), 1u + 2 * 64);
  EXPECT_EQ(filter.substr(1, 64), std::string(64, '\0'));
  EXPECT_EQ(filter.substr(65), BuildFilter({1}, 10).substr(1));
}

TEST(Filter, KnowsAllItsKeys) {
  for (int bits = 1; bits <= 24; ++bits) {
    const std::vector<uint64_t> hashes = Hashes("key", 3000);
    const std::string bytes = BuildFilter(hashes, bits);
    EXPECT_EQ(bytes.size(), FilterSize(hashes.size(), bits));
    const FilterReader filter(bytes);
    for (const uint64_t hash : hashes) ASSERT_TRUE(filter.MayContain(hash)) << bits;
  }
}

TEST(Filter, FalsePositiveRateAtTenBitsIsBelowOnePointTwoPercent) {
  for (int keys : {1000, 30'000, 300'000}) {
    const FilterReader filter(BuildFilter(Hashes("present", keys), 10));
    EXPECT_LE(FalsePositiveRate(filter), 0.012) << keys;
  }
}

TEST(Filter, MoreBitsFewerFalsePositives) {
  double last = 1;
  for (int bits : {2, 4, 6, 8, 10, 12, 14, 16, 20}) {
    const FilterReader filter(BuildFilter(Hashes("present", 50'000), bits));
    const double rate = FalsePositiveRate(filter);
    EXPECT_LT(rate, last) << bits;
    last = rate;
  }
  EXPECT_LT(last, 0.0006);
}

TEST(Filter, NoKeysOrNoBitsMeansNoFilterAndEveryKeyMayBeThere) {
  EXPECT_TRUE(BuildFilter({}, 10).empty());
  EXPECT_TRUE(BuildFilter({1, 2}, 0).empty());
  EXPECT_TRUE(FilterReader().MayContain(7));
  EXPECT_TRUE(FilterReader("").MayContain(7));
}

TEST(Filter, BytesThatAreNotAFilterKnowNothing) {
  for (const std::string& bytes : {std::string(1, '\6'), std::string(66, '\6'), std::string(65, '\0'),
                                   std::string(1, '\x1f') + std::string(64, '\0')}) {
    const FilterReader filter(bytes);
    EXPECT_TRUE(filter.empty());
    EXPECT_TRUE(filter.MayContain(123456789));
  }
}

}  // namespace
}  // namespace varve::lsm
