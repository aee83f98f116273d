// tests/net/protocol_test.cc - what clients say and hear, against the real varve-server.
#include <gtest/gtest.h>
#include <hiredis/hiredis.h>

#include <memory>

#include "tests/net/raw_client.h"
#include "tests/net/server_process.h"

namespace varve::testing {
namespace {

using Context = std::unique_ptr<redisContext, decltype(&redisFree)>;
using Reply = std::unique_ptr<redisReply, decltype(&freeReplyObject)>;

class ProtocolTest : public ::testing::Test {
 protected:
  void SetUp() override { ASSERT_TRUE(server_.Start()) << server_.log(); }
  Context Connect() { return {redisConnect("127.0.0.1", server_.port()), &redisFree}; }
  template <typename... Words>
  static Reply Ask(Context& context, const char* format, Words... words) {
    return {static_cast<redisReply*>(redisCommand(context.get(), format, words...)), &freeReplyObject};
  }

  TemporaryDirectory dir_;
  ServerProcess server_{dir_.path()};
};

TEST_F(ProtocolTest, TenThousandRequestsInOneWriteAreAnsweredInOrder) {
  RawClient client(server_.port());
  std::string requests;
  for (int i = 0; i < 10000; ++i) {
    std::string n = std::to_string(i);
    requests += Request({"SET", "key" + n, n}) + Request({"GET", "key" + n});
  }
  ASSERT_TRUE(client.Send(requests));
  for (int i = 0; i < 10000; ++i) {
    std::string n = std::to_string(i);
    ASSERT_EQ(client.ReadReply(), "+OK\r\n");
    ASSERT_EQ(client.ReadReply(), "$" + std::to_string(n.size()) + "\r\n" + n + "\r\n");
  }
}

TEST_F(ProtocolTest, ARequestSplitAtEveryByteIsOneRequest) {
  const std::string requests =
      Request({"SET", "split", std::string("a\r\nb\0c", 6)}) + "GET split\r\n" + Request({"PING"});
  const std::string replies = "+OK\r\n" + std::string("$6\r\na\r\nb\0c\r\n", 12) + "+PONG\r\n";
  for (size_t cut = 1; cut < requests.size(); ++cut) {
    RawClient client(server_.port());
    ASSERT_TRUE(client.Send(std::string_view(requests).substr(0, cut)));
    ASSERT_TRUE(client.Send(std::string_view(requests).substr(cut)));
    ASSERT_EQ(client.Read(replies.size()), replies) << "cut at " << cut;
  }
  RawClient client(server_.port());
  for (char byte : requests) ASSERT_TRUE(client.Send({&byte, 1}));
  EXPECT_EQ(client.Read(replies.size()), replies);
}

TEST_F(ProtocolTest, InlineRequestsAndBlankLines) {
  RawClient client(server_.port());
  ASSERT_TRUE(client.Send("\r\n\r\nSET inline \"two words\\n\"\r\n*0\r\nGET inline\n*-1\r\nPING\r\n"));
  EXPECT_EQ(client.ReadReply(), "+OK\r\n");
  EXPECT_EQ(client.ReadReply(), "$10\r\ntwo words\n\r\n");
  EXPECT_EQ(client.ReadReply(), "+PONG\r\n");
}

TEST_F(ProtocolTest, BrokenRequestsGetTheErrorAndTheEnd) {
  struct Case {
    const char* bytes;
    const char* error;
  };
  for (const Case& c : {
           Case{"*abc\r\n", "-ERR Protocol error: invalid multibulk length\r\n"},
           Case{"*1048577\r\n", "-ERR Protocol error: invalid multibulk length\r\n"},
           Case{"*99999999999999999999\r\n", "-ERR Protocol error: invalid multibulk length\r\n"},
           Case{"*1\r\n+PING\r\n", "-ERR Protocol error: expected '$', got '+'\r\n"},
           Case{"*1\r\n$-1\r\n", "-ERR Protocol error: invalid bulk length\r\n"},
           Case{"*1\r\n$x\r\n", "-ERR Protocol error: invalid bulk length\r\n"},
           Case{"*1\r\n$536870913\r\n", "-ERR Protocol error: invalid bulk length\r\n"},
           Case{"GET \"half\r\n", "-ERR Protocol error: unbalanced quotes in request\r\n"},
       }) {
    RawClient client(server_.port());
    // What follows the error is read and thrown away; it must not cost the client its error by a reset.
    ASSERT_TRUE(client.Send("PING\r\n" + std::string(c.bytes) + std::string(100000, 'x')));
    EXPECT_EQ(client.ReadUntilEnd(), std::string("+PONG\r\n") + c.error) << c.bytes;
  }
  RawClient endless(server_.port());
  ASSERT_TRUE(endless.Send(std::string(70000, 'x')));
  EXPECT_EQ(endless.ReadUntilEnd(), "-ERR Protocol error: too big inline request\r\n");
  EXPECT_EQ(RawClient(server_.port()).Ask({"PING"}), "+PONG\r\n");
}

TEST_F(ProtocolTest, HelloChangesTheProtocol) {
  RawClient client(server_.port());
  EXPECT_EQ(client.Ask({"GET", "missing"}), "$-1\r\n");
  EXPECT_EQ(client.Ask({"HELLO", "2"})[0], '*');
  EXPECT_EQ(client.Ask({"HELLO", "3"})[0], '%');
  EXPECT_EQ(client.Ask({"GET", "missing"}), "_\r\n");
  EXPECT_EQ(client.Ask({"HELLO", "4"}), "-NOPROTO unsupported protocol version\r\n");
  EXPECT_EQ(client.Ask({"GET", "missing"}), "_\r\n");
  EXPECT_EQ(client.Ask({"HELLO", "2"})[0], '*');
  EXPECT_EQ(client.Ask({"GET", "missing"}), "$-1\r\n");
}

TEST_F(ProtocolTest, HiredisTransactions) {
  Context context = Connect();
  ASSERT_EQ(context->err, 0) << context->errstr;
  EXPECT_STREQ(Ask(context, "MULTI")->str, "OK");
  EXPECT_STREQ(Ask(context, "SET a %b", "1", size_t{1})->str, "QUEUED");
  EXPECT_STREQ(Ask(context, "INCRBY a 41")->str, "QUEUED");
  Reply reply = Ask(context, "EXEC");
  ASSERT_EQ(reply->elements, 2u);
  EXPECT_EQ(reply->element[1]->integer, 42);

  Context other = Connect();
  Ask(context, "WATCH a");
  Ask(other, "SET a changed");
  Ask(context, "MULTI");
  Ask(context, "SET a lost");
  EXPECT_EQ(Ask(context, "EXEC")->type, REDIS_REPLY_NIL);
  EXPECT_STREQ(Ask(context, "GET a")->str, "changed");
}

TEST_F(ProtocolTest, HiredisPipelinesValuesOfEverySize) {
  Context context = Connect();
  std::string value;
  for (size_t size = 0; size < 4'000'000; size = size * 3 + 1) {
    value.assign(size, static_cast<char>('a' + size % 26));
    redisAppendCommand(context.get(), "SET sized:%d %b", static_cast<int>(size), value.data(), value.size());
    redisAppendCommand(context.get(), "GET sized:%d", static_cast<int>(size));
    void* answer = nullptr;
    ASSERT_EQ(redisGetReply(context.get(), &answer), REDIS_OK);
    Reply set(static_cast<redisReply*>(answer), &freeReplyObject);
    ASSERT_STREQ(set->str, "OK");
    ASSERT_EQ(redisGetReply(context.get(), &answer), REDIS_OK);
    Reply get(static_cast<redisReply*>(answer), &freeReplyObject);
    ASSERT_EQ(std::string_view(get->str, static_cast<size_t>(get->len)), value);
  }
}

TEST_F(ProtocolTest, RepliesReachAClientThatFinishedSending) {
  RawClient client(server_.port());
  ASSERT_TRUE(client.Send(Request({"SET", "half", "closed"}) + Request({"GET", "half"})));
  client.FinishSending();
  EXPECT_EQ(client.ReadUntilEnd(), "+OK\r\n$6\r\nclosed\r\n");
}

TEST_F(ProtocolTest, ReplyOffAndSkip) {
  RawClient client(server_.port());
  ASSERT_TRUE(
      client.Send("CLIENT REPLY OFF\r\nSET a 1\r\nPING\r\nCLIENT REPLY ON\r\nCLIENT REPLY SKIP\r\nGET a\r\nGET a\r\n"));
  EXPECT_EQ(client.ReadReply(), "+OK\r\n");
  EXPECT_EQ(client.ReadReply(), "$1\r\n1\r\n");
}

TEST_F(ProtocolTest, KillingByIdEndsThatClientOnly) {
  RawClient victim(server_.port()), killer(server_.port());
  std::string id = victim.Ask({"CLIENT", "ID"});
  std::string digits = id.substr(1, id.size() - 3);
  EXPECT_EQ(killer.Ask({"CLIENT", "KILL", "ID", digits}), ":1\r\n");
  EXPECT_EQ(victim.ReadUntilEnd(), "");
  EXPECT_EQ(killer.Ask({"CLIENT", "KILL", "ID", digits}), ":0\r\n") << "ids are never used again";
  EXPECT_EQ(killer.Ask({"PING"}), "+PONG\r\n");
}

TEST_F(ProtocolTest, AClientMayKillItselfAndStillHearsOfIt) {
  RawClient client(server_.port());
  std::string id = client.Ask({"CLIENT", "ID"});
  ASSERT_TRUE(client.Send(Request({"CLIENT", "KILL", "ID", id.substr(1, id.size() - 3), "SKIPME", "no"}) + "PING\r\n"));
  EXPECT_EQ(client.ReadUntilEnd(), ":1\r\n");
}

TEST_F(ProtocolTest, ShutdownEndsTheProcessAndARestartHasTheData) {
  RawClient client(server_.port());
  ASSERT_EQ(client.Ask({"SET", "kept", "yes"}), "+OK\r\n");
  ASSERT_TRUE(client.Send(Request({"SHUTDOWN"})));
  EXPECT_EQ(client.ReadUntilEnd(), "");
  EXPECT_EQ(server_.Wait(), 0) << server_.log();
  ASSERT_TRUE(server_.Start()) << server_.log();
  EXPECT_EQ(RawClient(server_.port()).Ask({"GET", "kept"}), "$3\r\nyes\r\n");
  EXPECT_EQ(server_.Terminate(), 0) << server_.log();
}

// No tick is as long as it takes to send a large reply.
TEST_F(ProtocolTest, LargeRepliesLeaveInSlices) {
  RawClient client(server_.port()), witness(server_.port());
  auto writes = [&] {
    const std::string info = witness.Ask({"INFO", "stats"}), field = "\r\ntotal_writes_processed:";
    const size_t at = info.find(field);
    EXPECT_NE(at, std::string::npos);
    return std::stoull(info.substr(at + field.size()));
  };
  std::string large;
  for (size_t i = 0; large.size() < 1'000'000; ++i) large += std::to_string(i);
  ASSERT_EQ(client.Ask({"SET", "large", large}), "+OK\r\n");
  const uint64_t before = writes();
  ASSERT_TRUE(client.Send(Request({"GET", "large"}) + Request({"PING"}) + Request({"GET", "large"})));
  const std::string bulk = "$" + std::to_string(large.size()) + "\r\n" + large + "\r\n";
  EXPECT_EQ(client.ReadReply(), bulk);
  EXPECT_EQ(client.ReadReply(), "+PONG\r\n");
  EXPECT_EQ(client.ReadReply(), bulk);
  // A socket without room leaves some to libuv, whose writes are not counted: of 30 slices, a part.
  EXPECT_GE(writes() - before, 12u);
}

TEST_F(ProtocolTest, ShutdownSendsWhatWasAnswered) {
  RawClient client(server_.port());
  const std::string large(200'000, 'x');
  ASSERT_EQ(client.Ask({"SET", "large", large}), "+OK\r\n");
  ASSERT_TRUE(client.Send(Request({"GET", "large"}) + Request({"SHUTDOWN"})));
  EXPECT_EQ(client.ReadUntilEnd(), "$200000\r\n" + large + "\r\n");
  EXPECT_EQ(server_.Wait(), 0) << server_.log();
}

TEST_F(ProtocolTest, ASecondServerOnTheSameDirectoryRefusesAndHarmsNothing) {
  ServerProcess second(dir_.path());
  EXPECT_FALSE(second.Start());
  EXPECT_NE(second.log().find("cannot start"), std::string::npos) << second.log();
  EXPECT_EQ(RawClient(server_.port()).Ask({"PING"}), "+PONG\r\n");
}

}  // namespace
}  // namespace varve::testing
