#include "resp/dispatcher.h"

#include "tests/resp/harness.h"

namespace varve::resp {
namespace {

TEST_F(DispatcherTest, EveryRowRefusesTooFewArguments) {
  auto check = [&](const Command& command, std::vector<std::string> words) {
    const size_t wanted = static_cast<size_t>(std::abs(command.arity));
    while (words.size() + 1 < wanted) words.emplace_back("x");
    if (words.size() >= wanted) return;  // the name alone is enough
    EXPECT_EQ(Run(session_, words),
              "-ERR wrong number of arguments for '" + std::string(command.full_name) + "' command\r\n");
    EXPECT_EQ(dispatcher_->stats_of(command).rejected, 1u);
  };
  for (const Command& command : AllCommands()) {
    if (command.subcommands.empty()) {
      check(command, {std::string(command.name)});
    } else if (command.handler == nullptr) {
      check(command, {std::string(command.name)});
      for (const Command& child : command.subcommands)
        check(child, {std::string(command.name), std::string(child.name)});
    }
  }
  EXPECT_FALSE(keys_->has_pending());
}

TEST_F(DispatcherTest, EveryRowSurvivesStrangeArguments) {
  const std::vector<std::string> strange = {"",
                                            "-1",
                                            "0",
                                            "9223372036854775807",
                                            "-9223372036854775808",
                                            "4294967296",
                                            "*",
                                            std::string("\0\r\n", 3),
                                            std::string(70000, 'k'),
                                            "1e400"};
  auto run = [&](std::vector<std::string> words) {
    for (size_t extra = 0; extra < 5; extra++) {
      for (size_t i = 0; i < strange.size(); i++) {
        std::vector<std::string> full = words;
        for (size_t n = 0; n < extra; n++) full.push_back(strange[(i + n * 3) % strange.size()]);
        session_ = Session{};
        session_.id = 1;
        const std::string reply = Run(session_, full);
        // One reply, and no line of it broken by what was sent.
        ASSERT_TRUE(reply.empty() || reply.ends_with("\r\n")) << words[0];
        if (!reply.empty() && (reply[0] == '-' || reply[0] == '+')) {
          ASSERT_EQ(reply.find('\r'), reply.size() - 2) << words[0];
        }
        dispatcher_->Forget(session_);
      }
    }
  };
  for (const Command& command : AllCommands()) {
    run({std::string(command.name)});
    for (const Command& child : command.subcommands) run({std::string(command.name), std::string(child.name)});
  }
  config_ = Config();
}

TEST_F(DispatcherTest, UnknownCommandsAreNamedAsInRedis) {
  EXPECT_EQ(Do("nosuch a b"), "-ERR unknown command 'nosuch', with args beginning with: 'a' 'b' \r\n");
  EXPECT_EQ(Do("client nosuch"), "-ERR unknown subcommand 'nosuch'. Try CLIENT HELP.\r\n");
  EXPECT_EQ(Run(session_, {"a\r\nb"}), "-ERR unknown command 'a  b', with args beginning with: \r\n");
}

TEST_F(DispatcherTest, TellsWhoWrote) {
  Do("SET a 1");
  EXPECT_TRUE(last_.wrote);
  Do("GET a");
  EXPECT_FALSE(last_.wrote);
  Do("SET a 2 NX");
  EXPECT_FALSE(last_.wrote);
  EXPECT_TRUE(last_.replied);
}

TEST_F(DispatcherTest, StrangersMayOnlyIntroduceThemselves) {
  config_.requirepass = "secret";
  session_.authenticated = false;
  EXPECT_EQ(Do("GET a"), "-NOAUTH Authentication required.\r\n");
  EXPECT_EQ(Do("PING"), "-NOAUTH Authentication required.\r\n");
  EXPECT_TRUE(Do("HELLO 3").starts_with("-NOAUTH HELLO must be called"));
  EXPECT_EQ(session_.protocol, 2);
  EXPECT_EQ(Do("AUTH wrong"), "-WRONGPASS invalid username-password pair or user is disabled.\r\n");
  EXPECT_EQ(Do("AUTH default secre"), "-WRONGPASS invalid username-password pair or user is disabled.\r\n");
  EXPECT_EQ(Do("AUTH ''"), "-WRONGPASS invalid username-password pair or user is disabled.\r\n");
  EXPECT_EQ(Do("AUTH other secret"), "-WRONGPASS invalid username-password pair or user is disabled.\r\n");
  EXPECT_EQ(Do("AUTH secret"), "+OK\r\n");
  EXPECT_EQ(Do("PING"), "+PONG\r\n");
  EXPECT_EQ(Do("RESET"), "+RESET\r\n");
  EXPECT_EQ(Do("PING"), "-NOAUTH Authentication required.\r\n");
  EXPECT_TRUE(Do("HELLO 3 AUTH default secret SETNAME me").starts_with("%7\r\n"));
  EXPECT_EQ(session_.name, "me");
}

TEST_F(DispatcherTest, TransactionsRunWhole) {
  EXPECT_EQ(Do("MULTI"), "+OK\r\n");
  EXPECT_EQ(Do("SET a 1"), "+QUEUED\r\n");
  EXPECT_FALSE(last_.wrote);
  EXPECT_EQ(Do("INCR a"), "+QUEUED\r\n");
  EXPECT_EQ(DoOther("GET a"), "$-1\r\n");
  EXPECT_EQ(Do("EXEC"), "*2\r\n+OK\r\n:2\r\n");
  EXPECT_TRUE(last_.wrote);
  EXPECT_FALSE(session_.in_multi);
}

TEST_F(DispatcherTest, ARefusedCommandAbortsTheTransaction) {
  Do("MULTI");
  EXPECT_TRUE(Do("NOSUCH").starts_with("-ERR unknown command"));
  EXPECT_EQ(Do("SET a 1"), "+QUEUED\r\n");
  EXPECT_EQ(Do("EXEC"), "-EXECABORT Transaction discarded because of previous errors.\r\n");
  EXPECT_EQ(Do("GET a"), "$-1\r\n");
  Do("MULTI");
  EXPECT_EQ(Do("EXEC x"),
            "-EXECABORT Transaction discarded because of: wrong number of arguments for 'exec' command\r\n");
  EXPECT_FALSE(session_.in_multi);
}

TEST_F(DispatcherTest, WatchSeesTheOthersWrites) {
  Do("SET a 1");
  EXPECT_EQ(Do("WATCH a none"), "+OK\r\n");
  EXPECT_EQ(DoOther("SET a 2"), "+OK\r\n");
  Do("MULTI");
  Do("SET a 3");
  EXPECT_EQ(Do("EXEC"), "*-1\r\n");
  EXPECT_EQ(Do("GET a"), "$1\r\n2\r\n");
  // Nothing is watched any more.
  Do("MULTI");
  Do("SET a 3");
  EXPECT_EQ(Do("EXEC"), "*1\r\n+OK\r\n");
}

TEST_F(DispatcherTest, WatchSeesExpiry) {
  Do("SET a 1 PX 100");
  Do("WATCH a");
  clock_.now_ms += 100;
  Do("MULTI");
  Do("PING");
  EXPECT_EQ(Do("EXEC"), "*-1\r\n");
  // A key that had expired before it was watched is simply not there.
  Do("SET b 1 PX 100");
  clock_.now_ms += 100;
  Do("WATCH b");
  Do("MULTI");
  Do("PING");
  EXPECT_EQ(Do("EXEC"), "*1\r\n+PONG\r\n");
}

TEST_F(DispatcherTest, WatchSeesActiveExpiryAndFlush) {
  Do("SET a 1 PX 100");
  Do("WATCH a");
  clock_.now_ms += 100;
  keys_->BeginCommand();
  ASSERT_TRUE(keys_->ActiveExpire(10).ok());
  Do("MULTI");
  EXPECT_EQ(Do("EXEC"), "*-1\r\n");
  Do("SET a 1");
  Do("WATCH a");
  DoOther("FLUSHALL");
  Do("MULTI");
  EXPECT_EQ(Do("EXEC"), "*-1\r\n");
  Do("WATCH a");
  DoOther("FLUSHALL");
  Do("MULTI");
  EXPECT_EQ(Do("EXEC"), "*0\r\n");
}

TEST_F(DispatcherTest, RepliesCanBeSwitchedOff) {
  EXPECT_EQ(Do("CLIENT REPLY OFF"), "");
  EXPECT_EQ(Do("PING"), "");
  EXPECT_FALSE(last_.replied);
  EXPECT_EQ(Do("NOSUCH"), "");
  EXPECT_EQ(Do("CLIENT REPLY ON"), "+OK\r\n");
  EXPECT_EQ(Do("CLIENT REPLY SKIP"), "");
  EXPECT_EQ(Do("PING"), "");
  EXPECT_EQ(Do("PING"), "+PONG\r\n");
}

TEST_F(DispatcherTest, HttpIsShownTheDoor) {
  EXPECT_EQ(Do("POST /"), "");
  EXPECT_TRUE(session_.close_after_reply);
  EXPECT_EQ(DoOther("Host: localhost"), "");
  EXPECT_TRUE(other_.close_after_reply);
}

TEST_F(DispatcherTest, APauseOfWritesLetsReadsThrough) {
  Do("SET a 1 PX 1000");
  EXPECT_EQ(Do("CLIENT PAUSE 60000 WRITE"), "+OK\r\n");
  EXPECT_EQ(DoOther("SET a 2"), "");
  EXPECT_TRUE(last_.parked);
  EXPECT_FALSE(last_.wrote);
  EXPECT_EQ(DoOther("SET a"), "-ERR wrong number of arguments for 'set' command\r\n") << "nothing to wait for";
  EXPECT_EQ(DoOther("GET a"), "$1\r\n1\r\n");
  clock_.now_ms += 2000;
  const uint64_t pending = keys_->pending_count();
  EXPECT_EQ(DoOther("GET a"), "$-1\r\n");
  EXPECT_EQ(keys_->pending_count(), pending) << "what has expired stays until writes may run";
  EXPECT_EQ(Do("CLIENT UNPAUSE"), "+OK\r\n");
  EXPECT_EQ(DoOther("SET a 2"), "+OK\r\n");
  EXPECT_FALSE(last_.parked);
  EXPECT_EQ(dispatcher_->stats_of(*FindCommand("set")).calls, 2u) << "waiting is no call";
}

TEST_F(DispatcherTest, APauseLooksIntoTransactions) {
  DoOther("MULTI");
  DoOther("GET a");
  Do("CLIENT PAUSE 60000 WRITE");
  EXPECT_EQ(DoOther("EXEC"), "*1\r\n$-1\r\n");
  Do("CLIENT UNPAUSE");
  DoOther("MULTI");
  DoOther("SET a 1");
  Do("CLIENT PAUSE 60000 WRITE");
  EXPECT_EQ(DoOther("EXEC"), "");
  EXPECT_TRUE(last_.parked);
  Do("CLIENT UNPAUSE");
  EXPECT_EQ(DoOther("EXEC"), "*1\r\n+OK\r\n");
  Do("MULTI");
  Do("CLIENT PAUSE 60000 WRITE");
  Do("SET b 1");
  EXPECT_EQ(Do("EXEC"), "*2\r\n+OK\r\n+OK\r\n") << "it begins after the transaction";
  EXPECT_EQ(Do("SET b 2"), "");
}

TEST_F(DispatcherTest, APauseEndsByItselfAndNeverShrinks) {
  Do("CLIENT PAUSE 1000 ALL");
  EXPECT_EQ(DoOther("PING"), "");
  EXPECT_TRUE(last_.parked);
  clock_.monotonic_us += 1'000'000;
  EXPECT_EQ(DoOther("PING"), "+PONG\r\n");
  Do("CLIENT PAUSE 1000 WRITE");
  Do("CLIENT PAUSE 10 WRITE");
  clock_.monotonic_us += 500'000;
  EXPECT_EQ(DoOther("SET a 1"), "");
  EXPECT_EQ(Do("CLIENT PAUSE 0"), "+OK\r\n");
  EXPECT_EQ(DoOther("PING"), "+PONG\r\n");
  for (const auto& [request, reply] :
       {std::pair{"CLIENT PAUSE x", "-ERR timeout is not an integer or out of range\r\n"},
        {"CLIENT PAUSE -1", "-ERR timeout is negative\r\n"},
        {"CLIENT PAUSE 1 READ", "-ERR CLIENT PAUSE mode must be WRITE or ALL\r\n"},
        {"CLIENT PAUSE 9223372036854775807", "+OK\r\n"}}) {
    EXPECT_EQ(Do(request), reply);
  }
}

TEST_F(DispatcherTest, NobodyIsBlockedToBeUnblocked) {
  EXPECT_EQ(Do("CLIENT UNBLOCK 2"), ":0\r\n");
  EXPECT_EQ(Do("CLIENT UNBLOCK 2 ERROR"), ":0\r\n");
  EXPECT_EQ(Do("CLIENT UNBLOCK x"), "-ERR value is not an integer or out of range\r\n");
  EXPECT_EQ(Do("CLIENT UNBLOCK 2 NOW"), "-ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR\r\n");
}

TEST_F(DispatcherTest, DebugIsForLocalClients) {
  EXPECT_EQ(Do("DEBUG SLEEP 0.5"), "+OK\r\n");
  EXPECT_EQ(server_.slept_us, 500'000u);
  session_.loopback = false;
  EXPECT_TRUE(Do("DEBUG SLEEP 1").starts_with("-ERR DEBUG command not allowed."));
  config_.enable_debug_command = Config::DebugCommand::kYes;
  EXPECT_EQ(Do("DEBUG SLEEP 0"), "+OK\r\n");
}

TEST_F(DispatcherTest, AFailedCommitIsAnError) {
  Do("SET a 1");
  ASSERT_TRUE(db_->Close().ok());
  auto sequence = keys_->Commit(nullptr);
  ASSERT_FALSE(sequence.ok());
  std::string out;
  dispatcher_->FailedCommit(session_, lsm::Status::NoSpace("wal: No space left on device"), &out);
  EXPECT_EQ(out, "-MISCONF Errors writing to the AOF file: wal: No space left on device\r\n");
}

TEST_F(DispatcherTest, ProtocolErrorsCloseTheConnection) {
  std::string out;
  dispatcher_->ProtocolError(session_, "Protocol error: invalid bulk length", &out);
  EXPECT_EQ(out, "-ERR Protocol error: invalid bulk length\r\n");
  EXPECT_TRUE(session_.close_after_reply);
}

TEST_F(DispatcherTest, CountsCallsAndErrors) {
  Do("GET a");
  Do("SET a x");
  Do("INCR a");
  Do("NOSUCH");
  EXPECT_EQ(dispatcher_->stats_of(*FindCommand("get")).calls, 1u);
  EXPECT_EQ(dispatcher_->stats_of(*FindCommand("incr")).failed, 1u);
  EXPECT_EQ(dispatcher_->stats().error_replies, 2u);
  EXPECT_EQ(dispatcher_->error_counts().at("ERR"), 2u);
  EXPECT_EQ(dispatcher_->stats().keyspace_misses, 1u);
  EXPECT_EQ(Do("CONFIG RESETSTAT"), "+OK\r\n");
  EXPECT_EQ(dispatcher_->stats().error_replies, 0u);
  EXPECT_EQ(server_.stats_resets, 1);
}

}  // namespace
}  // namespace varve::resp
