// What the replayed comparison with redis-server (testdata/compare.txt) cannot show of resp/commands/hyperloglog.cc.
#include "keyspace/hyperloglog.h"

#include "tests/resp/harness.h"

namespace varve::resp {
namespace {

// The class of CVE-2025-32023: runs that go on behind the last register. Redis 7.0 meets some only on its way through.
TEST_F(DispatcherTest, CorruptedHyperLogLogsAreNotUsed) {
  const std::string head = std::string("HYLL\x01", 5) + std::string(11, '\0');
  const std::string error = "-INVALIDOBJ Corrupted HLL object detected\r\n";
  Do("PFADD good a");
  for (const std::string& runs : {std::string(), std::string("\x7f"), std::string("\x7f\xfe"),
                                  std::string("\x7f\xff\x80"), std::string("\x7f\xff\x7f\xff"), std::string("\x80")}) {
    Run(session_, {"SET", "bad", head + runs});
    for (const char* line : {"PFADD bad x", "PFADD bad", "PFCOUNT bad", "PFCOUNT good bad", "PFMERGE good bad",
                             "PFMERGE new bad", "PFMERGE bad good", "PFDEBUG GETREG bad", "PFDEBUG TODENSE bad",
                             "PFDEBUG DECODE bad", "PFDEBUG ENCODING bad"}) {
      EXPECT_EQ(Do(line), error) << line;
    }
  }
  EXPECT_EQ(Do("EXISTS new"), ":0\r\n");
  EXPECT_EQ(Do("PFCOUNT good"), ":1\r\n");
}

TEST_F(DispatcherTest, HyperLogLogCommandsRefuseOtherTypes) {
  ASSERT_TRUE(keys_->Put(0, "h", nullptr, keyspace::Type::kHash, "?", 0).ok());
  for (const char* line :
       {"PFADD h a", "PFCOUNT h", "PFCOUNT none h", "PFMERGE h none", "PFMERGE d h", "PFDEBUG ENCODING h"}) {
    EXPECT_EQ(Do(line), "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n") << line;
  }
}

// As in Redis the first PFCOUNT after a change writes its result down, and is a change for WATCH.
TEST_F(DispatcherTest, CountingWritesOnce) {
  Do("PFADD a x");
  uint64_t changes = keys_->changes();
  EXPECT_EQ(Do("PFCOUNT a"), ":1\r\n");
  EXPECT_EQ(keys_->changes(), changes + 1);
  EXPECT_EQ(Do("PFCOUNT a"), ":1\r\n");
  EXPECT_EQ(Do("PFADD a x"), ":0\r\n");
  EXPECT_EQ(keys_->changes(), changes + 1);
}

TEST_F(DispatcherTest, TheHyperLogLogSelfTestPasses) {
  EXPECT_EQ(Do("PFSELFTEST"), "+OK\r\n");
}

}  // namespace
}  // namespace varve::resp
