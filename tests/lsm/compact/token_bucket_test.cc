#include "lsm/compact/token_bucket.h"

#include <gtest/gtest.h>

namespace varve::lsm {
namespace {

constexpr uint64_t kRate = 1'000'000;  // a byte a microsecond
constexpr uint64_t kSecond = 1'000'000;

TEST(TokenBucketTest, KeepsTheRate) {
  TokenBucket bucket;
  uint64_t now = 10 * kSecond, taken = 0;
  const uint64_t start = now;
  for (int i = 0; i < 1000; ++i) {
    now += bucket.Take(64 * 1024, kRate, now);
    taken += 64 * 1024;
  }
  EXPECT_NEAR(static_cast<double>(now - start), static_cast<double>(taken), 0.1 * kSecond + 1);
}

TEST(TokenBucketTest, RestIsCreditForATenthOfASecond) {
  TokenBucket bucket;
  EXPECT_EQ(bucket.Take(100'000, kRate, 60 * kSecond), 0u);
  EXPECT_EQ(bucket.Take(1000, kRate, 60 * kSecond), 1000u);
  EXPECT_EQ(bucket.Take(100'000, kRate, 3600 * kSecond), 0u);
  EXPECT_EQ(bucket.Take(1, kRate, 3600 * kSecond), 1u);
}

TEST(TokenBucketTest, SeveralTakersShareIt) {
  TokenBucket bucket;
  EXPECT_EQ(bucket.Take(600'000, kRate, kSecond), 500'000u);
  EXPECT_EQ(bucket.Take(600'000, kRate, kSecond), 1'100'000u);
  bucket.Reset();
  EXPECT_EQ(bucket.Take(600'000, 10 * kRate, kSecond), 0u);
}

}  // namespace
}  // namespace varve::lsm
