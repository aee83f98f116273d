#include "lsm/format/coding.h"

#include <gtest/gtest.h>

#include <random>

namespace varve::lsm {
namespace {

using std::string_literals::operator""s;

// Pins the on-disk bytes.
TEST(Coding, FixedIntegersAreLittleEndian) {
  std::string bytes;
  PutFixed32(&bytes, 0x04030201);
  PutFixed64(&bytes, 0x0807060504030201);
  EXPECT_EQ(bytes, "\x01\x02\x03\x04\x01\x02\x03\x04\x05\x06\x07\x08"s);
  EXPECT_EQ(DecodeFixed32(bytes.data()), 0x04030201u);
  EXPECT_EQ(DecodeFixed64(bytes.data() + 4), 0x0807060504030201u);

  char buffer[12];
  EncodeFixed32(buffer, 0x04030201);
  EncodeFixed64(buffer + 4, 0x0807060504030201);
  EXPECT_EQ(std::string_view(buffer, sizeof buffer), bytes);

  std::string_view in = bytes;
  uint32_t narrow;
  uint64_t wide;
  ASSERT_TRUE(GetFixed32(&in, &narrow));
  ASSERT_TRUE(GetFixed64(&in, &wide));
  EXPECT_EQ(narrow, 0x04030201u);
  EXPECT_EQ(wide, 0x0807060504030201u);
  EXPECT_FALSE(GetFixed32(&in, &narrow));
  EXPECT_FALSE(GetFixed64(&in, &wide));
}

// Pins the on-disk bytes.
TEST(Coding, VarintsCarrySevenBitsAByte) {
  std::string bytes;
  PutVarint32(&bytes, 0);
  PutVarint32(&bytes, 127);
  PutVarint32(&bytes, 128);
  PutVarint32(&bytes, 300);
  PutVarint32(&bytes, 0xffffffff);
  EXPECT_EQ(bytes, "\x00\x7f\x80\x01\xac\x02\xff\xff\xff\xff\x0f"s);
  bytes.clear();
  PutVarint64(&bytes, ~uint64_t{0});
  EXPECT_EQ(bytes, "\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"s);
}

TEST(Coding, EveryVarintComesBackAndShorterInputDoesNot) {
  std::vector<uint64_t> values = {0, 1};
  for (int bit = 1; bit < 64; ++bit) {
    for (int delta = -1; delta <= 1; ++delta) values.push_back((uint64_t{1} << bit) + static_cast<uint64_t>(delta));
  }
  values.push_back(~uint64_t{0});
  for (uint64_t value : values) {
    std::string bytes;
    PutVarint64(&bytes, value);
    EXPECT_EQ(bytes.size(), VarintLength(value)) << value;
    uint64_t decoded;
    std::string_view in = bytes;
    ASSERT_TRUE(GetVarint64(&in, &decoded)) << value;
    EXPECT_EQ(decoded, value);
    EXPECT_TRUE(in.empty());
    for (size_t size = 0; size < bytes.size(); ++size) {
      in = std::string_view(bytes).substr(0, size);
      EXPECT_FALSE(GetVarint64(&in, &decoded)) << value;
      EXPECT_EQ(in.size(), size);
    }
    uint32_t narrow;
    in = bytes;
    ASSERT_EQ(GetVarint32(&in, &narrow), value <= 0xffffffff) << value;
    if (value <= 0xffffffff) {
      EXPECT_EQ(narrow, value);
      char buffer[kVarint32SizeMax];
      EXPECT_EQ(std::string_view(buffer, EncodeVarint32(buffer, narrow)), bytes);
    } else {
      EXPECT_EQ(in.size(), bytes.size()) << "a refused input is left as it was";
    }
  }
}

TEST(Coding, VarintsBeyondTheirTypeAreRefused) {
  uint32_t narrow;
  std::string_view in = "\xff\xff\xff\xff\x1f";  // 33 bits
  EXPECT_FALSE(GetVarint32(&in, &narrow));
  uint64_t wide;
  in = "\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02";  // 65 bits
  EXPECT_FALSE(GetVarint64(&in, &wide));
  in = "\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01";  // an eleventh byte
  EXPECT_FALSE(GetVarint64(&in, &wide));
}

TEST(Coding, LengthPrefixedStringsAreBoundsChecked) {
  std::string bytes;
  PutLengthPrefixed(&bytes, "");
  PutLengthPrefixed(&bytes, "apex");
  EXPECT_EQ(bytes, "\x00\x04"s + "apex");
  std::string_view in = bytes;
  std::string_view out;
  ASSERT_TRUE(GetLengthPrefixed(&in, &out));
  EXPECT_EQ(out, "");
  ASSERT_TRUE(GetLengthPrefixed(&in, &out));
  EXPECT_EQ(out, "apex");
  EXPECT_FALSE(GetLengthPrefixed(&in, &out));

  in = "\x05"
       "apex";
  EXPECT_FALSE(GetLengthPrefixed(&in, &out));
  EXPECT_EQ(in.size(), 5u) << "a refused input is left as it was";
  in = "\xff\xff\xff\xff\x0f"
       "apex";
  EXPECT_FALSE(GetLengthPrefixed(&in, &out));
}

TEST(Coding, SharedPrefixOfEveryLength) {
  const std::string same = "the beginning of both strings";
  for (size_t shared = 0; shared <= same.size(); ++shared) {
    const std::string begin = same.substr(0, shared);
    EXPECT_EQ(SharedPrefix(begin + "a", begin + "b and more than that"), shared);
    EXPECT_EQ(SharedPrefix(begin, begin), shared);
    EXPECT_EQ(SharedPrefix(begin, begin + "longer"), shared);
    EXPECT_EQ(SharedPrefix(begin + std::string(9, '\0'), begin + "\x80"), shared);
  }
}

TEST(Coding, RandomBytesNeverReadPastTheEnd) {
  std::mt19937_64 random(7);
  for (int i = 0; i < 20000; ++i) {
    // A heap block of the exact size, so that the address sanitizer sees the first byte beyond it.
    std::vector<char> bytes(random() % 12);
    for (char& c : bytes) c = static_cast<char>(random() | (random() % 2 != 0 ? 0x80 : 0));
    std::string_view in(bytes.data(), bytes.size());
    uint64_t wide;
    uint32_t narrow;
    std::string_view out;
    std::string_view a = in, b = in, c = in;
    (void)GetVarint64(&a, &wide);
    (void)GetVarint32(&b, &narrow);
    if (GetLengthPrefixed(&c, &out)) {
      EXPECT_LE(out.data() + out.size(), in.data() + in.size());
    }
  }
}

}  // namespace
}  // namespace varve::lsm
