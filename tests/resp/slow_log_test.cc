#include "resp/slow_log.h"

#include "tests/resp/harness.h"

namespace varve::resp {
namespace {

std::vector<std::string> Logged(const SlowLog& log, size_t index = 0) {
  return log.entries()[index].arguments;
}

TEST(SlowLog, CutsWhatIsLong) {
  SlowLog log;
  const std::string at_limit(128, 'a');
  const std::string over(130, 'b');
  log.Add(std::vector<std::string_view>{"set", at_limit, over}, {}, {});
  EXPECT_EQ(Logged(log), (std::vector<std::string>{"set", at_limit, std::string(128, 'b') + "... (2 more bytes)"}));

  std::vector<std::string_view> args(32, "x");
  log.Add(args, {}, {});
  EXPECT_EQ(Logged(log).size(), 32u);
  EXPECT_EQ(Logged(log).back(), "x");
  args.push_back("x");
  log.Add(args, {}, {});
  EXPECT_EQ(Logged(log).size(), 32u);
  EXPECT_EQ(Logged(log).back(), "... (2 more arguments)");
}

TEST(SlowLog, HidesSecretsAndNumbersEntries) {
  SlowLog log;
  const size_t secrets[] = {1};
  log.Add(std::vector<std::string_view>{"auth", "password"}, secrets, {});
  log.Add(std::vector<std::string_view>{"ping"}, {}, {});
  EXPECT_EQ(Logged(log, 1), (std::vector<std::string>{"auth", "(redacted)"}));
  EXPECT_EQ(log.entries()[0].id, 1u);
  EXPECT_EQ(log.entries()[1].id, 0u);
  log.Trim(1);
  EXPECT_EQ(log.entries().size(), 1u);
  EXPECT_EQ(log.entries()[0].id, 1u);
  log.Clear();
  log.Add(std::vector<std::string_view>{"ping"}, {}, {});
  EXPECT_EQ(log.entries()[0].id, 2u) << "numbers go on";
}

TEST_F(DispatcherTest, SlowCommandsAreLogged) {
  EXPECT_EQ(Do("SLOWLOG LEN"), ":0\r\n");
  EXPECT_EQ(Do("SLOWLOG GET"), "*0\r\n");
  config_.slowlog_log_slower_than_us = 100'000;
  Do("CLIENT SETNAME me");
  server_.on_sleep = [&](uint64_t us) { clock_.monotonic_us += us; };
  Do("DEBUG SLEEP 0.2");
  EXPECT_EQ(Do("SLOWLOG LEN"), ":1\r\n");
  EXPECT_EQ(Do("SLOWLOG GET"),
            "*1\r\n*6\r\n:0\r\n:1700000000\r\n:200010\r\n*3\r\n$5\r\nDEBUG\r\n$5\r\nSLEEP\r\n$3\r\n0.2\r\n"
            "$14\r\n127.0.0.1:1000\r\n$2\r\nme\r\n");
  EXPECT_EQ(Do("SLOWLOG RESET"), "+OK\r\n");
  EXPECT_EQ(Do("SLOWLOG LEN"), ":0\r\n");
}

TEST_F(DispatcherTest, TheSlowLogHasALengthAndNoSecrets) {
  config_.slowlog_log_slower_than_us = 0;
  config_.slowlog_max_len = 2;
  Do("PING");
  Do("CONFIG SET masterauth secret");
  Do("AUTH secret");
  EXPECT_EQ(Do("SLOWLOG GET -1").find("secret"), std::string::npos);
  Do("HELLO 2 AUTH default secret");
  const std::string log = Do("SLOWLOG GET 10");
  EXPECT_TRUE(log.starts_with("*2\r\n")) << log;
  EXPECT_EQ(log.find("secret"), std::string::npos) << log;
  EXPECT_NE(log.find("(redacted)"), std::string::npos) << log;
  EXPECT_EQ(Do("SLOWLOG GET 0"), "*0\r\n");
  EXPECT_EQ(Do("SLOWLOG GET -2"), "-ERR count should be greater than or equal to -1\r\n");
  EXPECT_EQ(Do("SLOWLOG GET x"), "-ERR count should be greater than or equal to -1\r\n");
  EXPECT_EQ(Do("SLOWLOG GET 1 2"),
            "-ERR unknown subcommand or wrong number of arguments for 'GET'. Try SLOWLOG HELP.\r\n");
  config_.slowlog_log_slower_than_us = -1;
  Do("SLOWLOG RESET");
  Do("PING");
  EXPECT_EQ(Do("SLOWLOG LEN"), ":0\r\n");
}

TEST_F(DispatcherTest, ExecIsNotLoggedWhatItRunsIs) {
  config_.slowlog_log_slower_than_us = 0;
  Do("MULTI");
  Do("SET a 1");
  Do("SLOWLOG RESET");
  Do("EXEC");
  const auto& entries = dispatcher_->slow_log().entries();
  ASSERT_EQ(entries.size(), 1u);
  EXPECT_EQ(entries[0].arguments[0], "SLOWLOG");
}

}  // namespace
}  // namespace varve::resp
