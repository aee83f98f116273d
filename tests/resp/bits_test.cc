// What the replayed comparison with redis-server (testdata/compare.txt) cannot show of resp/commands/bits.cc.
#include "tests/resp/harness.h"

namespace varve::resp {
namespace {

constexpr const char* kWrongTypeReply = "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n";

TEST_F(DispatcherTest, BitCommandsRefuseOtherTypes) {
  ASSERT_TRUE(keys_->Put(0, "h", nullptr, keyspace::Type::kHash, "?", 0).ok());
  Do("SET s abc");
  for (const char* line :
       {"SETBIT h 0 1", "GETBIT h 0", "BITCOUNT h", "BITCOUNT h 0", "BITPOS h 1", "BITOP AND d h s", "BITOP OR d s h",
        "BITOP NOT d h", "BITFIELD h", "BITFIELD h GET u8 0", "BITFIELD h SET u8 0 1", "BITFIELD_RO h GET u8 0"}) {
    EXPECT_EQ(Do(line), kWrongTypeReply) << line;
  }
  EXPECT_EQ(Do("EXISTS d"), ":0\r\n");
  EXPECT_EQ(Do("BITOP AND h s"), ":3\r\n");  // the target may be of any type
  EXPECT_EQ(Do("TYPE h"), "+string\r\n");
}

TEST_F(DispatcherTest, BitPlacesEndWithTheLongestString) {
  config_.proto_max_bulk_len = int64_t{1} << 20;
  EXPECT_EQ(Do("SETBIT a 8388607 1"), ":0\r\n");
  EXPECT_EQ(Do("STRLEN a"), ":1048576\r\n");
  const std::string error = "-ERR bit offset is not an integer or out of range\r\n";
  EXPECT_EQ(Do("SETBIT a 8388608 1"), error);
  EXPECT_EQ(Do("GETBIT a 8388608"), error);
  EXPECT_EQ(Do("BITFIELD a SET u1 8388608 1"), error);
  EXPECT_EQ(Do("BITFIELD a GET u8 #1048576"), error);
  EXPECT_EQ(Do("BITFIELD a GET u8 #9223372036854775807"), error);
  EXPECT_EQ(Do("BITFIELD a GET u8 #1048575"), "*1\r\n:1\r\n");
  EXPECT_EQ(Do("BITPOS a 1"), ":8388607\r\n");
  EXPECT_EQ(Do("BITCOUNT a"), ":1\r\n");
}

// Redis' SETBIT and BITFIELD count as a change only what changes something: WATCH sees it.
TEST_F(DispatcherTest, BitsThatStayAreNoChange) {
  Do("SETBIT a 9 1");
  const uint64_t changes = keys_->changes();
  EXPECT_EQ(Do("SETBIT a 9 1"), ":1\r\n");
  EXPECT_EQ(Do("SETBIT a 15 0"), ":0\r\n");
  EXPECT_EQ(Do("BITFIELD a SET u8 8 64 GET u8 0"), "*2\r\n:64\r\n:0\r\n");
  EXPECT_EQ(Do("BITFIELD a OVERFLOW FAIL SET u1 0 9"), "*1\r\n$-1\r\n");
  EXPECT_EQ(keys_->changes(), changes);
  EXPECT_EQ(Do("SETBIT a 16 0"), ":0\r\n");  // longer
  EXPECT_EQ(keys_->changes(), changes + 1);
}

TEST_F(DispatcherTest, SaturationGoesToTheNearerEnd) {
  // redis-server 7.0.15 gives the largest number here, by an overflow in its own arithmetic.
  EXPECT_EQ(Do("BITFIELD a OVERFLOW SAT SET i63 0 -9223372036854775808 GET i63 0"),
            "*2\r\n:0\r\n:-4611686018427387904\r\n");
}

TEST_F(DispatcherTest, BitsAreThereAfterTheCommit) {
  Do("SETBIT a 1 1");
  Commit();
  EXPECT_EQ(Do("GETBIT a 1"), ":1\r\n");
  EXPECT_EQ(Do("SETBIT a 1 0"), ":1\r\n");
  EXPECT_EQ(Do("GETBIT a 1"), ":0\r\n");
}

}  // namespace
}  // namespace varve::resp
