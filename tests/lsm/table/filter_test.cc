#include "lsm/table/filter.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>
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

double FalsePositiveRate(const FilterReader& filter, int questions = 200'000) {
  int maybe = 0;
  for (const uint64_t hash : Hashes("absent", questions)) maybe += filter.MayContain(hash) ? 1 : 0;
  return static_cast<double>(maybe) / questions;
}

void ExpectKnowsAll(const std::string& bytes, const std::vector<uint64_t>& hashes) {
  const FilterReader filter(bytes);
  ASSERT_FALSE(filter.empty());
  EXPECT_EQ(filter.memory_bytes(), bytes.size());
  for (const uint64_t hash : hashes) {
    filter.Prefetch(hash);
    ASSERT_TRUE(filter.MayContain(hash));
  }
}

// With hash 1 and seed 0, h is 0xff51afd7ed558ccd before and 0xff51afd71204231a after the shift. Of 6 slots in segments
// of 2, slot 0 is 0xff51afd7 * 2 >> 32 = 1, slot 1 is 3 ^ (0x1204 & 1) = 3 and slot 2 is 5 ^ (0x231a & 1) = 5.
// The fingerprint is the low end of 0xed558ccd.
//
// Pins the on-disk layout. If this fails the format changed: add a version, do not edit the bytes.
TEST(FilterFormat, OneKey) {
  // 40 bits for 6 slots: two have 6 bits, four have 7. The key takes the first of its slots, number 1, bits 6 to 11.
  EXPECT_EQ(Hex(BuildFilter({1}, 10)), Hex(std::string("\xf3\0\6\1"
                                                       "\6\0\0\0"
                                                       "\2\0\0\0",
                                                       12) +
                                           std::string("\x40\x03\0\0\0"
                                                       "\0\0\0\0",
                                                       9)));  // 0x0d << 6
}

TEST(FilterFormat, WhereSlotsAreWiderSoAreFingerprints) {
  // 7 bits from slot 1 on, so all slots of the key have them: 0x4d << 6.
  std::string bytes = std::string(
                          "\xf3\0\6\1"
                          "\6\0\0\0"
                          "\1\0\0\0",
                          12) +
                      std::string("\x40\x13", 2) + std::string(4 + 4, '\0');
  EXPECT_TRUE(FilterReader(bytes).MayContain(1));
  bytes[12 + 1] = 0x03;  // without the highest bit
  EXPECT_FALSE(FilterReader(bytes).empty());
  EXPECT_FALSE(FilterReader(bytes).MayContain(1));
}

TEST(FilterFormat, TheOrderOfTheHashesDoesNotMatter) {
  std::vector<uint64_t> hashes = Hashes("key", 5000);
  const std::string bytes = BuildFilter(hashes, 10);
  std::shuffle(hashes.begin(), hashes.end(), std::mt19937(1));
  EXPECT_TRUE(BuildFilter(hashes, 10) == bytes);
}

TEST(Filter, KnowsAllItsKeysWhateverTheirNumber) {
  for (int keys : {1, 2, 3, 10, 100, 1000, 30'000, 100'000, 1'000'000}) {
    SCOPED_TRACE(keys);
    const std::vector<uint64_t> hashes = Hashes("key", keys);
    ExpectKnowsAll(BuildFilter(hashes, 10), hashes);
  }
  for (int keys = 1; keys < 300; ++keys) {
    SCOPED_TRACE(keys);
    const std::vector<uint64_t> hashes = Hashes("few", keys);
    ExpectKnowsAll(BuildFilter(hashes, 10), hashes);
  }
}

TEST(Filter, KnowsAllItsKeysWhateverTheBudget) {
  for (double bits = 1; bits <= 32; bits += 0.3) {
    SCOPED_TRACE(bits);
    const std::vector<uint64_t> hashes = Hashes("key", 3000);
    ExpectKnowsAll(BuildFilter(hashes, bits), hashes);
  }
}

TEST(Filter, KeepsItsBudget) {
  for (double bits : {1.0, 2.5, 9.5, 10.0, 14.0, 16.0, 20.0}) {
    for (int keys : {2000, 4096, 50'000, 300'000}) {
      const std::string bytes = BuildFilter(Hashes("key", keys), bits);
      EXPECT_EQ(bytes.size(), FilterSize(static_cast<size_t>(keys), bits));
      EXPECT_LE(8.0 * static_cast<double>(bytes.size()), bits * keys + (keys < 4096 ? 0.03 * bits * keys + 128 : 0))
          << keys << " " << bits;
      EXPECT_GE(8.0 * static_cast<double>(bytes.size()), bits * keys - 8) << keys << " " << bits;
    }
  }
  EXPECT_LE(FilterSize(1, 10), 24u);
  EXPECT_LE(FilterSize(10, 10), 48u);
  EXPECT_LE(FilterSize(100, 10), 170u);
}

// Equal hashes can never have slots of their own.
TEST(Filter, EqualHashesCountAsOne) {
  std::vector<uint64_t> hashes = Hashes("key", 2000);
  const std::vector<uint64_t> twice = Hashes("key", 20);
  hashes.insert(hashes.end(), twice.begin(), twice.end());
  ExpectKnowsAll(BuildFilter(hashes, 10), hashes);
  ExpectKnowsAll(BuildFilter({7, 7}, 10), {7});
  const std::string same = BuildFilter(std::vector<uint64_t>(100'000, 7), 10);
  ExpectKnowsAll(same, {7});
  EXPECT_LT(FalsePositiveRate(FilterReader(same)), 0.01);
}

TEST(Filter, FailsAsOftenAsPredicted) {
  for (int keys : {100, 1000, 30'000, 300'000}) {
    for (double bits : {1.0, 3.0, 6.5, 8.0, 9.5, 10.0, 12.0}) {
      const std::string bytes = BuildFilter(Hashes("present", keys), bits);
      const double want = FilterFalsePositiveRate(static_cast<size_t>(keys), bytes.size());
      constexpr int kQuestions = 500'000;
      const double noise = 5 * std::sqrt(want / kQuestions);
      EXPECT_NEAR(FalsePositiveRate(FilterReader(bytes), kQuestions), want, 0.02 * want + noise) << keys << " " << bits;
    }
  }
}

TEST(Filter, FalsePositiveRateAtTenBits) {
  EXPECT_LE(FalsePositiveRate(FilterReader(BuildFilter(Hashes("present", 100), 10))), 0.0080);
  EXPECT_LE(FalsePositiveRate(FilterReader(BuildFilter(Hashes("present", 1000), 10))), 0.0070);
  EXPECT_LE(FalsePositiveRate(FilterReader(BuildFilter(Hashes("present", 30'000), 10))), 0.0045);
  EXPECT_LE(FalsePositiveRate(FilterReader(BuildFilter(Hashes("present", 300'000), 10))), 0.0033);
}

TEST(Filter, MoreBitsFewerFalsePositives) {
  double last = 1;
  for (int bits : {1, 2, 4, 6, 8, 10, 12, 14}) {
    const FilterReader filter(BuildFilter(Hashes("present", 50'000), bits));
    const double rate = FalsePositiveRate(filter);
    EXPECT_LT(rate, last) << bits;
    last = rate;
  }
  EXPECT_LT(last, 0.0006);
  EXPECT_LT(FilterFalsePositiveRate(50'000, FilterSize(50'000, 20)), 2e-5);
}

TEST(Filter, NoKeysOrNoBitsMeansNoFilterAndEveryKeyMayBeThere) {
  EXPECT_TRUE(BuildFilter({}, 10).empty());
  EXPECT_TRUE(BuildFilter({1, 2}, 0).empty());
  EXPECT_EQ(FilterSize(0, 10), 0u);
  EXPECT_EQ(FilterSize(10, 0), 0u);
  EXPECT_EQ(FilterFalsePositiveRate(10, 0), 1);
  EXPECT_EQ(FilterFalsePositiveRate(0, 10), 1);
  EXPECT_TRUE(FilterReader().MayContain(7));
  EXPECT_TRUE(FilterReader("").MayContain(7));
  FilterReader().Prefetch(7);
}

// Sizes and counts come from a manifest.
TEST(Filter, AnySizeHasARate) {
  for (const size_t keys : {size_t{1}, size_t{1000}, size_t{1} << 31, ~size_t{0}}) {
    for (const size_t size : {size_t{1}, size_t{17}, size_t{1} << 20, ~size_t{0} / 16, ~size_t{0}}) {
      const double rate = FilterFalsePositiveRate(keys, size);
      EXPECT_GT(rate, 0) << keys << " " << size;
      EXPECT_LE(rate, 1) << keys << " " << size;
    }
  }
}

void AskSome(const FilterReader& filter) {
  for (const uint64_t hash : {uint64_t{0}, uint64_t{1}, ~uint64_t{0}}) {
    filter.Prefetch(hash);
    (void)filter.MayContain(hash);
  }
  for (const uint64_t hash : Hashes("any", 20)) (void)filter.MayContain(hash);
}

// The address sanitizer sees what they read. The reader has a copy of just these bytes.
TEST(Filter, DamagedBytesAreNeverReadPast) {
  for (int keys : {1, 40}) {
    const std::string good = BuildFilter(Hashes("key", keys), 10);
    for (size_t size = 0; size < good.size(); ++size) {
      EXPECT_TRUE(FilterReader(std::string_view(good).substr(0, size)).empty()) << size;
    }
    EXPECT_TRUE(FilterReader(good + '\0').empty());
    for (size_t i = 0; i < good.size(); ++i) {
      for (int change = 1; change < 256; ++change) {
        std::string bad = good;
        bad[i] = static_cast<char>(bad[i] ^ change);
        AskSome(FilterReader(bad));
      }
    }
  }
}

// Fields that fit to each other and to the length, at the limits of what is allowed, and beyond.
TEST(Filter, HostileFieldsAreRefusedOrHarmless) {
  const auto filter_of = [](int width, int segment_bits, uint32_t slots, uint32_t wide_from, size_t bits) {
    std::string bytes(12, '\0');
    bytes[0] = '\xf3';
    bytes[2] = static_cast<char>(width);
    bytes[3] = static_cast<char>(segment_bits);
    EncodeFixed32(bytes.data() + 4, slots);
    EncodeFixed32(bytes.data() + 8, wide_from);
    return bytes + std::string((bits + 7) / 8 + 4, '\xff');
  };
  for (const std::string& bytes :
       {filter_of(24, 0, 3, 0, 75), filter_of(24, 0, 3, 3, 72), filter_of(0, 0, 3, 0, 3), filter_of(0, 2, 12, 11, 1),
        filter_of(1, 16, 3 << 16, 3 << 16, 3 << 16), filter_of(0, 16, 0xffff0000u, 0xffff0000u - 9, 9)}) {
    const FilterReader filter(bytes);
    EXPECT_FALSE(filter.empty());
    AskSome(filter);
  }
  for (const std::string& bytes :
       {filter_of(25, 0, 3, 0, 78), filter_of(8, 17, 3 << 17, 3 << 17, 24 << 17), filter_of(8, 32, 3, 3, 24),
        filter_of(8, 0, 2, 2, 16), filter_of(8, 0, 0, 0, 0), filter_of(8, 0, 0, 0, 8), filter_of(8, 2, 13, 13, 104),
        filter_of(8, 2, 12, 13, 96), filter_of(0, 0, 3, 3, 0), filter_of(8, 0, 3, 3, 32), std::string(65, '\6')}) {
    const FilterReader filter(bytes);
    EXPECT_TRUE(filter.empty()) << Hex(bytes.substr(0, 12));
    EXPECT_EQ(filter.memory_bytes(), 0u);
    EXPECT_TRUE(filter.MayContain(123456789));
  }
}

}  // namespace
}  // namespace varve::lsm
