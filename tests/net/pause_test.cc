// tests/net/pause_test.cc - CLIENT PAUSE: whose requests wait, and that none is lost or overtaken by the next.
#include <gtest/gtest.h>

#include <chrono>
#include <string>
#include <vector>

#include "tests/net/raw_client.h"
#include "tests/net/server_process.h"

namespace varve::testing {
namespace {

class PauseTest : public ::testing::Test {
 protected:
  void SetUp() override { ASSERT_TRUE(server_.Start()) << server_.log(); }
  RawClient Connect() { return RawClient(server_.port()); }
  // Until INFO says that so many clients are blocked.
  void WaitForBlocked(RawClient& admin, int count) {
    const std::string wanted = "blocked_clients:" + std::to_string(count) + "\r\n";
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    std::string info;
    do {
      info = admin.Ask({"INFO", "clients"});
      if (info.find(wanted) != std::string::npos) return;
    } while (std::chrono::steady_clock::now() < deadline);
    FAIL() << info;
  }

  TemporaryDirectory dir_;
  ServerProcess server_{dir_.path()};
};

TEST_F(PauseTest, WritesWaitInTheirPlace) {
  RawClient admin = Connect();
  RawClient writer = Connect();
  ASSERT_EQ(admin.Ask({"CLIENT", "PAUSE", "600000", "WRITE"}), "+OK\r\n");
  std::string requests = Request({"GET", "n"});
  for (int i = 0; i < 1000; ++i) requests += Request({"INCR", "n"}) + Request({"GET", "n"});
  ASSERT_TRUE(writer.Send(requests));
  WaitForBlocked(admin, 1);
  EXPECT_EQ(writer.ReadReply(), "$-1\r\n") << "what came before the write";
  EXPECT_TRUE(writer.Silent());
  EXPECT_NE(admin.Ask({"CLIENT", "LIST"}).find(" flags=b "), std::string::npos);
  EXPECT_EQ(admin.Ask({"GET", "n"}), "$-1\r\n");
  ASSERT_EQ(admin.Ask({"CLIENT", "UNPAUSE"}), "+OK\r\n");
  for (int i = 1; i <= 1000; ++i) {
    const std::string n = std::to_string(i);
    ASSERT_EQ(writer.ReadReply(), ":" + n + "\r\n");
    ASSERT_EQ(writer.ReadReply(), "$" + std::to_string(n.size()) + "\r\n" + n + "\r\n");
  }
  WaitForBlocked(admin, 0);
}

// The first of them is still incomplete when it has to wait for the rest of itself, not for the pause.
TEST_F(PauseTest, ARequestInPiecesWaitsWhole) {
  RawClient admin = Connect();
  RawClient writer = Connect();
  ASSERT_EQ(admin.Ask({"CLIENT", "PAUSE", "600000", "WRITE"}), "+OK\r\n");
  const std::string value(300'000, 'v');
  const std::string request = Request({"SET", "large", value}) + Request({"STRLEN", "large"});
  ASSERT_TRUE(writer.Send(std::string_view(request).substr(0, 100'000)));
  ASSERT_EQ(admin.Ask({"PING"}), "+PONG\r\n");
  ASSERT_TRUE(writer.Send(std::string_view(request).substr(100'000)));
  WaitForBlocked(admin, 1);
  ASSERT_EQ(admin.Ask({"CLIENT", "UNPAUSE"}), "+OK\r\n");
  EXPECT_EQ(writer.ReadReply(), "+OK\r\n");
  EXPECT_EQ(writer.ReadReply(), ":300000\r\n");
}

TEST_F(PauseTest, EverybodyWaitsAndThenGoesOnInOrder) {
  RawClient admin = Connect();
  std::vector<RawClient> clients;
  for (int i = 0; i < 20; ++i) clients.push_back(Connect());
  ASSERT_EQ(admin.Ask({"CLIENT", "PAUSE", "600000", "WRITE"}), "+OK\r\n");
  for (int i = 0; i < 20; ++i) {
    ASSERT_TRUE(
        clients[static_cast<size_t>(i)].Send(Request({"APPEND", "order", std::string(1, static_cast<char>('a' + i))})));
    WaitForBlocked(admin, i + 1);
  }
  ASSERT_EQ(admin.Ask({"CLIENT", "UNPAUSE"}), "+OK\r\n");
  for (int i = 0; i < 20; ++i)
    EXPECT_EQ(clients[static_cast<size_t>(i)].ReadReply(), ":" + std::to_string(i + 1) + "\r\n");
  EXPECT_EQ(admin.Ask({"GET", "order"}), "$20\r\nabcdefghijklmnopqrst\r\n");
}

TEST_F(PauseTest, APauseOfAllEndsByItself) {
  RawClient admin = Connect();
  RawClient reader = Connect();
  ASSERT_EQ(reader.Ask({"PING"}), "+PONG\r\n");
  const auto begin = std::chrono::steady_clock::now();
  ASSERT_EQ(admin.Ask({"CLIENT", "PAUSE", "300"}), "+OK\r\n");
  EXPECT_EQ(reader.Ask({"PING"}), "+PONG\r\n");
  EXPECT_GE(std::chrono::steady_clock::now() - begin, std::chrono::milliseconds(300));
}

TEST_F(PauseTest, WhoLeavesWhileWaitingIsForgotten) {
  RawClient admin = Connect();
  ASSERT_EQ(admin.Ask({"CLIENT", "PAUSE", "600000", "WRITE"}), "+OK\r\n");
  {
    RawClient writer = Connect();
    ASSERT_TRUE(writer.Send(Request({"CLIENT", "ID"})));
    const std::string id = writer.ReadReply();
    ASSERT_TRUE(writer.Send(Request({"SET", "a", "1"})));
    WaitForBlocked(admin, 1);
    EXPECT_EQ(admin.Ask({"CLIENT", "KILL", "ID", id.substr(1, id.size() - 3)}), ":1\r\n");
    EXPECT_EQ(writer.ReadUntilEnd(), "");
  }
  WaitForBlocked(admin, 0);
  ASSERT_EQ(admin.Ask({"CLIENT", "UNPAUSE"}), "+OK\r\n");
  EXPECT_EQ(admin.Ask({"GET", "a"}), "$-1\r\n");
}

TEST_F(PauseTest, WaitEndsInTimeOrByHandAndTheNextRequestFollows) {
  RawClient admin = Connect();
  RawClient waiter = Connect();
  ASSERT_EQ(waiter.Ask({"WAIT", "1", "100"}), ":0\r\n");
  std::string id = waiter.Ask({"CLIENT", "ID"});
  id = id.substr(1, id.size() - 3);
  ASSERT_TRUE(waiter.Send(Request({"WAIT", "1", "0"}) + Request({"PING"})));
  WaitForBlocked(admin, 1);
  EXPECT_TRUE(waiter.Silent());
  EXPECT_EQ(admin.Ask({"CLIENT", "UNBLOCK", id, "ERROR"}), ":1\r\n");
  EXPECT_EQ(waiter.ReadReply(), "-UNBLOCKED client unblocked via CLIENT UNBLOCK\r\n");
  EXPECT_EQ(waiter.ReadReply(), "+PONG\r\n");
}

}  // namespace
}  // namespace varve::testing
