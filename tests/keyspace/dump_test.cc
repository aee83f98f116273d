#include "keyspace/dump.h"

#include <gtest/gtest.h>

#include <random>

namespace varve::keyspace {
namespace {

constexpr size_t kSizeMax = size_t{1} << 20;

std::string Dump(std::string_view value) {
  std::string out;
  EncodeDump(value, &out);
  return out;
}

// A payload of these bytes, with a good footer.
std::string Signed(std::string body) {
  body += std::string("\x0a\0", 2);
  const uint64_t crc = DumpChecksum(body);
  body.append(reinterpret_cast<const char*>(&crc), sizeof(crc));
  return body;
}

DumpCheck Check(std::string_view payload) {
  std::string value;
  return DecodeDump(payload, kSizeMax, &value);
}

// The published check value of CRC-64/Jones.
TEST(DumpFormat, TheChecksumIsJones) {
  EXPECT_EQ(DumpChecksum("123456789"), 0xe9c6d914c4b8d9cau);
}

// Pins the format: redis-server 7.0.15 gave these.
TEST(DumpFormat, IsThatOfRedis) {
  EXPECT_EQ(Dump("hello"), std::string("\x00\x05hello\x0a\x00", 9) + Dump("hello").substr(9));
  EXPECT_EQ(Dump("2147483647"), std::string("\x00\xc2\xff\xff\xff\x7f\x0a\x00,t\xe5\x9e\xe0.\xad\xa1", 16));
  EXPECT_EQ(Dump("108673976923705"), std::string("\x00\x0f"
                                                 "108673976923705\x0a\x00MP\xb4'\xc1\x85\x95\xfb",
                                                 27));
  EXPECT_EQ(Dump("-1").substr(0, 3), std::string("\x00\xc0\xff", 3));
  EXPECT_EQ(Dump("-129").substr(0, 4), std::string("\x00\xc1\x7f\xff", 4));
  EXPECT_EQ(Dump("007").substr(0, 5), std::string("\x00\x03"
                                                  "007",
                                                  5));
  // 30 times the same: two bytes as they are, 26 from one back, the last two as they are.
  EXPECT_EQ(
      Dump(std::string(30, 'a')),
      std::string("\x00\xc3\x09\x1e\x01\x61\x61\xe0\x11\x00\x01\x61\x61\x0a\x00\x45\x73\x7c\xbb\x2b\x64\x7b\xbb", 23));
}

TEST(Dump, ReadsWhatItWrites) {
  std::mt19937_64 random(1);
  for (int i = 0; i < 3000; i++) {
    std::string value;
    const uint64_t letters = 1 + random() % 20;
    const uint64_t size = random() % (random() % 20 == 0 ? 40000 : 400);
    while (value.size() < size) {
      const char letter = static_cast<char>('0' + random() % letters);
      value.append(random() % 5 == 0 ? 1 + random() % 300 : 1, letter);
    }
    std::string again = "before";
    ASSERT_EQ(DecodeDump(Dump(value), kSizeMax, &again), DumpCheck::kSound) << i;
    ASSERT_EQ(again, value) << i;
  }
}

TEST(Dump, AnyChangedBitIsNoticed) {
  const std::string payload = Dump("some value");
  for (size_t bit = 0; bit < payload.size() * 8; bit++) {
    std::string changed = payload;
    changed[bit / 8] = static_cast<char>(changed[bit / 8] ^ 1 << bit % 8);
    ASSERT_EQ(Check(changed), DumpCheck::kBadFooter) << bit;
  }
  for (size_t size = 0; size < payload.size(); size++) ASSERT_EQ(Check(payload.substr(0, size)), DumpCheck::kBadFooter);
}

TEST(Dump, LengthsAreCheckedBeforeUse) {
  const std::string head(1, '\0');
  EXPECT_EQ(Check(Signed(head + "\x05hello")), DumpCheck::kSound);
  EXPECT_EQ(Check(Signed(head + std::string("\x80\0\0\0\x05hello", 10))), DumpCheck::kSound);
  EXPECT_EQ(Check(Signed(head + std::string("\x81\0\0\0\0\0\0\0\x05hello", 14))), DumpCheck::kSound);
  for (const std::string& body :
       {std::string(),
        head,
        head + "\x06hello",
        head + "\x04hello",
        head + "\x45",
        head + "\x80\xff\xff\xff\xffhello",
        head + "\x81\xff\xff\xff\xff\xff\xff\xff\xffhello",
        head + "\x82hello",
        head + "\xc0",
        head + "\xc1z",
        head + "\xc2zzz",
        head + "\xc4zzzz",
        head + "\xc3",
        head + "\xc3\x01",
        head + std::string("\xc3\0\0", 3) + "x",
        std::string("\x01\0", 2),                                     // a list
        head + std::string("\xc3\x02\x02\0x", 5),                     // comes to one byte, two were said
        head + std::string("\xc3\x02\x01\x01x", 5),                   // literals behind the end
        head + std::string("\xc3\x02\x03\x20\0", 5),                  // back from nothing
        head + std::string("\xc3\x04\x04\0x\x20\x01", 7),             // further back than there is
        head + std::string("\xc3\x04\x03\0x\x20\0", 7),               // more than was said
        head + std::string("\xc3\x03\x04\0x\x20", 6),                 // half a reference
        head + std::string("\xc3\x03\x09\0x\xe0", 6),                 // likewise
        head + std::string("\xc3\x02\x80\x1f\xff\xff\xff\0x", 9)}) {  // more than two bytes can come to
    EXPECT_EQ(Check(Signed(body)), DumpCheck::kBadData) << ::testing::PrintToString(body);
  }
  std::string value;
  EXPECT_EQ(DecodeDump(Dump(std::string(100, 'x')), 99, &value), DumpCheck::kBadData);
  EXPECT_EQ(DecodeDump(Dump("hello"), 4, &value), DumpCheck::kBadData);
}

}  // namespace
}  // namespace varve::keyspace
