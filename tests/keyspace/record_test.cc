#include "keyspace/record.h"

#include <gtest/gtest.h>

namespace varve::keyspace {
namespace {

std::string Hex(std::string_view bytes) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string hex;
  for (char c : bytes) {
    hex.push_back(kDigits[static_cast<uint8_t>(c) >> 4]);
    hex.push_back(kDigits[static_cast<uint8_t>(c) & 15]);
  }
  return hex;
}

// These pin the layout on disk. If one fails the format changed: add a version, do not edit the bytes.
TEST(RecordFormat, KeysAreTagDatabaseName) {
  std::string key;
  EncodeMetaKey(1, "ab", &key);
  EXPECT_EQ(Hex(key),
            "6d"
            "0001"
            "6162");
  EncodeMetaKeyEnd(1, &key);
  EXPECT_EQ(Hex(key),
            "6d"
            "0002");
  EncodeExpiryKey(15, 0x0102030405060708, "z", &key);
  EXPECT_EQ(Hex(key),
            "78"
            "000f"
            "0102030405060708"
            "7a");
  EncodeExpiryKeyEnd(15, &key);
  EXPECT_EQ(Hex(key),
            "78"
            "0010");
  EncodeCounterKey(3, &key);
  EXPECT_EQ(Hex(key),
            "63"
            "0003");
}

TEST(RecordFormat, MetaRecordOfAString) {
  std::string record;
  EncodeMetaRecord(Type::kString, 0, "hi", &record);
  EXPECT_EQ(Hex(record),
            "01"
            "00"
            "6869");
  EncodeMetaRecord(Type::kString, 0x0102030405060708, "hi", &record);
  EXPECT_EQ(Hex(record),
            "01"
            "01"
            "0807060504030201"
            "6869");
}

TEST(RecordFormat, Counters) {
  std::string bytes;
  EncodeCounters({.keys = 258, .expires = 1}, &bytes);
  EXPECT_EQ(Hex(bytes),
            "0201000000000000"
            "0100000000000000");
  Counters counters;
  ASSERT_TRUE(DecodeCounters(bytes, &counters).ok());
  EXPECT_EQ(counters, (Counters{.keys = 258, .expires = 1}));
  EXPECT_TRUE(DecodeCounters("short", &counters).Is(lsm::StatusCode::kCorruption));
}

TEST(MetaRecord, ReadsBackWhatWasWritten) {
  for (uint64_t expire_ms : {uint64_t{0}, uint64_t{1}, uint64_t{1} << 62}) {
    std::string bytes;
    EncodeMetaRecord(Type::kHash, expire_ms, std::string_view("v\0w", 3), &bytes);
    MetaRecord record;
    ASSERT_TRUE(DecodeMetaRecord(bytes, &record).ok());
    EXPECT_EQ(record.type, Type::kHash);
    EXPECT_EQ(record.expire_ms, expire_ms);
    EXPECT_EQ(record.value, std::string_view("v\0w", 3));
  }
}

TEST(MetaRecord, SkipsTheReservedOriginAndClock) {
  const std::string bytes = std::string("\x01\x02", 2) + std::string(12, 'o') + "value";
  MetaRecord record;
  ASSERT_TRUE(DecodeMetaRecord(bytes, &record).ok());
  EXPECT_EQ(record.value, "value");
  EXPECT_EQ(record.expire_ms, 0u);
}

TEST(MetaRecord, RefusesWhatItDoesNotKnow) {
  MetaRecord record;
  using lsm::StatusCode;
  EXPECT_TRUE(DecodeMetaRecord("", &record).Is(StatusCode::kCorruption));
  EXPECT_TRUE(DecodeMetaRecord("\x01", &record).Is(StatusCode::kCorruption));
  EXPECT_TRUE(DecodeMetaRecord(std::string("\x00\x00", 2), &record).Is(StatusCode::kCorruption));
  EXPECT_TRUE(DecodeMetaRecord(std::string("\x07\x00", 2), &record).Is(StatusCode::kCorruption));
  EXPECT_TRUE(DecodeMetaRecord(std::string("\x01\x04", 2), &record).Is(StatusCode::kUnsupported));
  // The flags promise more bytes than there are.
  EXPECT_TRUE(DecodeMetaRecord("\x01\x01short", &record).Is(StatusCode::kCorruption));
  EXPECT_TRUE(DecodeMetaRecord("\x01\x02short", &record).Is(StatusCode::kCorruption));
}

TEST(ExpiryKey, ReadsBackAndRefusesShortOnes) {
  std::string key;
  EncodeExpiryKey(7, 99, "name", &key);
  ExpiryKey decoded;
  ASSERT_TRUE(DecodeExpiryKey(key, &decoded));
  EXPECT_EQ(decoded.db, 7);
  EXPECT_EQ(decoded.when_ms, 99u);
  EXPECT_EQ(decoded.name, "name");
  EXPECT_FALSE(DecodeExpiryKey(key.substr(0, 10), &decoded));
  EXPECT_FALSE(DecodeExpiryKey("m" + key.substr(1), &decoded));
}

TEST(ExpiryKey, SortsByTime) {
  std::string early;
  std::string late;
  EncodeExpiryKey(0, 255, "z", &early);
  EncodeExpiryKey(0, 256, "a", &late);
  EXPECT_LT(early, late);
}

TEST(PrefixEnd, IsAboveEverythingWithThePrefix) {
  EXPECT_EQ(PrefixEnd("ab"), "ac");
  EXPECT_EQ(PrefixEnd("a\xff\xff"), "b");
  EXPECT_EQ(PrefixEnd("\xff"), "");
  EXPECT_EQ(PrefixEnd(""), "");
}

TEST(TypeNames, GoBothWays) {
  for (Type type : {Type::kString, Type::kList, Type::kSet, Type::kZset, Type::kHash, Type::kStream}) {
    EXPECT_EQ(TypeFromName(TypeName(type)), type);
  }
  EXPECT_EQ(TypeFromName("STRing"), Type::kString);
  EXPECT_EQ(TypeFromName("nosuch"), std::nullopt);
}

TEST(Order, NamesEachNumberOnce) {
  DatabaseOrder order = kPlainOrder;
  std::swap(order[0], order[15]);
  const std::string bytes = EncodeOrder(order);
  EXPECT_EQ(bytes, std::string("\x0f\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\0", 16));
  DatabaseOrder again{};
  EXPECT_TRUE(DecodeOrder(bytes, &again).ok());
  EXPECT_EQ(again, order);
  EXPECT_TRUE(DecodeOrder(bytes.substr(1), &again).Is(lsm::StatusCode::kCorruption));
  EXPECT_TRUE(DecodeOrder(bytes + '\0', &again).Is(lsm::StatusCode::kCorruption));
  EXPECT_TRUE(DecodeOrder(std::string(16, '\0'), &again).Is(lsm::StatusCode::kCorruption));
  EXPECT_TRUE(DecodeOrder("\x10" + bytes.substr(1), &again).Is(lsm::StatusCode::kCorruption));
}

}  // namespace
}  // namespace varve::keyspace
