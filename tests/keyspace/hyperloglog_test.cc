#include "keyspace/hyperloglog.h"

#include <gtest/gtest.h>

#include <random>
#include <vector>

namespace varve::keyspace {
namespace {

constexpr size_t kSparseMax = 3000;

std::string Head(char encoding) {
  return std::string("HYLL") + encoding + std::string(11, '\0');
}

std::vector<uint8_t> RegistersOf(const std::string& bytes) {
  HllRegisters registers{};
  HllMaximum(bytes, &registers);
  return {registers.begin(), registers.end()};
}

// Pins the format: these bytes lie in people's databases, here and in Redis'.
TEST(HyperLogLogFormat, AnEmptyOneIsARunOfZeros) {
  EXPECT_EQ(EmptyHyperLogLog(), Head(1) + "\x7f\xff");
}

TEST(HyperLogLogFormat, ARegisterSplitsTheRunItLiesIn) {
  std::string bytes = EmptyHyperLogLog();
  EXPECT_TRUE(HllRaise(100, 3, kSparseMax, &bytes));
  // 100 zeros; one register of 3; 16283 zeros. The cardinality is stale.
  EXPECT_EQ(bytes.substr(kHllHeadSize), "\x40\x63\x88\x7f\x9a");
  EXPECT_EQ(bytes[15], '\x80');
  EXPECT_TRUE(HllRaise(101, 3, kSparseMax, &bytes));
  EXPECT_EQ(bytes.substr(kHllHeadSize), "\x40\x63\x89\x7f\x99");  // one run of two
  EXPECT_FALSE(HllRaise(101, 2, kSparseMax, &bytes));
  EXPECT_TRUE(HllRaise(99, 1, kSparseMax, &bytes));
  EXPECT_EQ(bytes.substr(kHllHeadSize), "\x40\x62\x80\x89\x7f\x99");
  EXPECT_EQ(HllDescribeRuns(bytes), "Z:99 v:1,1 v:3,2 Z:16282");
}

TEST(HyperLogLogFormat, DenseRegistersAreSixBitsFromTheLowestOn) {
  std::string bytes = EmptyHyperLogLog();
  HllMakeDense(&bytes);
  EXPECT_EQ(bytes.size(), kHllDenseSize);
  EXPECT_TRUE(HllRaise(0, 1, kSparseMax, &bytes));
  EXPECT_TRUE(HllRaise(1, 63, kSparseMax, &bytes));
  EXPECT_TRUE(HllRaise(16383, 32, kSparseMax, &bytes));
  EXPECT_EQ(bytes.substr(kHllHeadSize, 3), std::string("\xc1\x0f\0", 3));
  EXPECT_EQ(bytes.back(), '\x80');
}

TEST(HyperLogLog, SparseAndDenseHoldTheSameRegisters) {
  std::mt19937_64 random(1);
  std::string sparse = EmptyHyperLogLog();
  std::string dense = sparse;
  HllMakeDense(&dense);
  std::vector<uint8_t> expected(kHllRegisterCount);
  for (int i = 0; i < 20000; i++) {
    // Neighbours are often raised alike, so that runs of values grow and split.
    const size_t index = random() % 4 == 0 ? random() % kHllRegisterCount : random() % 64;
    const auto value = static_cast<uint8_t>(1 + random() % (random() % 8 == 0 ? 32 : 3));
    const bool raised = value > expected[index];
    expected[index] = std::max(expected[index], value);
    ASSERT_EQ(HllRaise(index, value, SIZE_MAX, &sparse), raised) << i;
    ASSERT_EQ(HllRaise(index, value, SIZE_MAX, &dense), raised) << i;
    ASSERT_EQ(CheckHyperLogLog(sparse), HllCheck::kSound) << i;
    if (i % 500 == 0) {
      ASSERT_EQ(RegistersOf(sparse), expected) << i;
      ASSERT_EQ(RegistersOf(dense), expected) << i;
      ASSERT_EQ(HllEstimate(sparse), HllEstimate(dense)) << i;
    }
  }
  EXPECT_TRUE(HllIsSparse(sparse));
  HllMakeDense(&sparse);
  EXPECT_EQ(sparse.substr(kHllHeadSize), dense.substr(kHllHeadSize));
}

TEST(HyperLogLog, BecomesDenseWhenTooLongOrTooLarge) {
  std::string bytes = EmptyHyperLogLog();
  EXPECT_TRUE(HllRaise(5, 32, kSparseMax, &bytes));
  EXPECT_TRUE(HllIsSparse(bytes));
  EXPECT_TRUE(HllRaise(6, 33, kSparseMax, &bytes));
  EXPECT_FALSE(HllIsSparse(bytes));
  EXPECT_EQ(HllRegister(bytes, 5), 32);
  EXPECT_EQ(HllRegister(bytes, 6), 33);

  bytes = EmptyHyperLogLog();
  size_t longest = 0;
  for (int i = 0; HllIsSparse(bytes); i++) {
    longest = bytes.size();
    HllAdd(std::to_string(i), kSparseMax, &bytes);
    ASSERT_LT(i, 10000);
  }
  EXPECT_LE(longest, kSparseMax);
  EXPECT_GT(longest, kSparseMax - 10);
}

TEST(HyperLogLog, EstimatesWithinItsError) {
  std::string bytes = EmptyHyperLogLog();
  EXPECT_EQ(HllEstimate(bytes), 0u);
  uint64_t checkpoint = 1;
  for (uint64_t i = 1; i <= 1'000'000; i++) {
    HllAdd(std::to_string(i), kSparseMax, &bytes);
    if (i != checkpoint) continue;
    checkpoint *= 10;
    EXPECT_NEAR(static_cast<double>(HllEstimate(bytes)), static_cast<double>(i), 0.03 * static_cast<double>(i));
  }
}

TEST(HyperLogLog, RemembersItsCardinalityUntilARegisterGrows) {
  std::string bytes = EmptyHyperLogLog();
  uint64_t cardinality = 1;
  EXPECT_TRUE(HllCached(bytes, &cardinality));
  EXPECT_EQ(cardinality, 0u);
  HllAdd("a", kSparseMax, &bytes);
  EXPECT_FALSE(HllCached(bytes, &cardinality));
  HllSetCached(1, &bytes);
  EXPECT_FALSE(HllAdd("a", kSparseMax, &bytes));
  EXPECT_TRUE(HllCached(bytes, &cardinality));
  EXPECT_EQ(cardinality, 1u);
}

TEST(HyperLogLog, BytesFromOutsideAreLookedAt) {
  const std::string empty = EmptyHyperLogLog();
  EXPECT_EQ(CheckHyperLogLog(empty), HllCheck::kSound);
  EXPECT_EQ(CheckHyperLogLog(""), HllCheck::kForeign);
  EXPECT_EQ(CheckHyperLogLog(empty.substr(0, 15)), HllCheck::kForeign);
  EXPECT_EQ(CheckHyperLogLog("hYLL" + empty.substr(4)), HllCheck::kForeign);
  EXPECT_EQ(CheckHyperLogLog(Head(2) + "\x7f\xff"), HllCheck::kForeign);
  EXPECT_EQ(CheckHyperLogLog(Head(0)), HllCheck::kForeign);
  EXPECT_EQ(CheckHyperLogLog(Head(0) + std::string(12288, '\xff')), HllCheck::kSound);
  EXPECT_EQ(CheckHyperLogLog(Head(0) + std::string(12289, '\0')), HllCheck::kForeign);
  EXPECT_EQ(CheckHyperLogLog(Head(1)), HllCheck::kCorrupted);
  EXPECT_EQ(CheckHyperLogLog(Head(1) + "\x7f"), HllCheck::kCorrupted);      // half a run
  EXPECT_EQ(CheckHyperLogLog(Head(1) + "\x7f\xfe"), HllCheck::kCorrupted);  // one register is missing
  EXPECT_EQ(CheckHyperLogLog(empty + '\0'), HllCheck::kCorrupted);          // one too many
  EXPECT_EQ(CheckHyperLogLog(Head(1) + "\x7f\xfe\x80"), HllCheck::kSound);
  EXPECT_EQ(CheckHyperLogLog(Head(1) + "\x7f\xff\x7f\xff\x7f\xff\x7f\xff"), HllCheck::kCorrupted);
  // Runs whose lengths come to the right sum in 16 or 32 bits only.
  EXPECT_EQ(CheckHyperLogLog(empty + std::string(8, '\x7f')), HllCheck::kCorrupted);
}

TEST(HyperLogLog, WhateverIsSoundCanBeUsed) {
  std::mt19937_64 random(2);
  int sound = 0;
  for (int i = 0; i < 20000; i++) {
    std::string bytes = EmptyHyperLogLog();
    for (uint64_t n = random() % 8; n > 0; n--) HllAdd(std::to_string(random()), kSparseMax, &bytes);
    for (uint64_t n = random() % 3; n > 0; n--) bytes[4 + random() % (bytes.size() - 4)] = static_cast<char>(random());
    if (CheckHyperLogLog(bytes) != HllCheck::kSound) continue;
    sound++;
    (void)HllEstimate(bytes);
    HllRaise(random() % kHllRegisterCount, static_cast<uint8_t>(1 + random() % 51), kSparseMax, &bytes);
    ASSERT_EQ(CheckHyperLogLog(bytes), HllCheck::kSound) << i;
  }
  EXPECT_GT(sound, 1000);
}

}  // namespace
}  // namespace varve::keyspace
