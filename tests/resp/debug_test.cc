// DEBUG, SAVE and BGREWRITEAOF: what test suites ask for.
#include "resp/command_table.h"
#include "resp/sha1.h"
#include "tests/resp/harness.h"

namespace varve::resp {
namespace {

std::string Hex(std::string_view bytes) {
  std::string text;
  for (uint8_t byte : Sha1(bytes)) {
    char digits[3];
    snprintf(digits, sizeof(digits), "%02x", byte);
    text += digits;
  }
  return text;
}

// The examples of FIPS 180, and lengths about the end of a block.
TEST(Sha1, KnownAnswers) {
  EXPECT_EQ(Hex(""), "da39a3ee5e6b4b0d3255bfef95601890afd80709");
  EXPECT_EQ(Hex("abc"), "a9993e364706816aba3e25717850c26c9cd0d89d");
  EXPECT_EQ(Hex("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"),
            "84983e441c3bd26ebaae4aa1f95129e5e54670f1");
  EXPECT_EQ(Hex(std::string(1'000'000, 'a')), "34aa973cd4c4daa4f61eeb2bdbad27316534016f");
  EXPECT_EQ(Hex(std::string(55, 'a')), "c1c8bbdc22796e28c0e15163d20899b65621d65a");
  EXPECT_EQ(Hex(std::string(64, 'a')), "0098ba824b5c16427bd7a1122a5a442a25ec644d");
}

// The figures are redis-server 7.0.15's of the same data.
TEST_F(DispatcherTest, DigestsAreRedisOwn) {
  EXPECT_EQ(Do("DEBUG DIGEST"), "+0000000000000000000000000000000000000000\r\n");
  Do("SET a 1");
  Do("SET b hello EX 1000");
  Do("SELECT 3");
  Do("SET c 12345");
  Do("SELECT 0");
  EXPECT_EQ(Do("DEBUG DIGEST"), "+86add3eeb2fe108c6094d275c9279d83bbc3cd81\r\n");
  EXPECT_EQ(Do("DEBUG DIGEST-VALUE a b nosuch"),
            "*3\r\n+b4fc66738120fba0b5aa500ab5c2bf89cea1c5da\r\n+d037c4eb8a8b36b602fbced4000daeab0714c1e3\r\n+"
            "0000000000000000000000000000000000000000\r\n");
  EXPECT_EQ(Do("DEBUG DIGEST-VALUE"), "*0\r\n");
}

TEST_F(DispatcherTest, PopulateFillsWhatIsMissing) {
  Do("SET key:1 mine");
  EXPECT_EQ(Do("DEBUG POPULATE 3"), "+OK\r\n");
  EXPECT_EQ(Do("MGET key:0 key:1 key:2"), "*3\r\n$7\r\nvalue:0\r\n$4\r\nmine\r\n$7\r\nvalue:2\r\n");
  EXPECT_EQ(Do("DEBUG POPULATE 1 p 10"), "+OK\r\n");
  EXPECT_EQ(Do("GET p:0"), std::string("$10\r\nvalue:0\0\0\0\r\n", 17));
  EXPECT_EQ(Do("DEBUG POPULATE 1 q 3"), "+OK\r\n");
  EXPECT_EQ(Do("GET q:0"), "$3\r\nval\r\n");
  EXPECT_EQ(Do("DEBUG POPULATE -1"), "-ERR value is out of range, must be positive\r\n");
  EXPECT_EQ(Do("DEBUG POPULATE x"), "-ERR value is out of range, must be positive\r\n");
  EXPECT_EQ(Do("DEBUG POPULATE 3 r 104857600"), "-ERR DEBUG POPULATE writes up to 268435456 bytes at once\r\n");
  EXPECT_EQ(Do("EXISTS r:0"), ":0\r\n") << "all or none";
}

TEST_F(DispatcherTest, ReloadLosesNothing) {
  Do("SET a 1");
  Do("SET b 1 EX 1000");
  EXPECT_EQ(Do("DEBUG RELOAD"), "+OK\r\n");
  EXPECT_EQ(committed_first_, 1) << "it is about what is on the disk";
  EXPECT_EQ(Do("DEBUG LOADAOF"), "+OK\r\n");
  EXPECT_EQ(Do("DEBUG RELOAD NOSAVE NOFLUSH MERGE"), "+OK\r\n");
  EXPECT_EQ(Do("DEBUG RELOAD NOW"), "-ERR DEBUG RELOAD only supports the MERGE, NOFLUSH and NOSAVE options.\r\n");
  EXPECT_EQ(Do("MGET a b"), "*2\r\n$1\r\n1\r\n$1\r\n1\r\n");
  EXPECT_EQ(Do("TTL b"), ":1000\r\n");
}

TEST_F(DispatcherTest, DebugSaysAndSetsSmallThings) {
  EXPECT_EQ(Run(session_, {"DEBUG", "ERROR", "MINE own\r\nwords"}), "-MINE own  words\r\n");
  EXPECT_EQ(Run(session_, {"DEBUG", "LOG", "hello there"}), "+OK\r\n");
  EXPECT_EQ(server_.logged, std::vector<std::string>{"hello there"});
  EXPECT_EQ(Do("DEBUG STRINGMATCH-LEN a*c abc"), ":1\r\n");
  EXPECT_EQ(Do("DEBUG STRINGMATCH-LEN a*d abc"), ":0\r\n");
  EXPECT_EQ(Do("DEBUG OBJECT a"), "-ERR no such key\r\n");
  Do("SET a 17");
  EXPECT_TRUE(Do("DEBUG OBJECT a").starts_with("+Value at:0x0 refcount:1 encoding:int serializedlength:3 ")) << "";
  EXPECT_EQ(Do("DEBUG PAUSE-CRON 1"), "+OK\r\n");
  EXPECT_TRUE(config_.pause_cron);
  EXPECT_EQ(Do("DEBUG PAUSE-CRON 0"), "+OK\r\n");
  EXPECT_FALSE(config_.pause_cron);
  EXPECT_EQ(Do("DEBUG CHANGE-REPL-ID"), "+OK\r\n");
  EXPECT_EQ(Do("DEBUG REPLYBUFFER PEAK-RESET-TIME never"), "+OK\r\n");
  EXPECT_EQ(Do("DEBUG REPLYBUFFER RESIZING 0"), "+OK\r\n");
  EXPECT_EQ(Do("DEBUG QUICKLIST-PACKED-THRESHOLD 200b"), "+OK\r\n");
  EXPECT_EQ(Do("DEBUG QUICKLIST-PACKED-THRESHOLD 4gb"),
            "-ERR argument must be a memory value bigger than 1 and smaller than 4gb\r\n");
  for (const char* refused : {"JMAP", "SEGFAULT", "SLEEP", "ERROR", "REPLYBUFFER x"}) {
    EXPECT_TRUE(Do(std::string("DEBUG ") + refused).starts_with("-ERR unknown subcommand or wrong number of arguments"))
        << refused;
  }
}

TEST_F(DispatcherTest, ProtocolShowsAttributes) {
  EXPECT_EQ(Do("DEBUG PROTOCOL attrib"), "$39\r\nSome real reply following the attribute\r\n");
  Do("HELLO 3");
  EXPECT_EQ(Do("DEBUG PROTOCOL attrib"),
            "|1\r\n$14\r\nkey-popularity\r\n*2\r\n$7\r\nkey:123\r\n:90\r\n"
            "$39\r\nSome real reply following the attribute\r\n");
}

TEST_F(DispatcherTest, SavesAreMadeOfWhatWasWritten) {
  Do("SET a 1");
  EXPECT_EQ(Do("SAVE"), "+OK\r\n");
  EXPECT_EQ(committed_first_, 1);
  EXPECT_FALSE(keys_->has_pending());
  EXPECT_EQ(server_.saves, 1);
  EXPECT_EQ(dispatcher_->stats_of(*FindCommand("save")).calls, 1u);
  server_.saving = true;
  EXPECT_EQ(Do("SAVE"), "-ERR Background save already in progress\r\n");
  EXPECT_EQ(Do("BGREWRITEAOF"), "+Background append only file rewriting started\r\n");
  EXPECT_EQ(Do("BGREWRITEAOF"), "-ERR Background append only file rewriting already in progress\r\n");
  Do("MULTI");
  EXPECT_EQ(Do("SAVE"), "-ERR Command not allowed inside a transaction\r\n");
}

}  // namespace
}  // namespace varve::resp
