#include "keyspace/bitmap.h"

#include <gtest/gtest.h>

#include <random>
#include <vector>

namespace varve::keyspace {
namespace {

std::vector<bool> BitsOf(std::string_view bytes) {
  std::vector<bool> bits;
  for (const char c : bytes) {
    for (int i = 7; i >= 0; i--) bits.push_back((static_cast<uint8_t>(c) >> i & 1) != 0);
  }
  return bits;
}

std::string RandomBytes(std::mt19937_64& random, size_t size) {
  // Long runs of equal bytes among others, so that searches go far.
  std::string bytes(size, random() % 2 == 0 ? '\0' : '\xff');
  for (uint64_t i = random() % 4; i > 0 && size > 0; i--) bytes[random() % size] = static_cast<char>(random());
  return bytes;
}

TEST(Bitmap, TheFirstBitIsTheHighestOfTheFirstByte) {
  const std::string bytes = "\x80\x01";
  EXPECT_EQ(LoadBits(bytes, 0, 1), 1u);
  EXPECT_EQ(LoadBits(bytes, 1, 14), 0u);
  EXPECT_EQ(LoadBits(bytes, 15, 1), 1u);
  EXPECT_EQ(LoadBits(bytes, 0, 16), 0x8001u);
  EXPECT_EQ(LoadBits(bytes, 12, 8), 0x10u);  // zeros behind the end
  EXPECT_EQ(LoadBits(bytes, 1000, 64), 0u);
}

TEST(Bitmap, CountsAndFindsLikeABitByBitLoop) {
  std::mt19937_64 random(1);
  for (int round = 0; round < 3000; round++) {
    const std::string bytes = RandomBytes(random, random() % 40);
    const std::vector<bool> bits = BitsOf(bytes);
    const uint64_t first = random() % (bits.size() + 1);
    const uint64_t limit = first + random() % (bits.size() + 1 - first);
    uint64_t count = 0;
    uint64_t found[2] = {kNoBit, kNoBit};
    for (uint64_t i = first; i < limit; i++) {
      count += bits[i] ? 1 : 0;
      if (found[bits[i]] == kNoBit) found[bits[i]] = i;
    }
    ASSERT_EQ(CountBits(bytes, first, limit), count) << round;
    ASSERT_EQ(FindBit(bytes, true, first, limit), found[1]) << round;
    ASSERT_EQ(FindBit(bytes, false, first, limit), found[0]) << round;
  }
}

TEST(Bitmap, StoresNumbersOfAnyWidthAnywhere) {
  std::mt19937_64 random(2);
  for (int round = 0; round < 3000; round++) {
    std::string bytes = RandomBytes(random, 9 + random() % 20);
    std::vector<bool> bits = BitsOf(bytes);
    const unsigned width = 1 + static_cast<unsigned>(random() % 64);
    const uint64_t place = random() % (bits.size() - width + 1);
    const uint64_t value = random();
    for (unsigned i = 0; i < width; i++) bits[place + i] = (value >> (width - 1 - i) & 1) != 0;
    StoreBits(&bytes, place, width, value);
    ASSERT_EQ(BitsOf(bytes), bits) << round;
    ASSERT_EQ(LoadBits(bytes, place, width), width == 64 ? value : value & ((uint64_t{1} << width) - 1)) << round;
  }
}

TEST(Bitmap, CombinesAsIfTheShorterHadZeros) {
  std::mt19937_64 random(3);
  for (int round = 0; round < 3000; round++) {
    const auto operation = static_cast<BitOperation>(random() % 3);
    const std::string a = RandomBytes(random, random() % 40);
    const std::string b = RandomBytes(random, random() % 40);
    std::string expected(std::max(a.size(), b.size()), '\0');
    for (size_t i = 0; i < expected.size(); i++) {
      const char left = i < a.size() ? a[i] : '\0';
      const char right = i < b.size() ? b[i] : '\0';
      expected[i] = static_cast<char>(operation == BitOperation::kAnd  ? left & right
                                      : operation == BitOperation::kOr ? left | right
                                                                       : left ^ right);
    }
    std::string result = a;
    CombineBits(operation, b, &result);
    ASSERT_EQ(result, expected) << round;
    InvertBits(&result);
    for (size_t i = 0; i < result.size(); i++) ASSERT_EQ(result[i], static_cast<char>(~expected[i])) << round;
  }
}

}  // namespace
}  // namespace varve::keyspace
