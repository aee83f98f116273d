// SET IFEQ, DELIFEQ and MSETEX: beyond Redis 7.0, so that there is no server here to compare with.
#include "tests/resp/harness.h"

namespace varve::resp {
namespace {

constexpr const char* kSyntaxReply = "-ERR syntax error\r\n";
constexpr const char* kWrongTypeReply = "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n";

TEST_F(DispatcherTest, SetIfEqWritesOverTheExpectedValueOnly) {
  EXPECT_EQ(Do("SET a new IFEQ old"), "$-1\r\n");  // not there
  EXPECT_EQ(Do("SET a new IFEQ ''"), "$-1\r\n");
  EXPECT_EQ(Do("EXISTS a"), ":0\r\n");
  Do("SET a old EX 100");
  EXPECT_EQ(Do("SET a new IFEQ other"), "$-1\r\n");
  EXPECT_EQ(Do("SET a new ifeq old KEEPTTL"), "+OK\r\n");
  EXPECT_EQ(Do("GET a"), "$3\r\nnew\r\n");
  EXPECT_EQ(Do("TTL a"), ":100\r\n");
  EXPECT_EQ(Do("SET a newer IFEQ nothing GET"), "$3\r\nnew\r\n");
  EXPECT_EQ(Do("SET a newer GET IFEQ new EX 7"), "$3\r\nnew\r\n");
  EXPECT_EQ(Do("GET a"), "$5\r\nnewer\r\n");
  EXPECT_EQ(Do("TTL a"), ":7\r\n");
  EXPECT_EQ(Do("SET none x IFEQ y GET"), "$-1\r\n");
}

TEST_F(DispatcherTest, SetIfEqStandsAlone) {
  Do("SET a old");
  for (const char* line : {"SET a new IFEQ", "SET a new NX IFEQ old", "SET a new IFEQ old XX", "SET a new XX IFEQ old",
                           "SET a new IFEQ old NX", "GETEX a IFEQ old"}) {
    EXPECT_EQ(Do(line), kSyntaxReply) << line;
  }
  ASSERT_TRUE(keys_->Put(0, "h", nullptr, keyspace::Type::kHash, "?", 0).ok());
  EXPECT_EQ(Do("SET h new IFEQ ?"), kWrongTypeReply);
  EXPECT_EQ(Do("GET a"), "$3\r\nold\r\n");
}

TEST_F(DispatcherTest, DelIfEqDeletesTheExpectedValueOnly) {
  EXPECT_EQ(Do("DELIFEQ a x"), ":0\r\n");
  Do("SET a x PX 10");
  EXPECT_EQ(Do("DELIFEQ a y"), ":0\r\n");
  EXPECT_EQ(Do("DELIFEQ a x"), ":1\r\n");
  EXPECT_EQ(Do("DELIFEQ a x"), ":0\r\n");
  Do("SET a x PX 10");
  clock_.now_ms += 10;
  EXPECT_EQ(Do("DELIFEQ a x"), ":0\r\n");
  ASSERT_TRUE(keys_->Put(0, "h", nullptr, keyspace::Type::kHash, "?", 0).ok());
  EXPECT_EQ(Do("DELIFEQ h ?"), kWrongTypeReply);
}

TEST_F(DispatcherTest, MSetExSetsAllWithOneTimeToLive) {
  EXPECT_EQ(Do("MSETEX 2 a 1 b 2 EX 100"), ":1\r\n");
  EXPECT_EQ(Do("MGET a b"), "*2\r\n$1\r\n1\r\n$1\r\n2\r\n");
  EXPECT_EQ(Do("TTL a"), ":100\r\n");
  EXPECT_EQ(Do("TTL b"), ":100\r\n");
  EXPECT_EQ(Do("MSETEX 3 b 3 c 4 c 5 KEEPTTL"), ":1\r\n");
  EXPECT_EQ(Do("TTL b"), ":100\r\n");
  EXPECT_EQ(Do("TTL c"), ":-1\r\n");
  EXPECT_EQ(Do("GET c"), "$1\r\n5\r\n");
  EXPECT_EQ(Do("MSETEX 1 b 6"), ":1\r\n");
  EXPECT_EQ(Do("TTL b"), ":-1\r\n");
  EXPECT_EQ(Do("MSETEX 1 b 6 PXAT 33177117420000"), ":1\r\n");
  EXPECT_EQ(Do("PEXPIRETIME b"), ":33177117420000\r\n");
  EXPECT_EQ(Do("DBSIZE"), ":3\r\n");
}

TEST_F(DispatcherTest, MSetExSetsAllOrNone) {
  Do("SET a 1");
  EXPECT_EQ(Do("MSETEX 2 b 2 a 2 NX"), ":0\r\n");
  EXPECT_EQ(Do("MSETEX 2 a 2 b 2 XX"), ":0\r\n");
  EXPECT_EQ(Do("MGET a b"), "*2\r\n$1\r\n1\r\n$-1\r\n");
  EXPECT_EQ(Do("MSETEX 2 b 2 c 2 NX PX 5000"), ":1\r\n");
  EXPECT_EQ(Do("MSETEX 2 b 3 c 3 XX KEEPTTL"), ":1\r\n");
  EXPECT_EQ(Do("PTTL c"), ":5000\r\n");
  ASSERT_TRUE(keys_->Put(0, "h", nullptr, keyspace::Type::kHash, "?", 0).ok());
  EXPECT_EQ(Do("MSETEX 1 h 3 XX"), ":1\r\n");  // of whatever type, as MSET
  EXPECT_EQ(Run(session_, {"MSETEX", "2", "d", "1", std::string(65537, 'k'), "1"}),
            "-ERR key is longer than 65536 bytes\r\n");
  EXPECT_EQ(Do("EXISTS d"), ":0\r\n");
}

TEST_F(DispatcherTest, MSetExChecksItsArguments) {
  for (const char* line : {"MSETEX 0 a 1", "MSETEX -1 a 1", "MSETEX x a 1", "MSETEX 9223372036854775807 a 1"}) {
    EXPECT_EQ(Do(line), "-ERR invalid numkeys value\r\n") << line;
  }
  EXPECT_EQ(Do("MSETEX 2 a 1"), "-ERR wrong number of key-value pairs\r\n");
  EXPECT_EQ(Do("MSETEX 2147483647 a 1 b"), "-ERR wrong number of key-value pairs\r\n");
  for (const char* line : {"MSETEX 1 a 1 b", "MSETEX 1 a 1 NX XX", "MSETEX 1 a 1 EX", "MSETEX 1 a 1 EX 5 PX 5",
                           "MSETEX 1 a 1 EX 5 KEEPTTL", "MSETEX 1 a 1 GET", "MSETEX 1 a 1 IFEQ 1"}) {
    EXPECT_EQ(Do(line), kSyntaxReply) << line;
  }
  EXPECT_EQ(Do("MSETEX 1 a 1 EX 0"), "-ERR invalid expire time in 'msetex' command\r\n");
  EXPECT_EQ(Do("MSETEX 1 a"), "-ERR wrong number of arguments for 'msetex' command\r\n");
  EXPECT_EQ(Do("EXISTS a"), ":0\r\n");
}

TEST_F(DispatcherTest, MSetExSaysWhereItsKeysAre) {
  EXPECT_EQ(Do("COMMAND GETKEYS MSETEX 2 a 1 b 2 EX 5"), "*2\r\n$1\r\na\r\n$1\r\nb\r\n");
  EXPECT_EQ(Do("COMMAND GETKEYS MSETEX 9 a 1 b 2"), "*2\r\n$1\r\na\r\n$1\r\nb\r\n");
  EXPECT_EQ(Do("COMMAND GETKEYS MSETEX 9223372036854775807 a 1"), "*1\r\n$1\r\na\r\n");
  EXPECT_TRUE(Do("COMMAND GETKEYS MSETEX -5 a 1").starts_with("-ERR Invalid arguments"));
  EXPECT_TRUE(Do("COMMAND GETKEYS MSETEX x a 1").starts_with("-ERR Invalid arguments"));
  const std::string info = Do("COMMAND INFO msetex");
  EXPECT_NE(info.find("keynumidx\r\n:0\r\n$8\r\nfirstkey\r\n:1\r\n$7\r\nkeystep\r\n:2\r\n"), std::string::npos) << info;
  EXPECT_NE(info.find("+movablekeys\r\n"), std::string::npos);
  EXPECT_EQ(Do("COMMAND GETKEYSANDFLAGS SET a 1 IFEQ 2"), "*1\r\n*2\r\n$1\r\na\r\n*3\r\n+RW\r\n+access\r\n+update\r\n");
}

}  // namespace
}  // namespace varve::resp
