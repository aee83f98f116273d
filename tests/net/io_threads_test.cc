// tests/net/io_threads_test.cc - many clients whose requests come at once, read and answered by several threads.
//
// DEBUG LOG holds the loop until all of them have sent what they have to say: so they are read together.
#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "tests/net/gated_server.h"

namespace varve::net {
namespace {

class IoThreadsTest : public ServerTest {
 protected:
  void SetUp() override {
    config_.io_threads = 4;
    config_.io_threads_do_reads = true;
    surroundings_.on_log = [this](std::string_view) {
      held_ = true;
      while (held_) std::this_thread::yield();
    };
    Start("everysec");
  }
  void Connect(size_t count) {
    for (size_t i = 0; i < count; ++i) {
      clients_.emplace_back(port());
      ASSERT_EQ(clients_.back().Ask({"PING"}), "+PONG\r\n");
    }
  }
  void HoldLoop() {
    ASSERT_TRUE(holder_->Send(Request({"DEBUG", "LOG", "hold"})));
    while (!held_) std::this_thread::yield();
  }
  void LetLoopGo() {
    held_ = false;
    ASSERT_EQ(holder_->ReadReply(), "+OK\r\n");
  }
  uint64_t Info(const std::string& field) {
    const std::string info = holder_->Ask({"INFO", "everything"});
    const size_t at = info.find("\r\n" + field + ":");
    return at == std::string::npos ? UINT64_MAX : std::stoull(info.substr(at + field.size() + 3));
  }

  std::vector<RawClient> clients_;
  std::atomic<bool> held_{false};
  std::unique_ptr<RawClient> holder_;
};

std::string Bulk(const std::string& value) {
  return "$" + std::to_string(value.size()) + "\r\n" + value + "\r\n";
}

TEST_F(IoThreadsTest, EverybodyGetsTheirOwnReplies) {
  holder_ = std::make_unique<RawClient>(port());
  Connect(SocketCalls::kCallsMax + 44);
  for (int round = 0; round < 5; ++round) {
    const uint64_t reads = Info("io_threaded_reads_processed"), writes = Info("io_threaded_writes_processed");
    HoldLoop();
    for (size_t i = 0; i < clients_.size(); ++i) {
      const std::string n = std::to_string(i);
      ASSERT_TRUE(
          clients_[i].Send(Request({"SET", "key" + n, n}) + Request({"GET", "key" + n}) + Request({"INCR", "all"})));
    }
    LetLoopGo();
    uint64_t sum = 0;
    for (size_t i = 0; i < clients_.size(); ++i) {
      EXPECT_EQ(clients_[i].ReadReply(), "+OK\r\n");
      EXPECT_EQ(clients_[i].ReadReply(), Bulk(std::to_string(i)));
      sum += std::stoull(clients_[i].ReadReply().substr(1));
    }
    const uint64_t n = clients_.size(), before = static_cast<uint64_t>(round) * n;
    EXPECT_EQ(sum, before * n + n * (n + 1) / 2) << "every INCR once";
    EXPECT_GE(Info("io_threaded_reads_processed") - reads, n);
    EXPECT_GE(Info("io_threaded_writes_processed") - writes, n);
  }
  EXPECT_EQ(Info("io_threads_active"), 0u) << "one client is not worth it";
}

TEST_F(IoThreadsTest, RequestsAndRepliesOfManyReads) {
  holder_ = std::make_unique<RawClient>(port());
  Connect(32);
  std::vector<std::string> values;
  for (size_t i = 0; i < clients_.size(); ++i) values.emplace_back(100'000 + i * 1000, static_cast<char>('a' + i % 26));
  HoldLoop();
  for (size_t i = 0; i < clients_.size(); ++i) {
    const std::string request = Request({"SET", "key" + std::to_string(i), values[i]});
    const size_t sent = clients_[i].SendSome(std::string_view(request).substr(0, request.size() / 2));
    values[i] += std::to_string(sent);  // and what is left, below
  }
  LetLoopGo();
  for (size_t i = 0; i < clients_.size(); ++i) {
    const std::string value = values[i].substr(0, 100'000 + i * 1000);
    const size_t sent = std::stoull(values[i].substr(value.size()));
    const std::string name = "key" + std::to_string(i);
    ASSERT_TRUE(clients_[i].Send(Request({"SET", name, value}).substr(sent) + Request({"GET", name})));
    EXPECT_EQ(clients_[i].ReadReply(), "+OK\r\n");
    EXPECT_EQ(clients_[i].ReadReply(), Bulk(value));
  }
}

TEST_F(IoThreadsTest, SomeAreKilledByOthersWhoseRequestsWereReadWithTheirs) {
  for (int round = 0; round < 20; ++round) {
    holder_ = std::make_unique<RawClient>(port());
    clients_.clear();
    Connect(64);
    HoldLoop();
    for (size_t i = 0; i < clients_.size(); ++i) {
      ASSERT_TRUE(clients_[i].Send(i % 16 == 8 ? Request({"CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"})
                                               : Request({"SET", "key", "1"}) + Request({"GET", "key"})));
    }
    held_ = false;
    std::string killed;
    for (int attempt = 0; attempt < 5 && killed.empty(); ++attempt) {  // each of the four may have killed it
      killed = RawClient(port()).Ask({"CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"});
    }
    ASSERT_EQ(killed.substr(0, 1), ":");
    for (RawClient& client : clients_) {
      const std::string said = client.ReadUntilEnd();
      EXPECT_TRUE(said.empty() || said == "+OK\r\n$1\r\n1\r\n" || said[0] == ':') << said;
    }
  }
}

TEST_F(IoThreadsTest, WhoHasSaidAllAndListensIsAnswered) {
  holder_ = std::make_unique<RawClient>(port());
  Connect(64);
  HoldLoop();
  for (RawClient& client : clients_) {
    ASSERT_TRUE(client.Send(Request({"SET", "a", "1"}) + Request({"GET", "a"})));
    client.FinishSending();
  }
  LetLoopGo();
  for (RawClient& client : clients_) EXPECT_EQ(client.ReadUntilEnd(), "+OK\r\n$1\r\n1\r\n");
}

// SAVE commits first what was written before it: so the server is paused while it still has requests that it has read.
TEST_F(IoThreadsTest, ABusyEngineLosesNothingOfWhatWasReadTogether) {
  holder_ = std::make_unique<RawClient>(port());
  Connect(64);
  HoldLoop();
  const std::string requests = Request({"INCR", "n"}) + Request({"SAVE"}) + Request({"INCR", "n"});
  for (RawClient& client : clients_) ASSERT_TRUE(client.Send(requests));
  db_->set_busy(true);
  held_ = false;
  while (db_->refused() == 0) std::this_thread::yield();
  db_->set_busy(false);
  ASSERT_EQ(holder_->ReadReply(), "+OK\r\n");
  for (RawClient& client : clients_) {
    EXPECT_EQ(client.ReadReply()[0], ':');
    EXPECT_EQ(client.ReadReply(), "+OK\r\n");
    EXPECT_EQ(client.ReadReply()[0], ':');
  }
  EXPECT_EQ(holder_->Ask({"GET", "n"}), Bulk("128"));
}

}  // namespace
}  // namespace varve::net
