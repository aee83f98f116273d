// tests/server/kill_test.cc - kill -9 at any moment loses nothing that was acknowledged, in every mode of appendfsync.
//
// Writers send SETs of ever new values, pipelined, and transactions that set two keys to the same value. What a writer
// has an answer for is acknowledged. After a random number of acknowledgements (not a time) the server dies; after the
// restart each writer's keys must hold its last acknowledged write or a later one it sent, and pairs must be equal.
// Random choices come from VARVE_SEED, printed when a run fails.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <random>
#include <thread>
#include <vector>

#include "tests/net/raw_client.h"
#include "tests/net/server_process.h"

namespace varve::server {
namespace {

using testing::RawClient;
using testing::Request;

constexpr int kWriters = 4;
constexpr int kKeys = 40;      // of each writer
constexpr int kPipeline = 16;  // requests a writer sends before it reads
constexpr int kKillsPerMode = 8;

uint64_t Seed() {
  const char* given = std::getenv("VARVE_SEED");
  return given != nullptr ? std::strtoull(given, nullptr, 10) : std::random_device()();
}

// One client and what it knows: versions count up for ever, over all lives of the server.
class Writer {
 public:
  explicit Writer(int number) : number_(number), sent_(kKeys + 1, 0), acknowledged_(kKeys + 1, 0) {}

  // Writes until the connection breaks; adds acknowledgements to *total.
  void Run(int port, std::atomic<int64_t>* total, uint64_t seed) {
    std::mt19937_64 random(seed);
    RawClient client(port);
    while (true) {
      std::vector<std::pair<size_t, uint64_t>> batch;
      std::string requests;
      for (int i = 0; i < kPipeline; ++i) {
        size_t key = random() % (kKeys + 1);
        uint64_t version = ++sent_[key];
        requests += key == kPair ? PairRequest(version) : Request({"SET", Key(key), Value(version, random())});
        batch.emplace_back(key, version);
      }
      if (!client.Send(requests)) return;
      for (auto [key, version] : batch) {
        std::string reply = client.ReadReply();
        if (key == kPair) {  // after MULTI's OK: QUEUED twice, then EXEC's two OKs
          for (int i = 0; i < 2; ++i) reply = client.ReadReply();
          reply = client.ReadReply();
          if (reply != "*2\r\n+OK\r\n+OK\r\n") return CheckBroken(reply);
        } else if (reply != "+OK\r\n") {
          return CheckBroken(reply);
        }
        acknowledged_[key] = version;
        total->fetch_add(1, std::memory_order_relaxed);
      }
    }
  }

  void Check(RawClient& client) {
    EXPECT_EQ(complaint_, "");
    for (size_t key = 0; key < kKeys; ++key) CheckVersion(key, client.Ask({"GET", Key(key)}));
    std::string left = client.Ask({"GET", Key(kPair) + ":left"});
    EXPECT_EQ(left, client.Ask({"GET", Key(kPair) + ":right"})) << "a transaction came back in halves";
    CheckVersion(kPair, left);
  }

 private:
  static constexpr size_t kPair = kKeys;

  std::string Key(size_t key) const { return "writer:" + std::to_string(number_) + ":" + std::to_string(key); }
  // Of varying length, so that log records end everywhere in a block.
  static std::string Value(uint64_t version, uint64_t random) {
    return std::to_string(version) + "." + std::string(random % 300, 'x');
  }
  std::string PairRequest(uint64_t version) {
    std::string value = Value(version, version);
    return Request({"MULTI"}) + Request({"SET", Key(kPair) + ":left", value}) +
           Request({"SET", Key(kPair) + ":right", value}) + Request({"EXEC"});
  }
  // The connection broke off somewhere in a reply; anything else is an answer we did not ask for.
  void CheckBroken(const std::string& reply) {
    if (!reply.empty() && reply[0] == '-') complaint_ = reply;
  }
  void CheckVersion(size_t key, const std::string& reply) {
    uint64_t version = 0;
    if (reply != "$-1\r\n") {
      ASSERT_EQ(reply[0], '$') << reply;
      version = std::strtoull(reply.c_str() + reply.find('\n') + 1, nullptr, 10);
    }
    EXPECT_GE(version, acknowledged_[key]) << Key(key) << ": an acknowledged write is gone";
    EXPECT_LE(version, sent_[key]) << Key(key) << ": a write nobody sent";
    // Versions not seen now may not come back: go on from what is there.
    acknowledged_[key] = version;
  }

  const int number_;
  std::vector<uint64_t> sent_;          // by key: the highest version sent
  std::vector<uint64_t> acknowledged_;  // by key: the highest version answered with OK
  std::string complaint_;
};

class KillTest : public ::testing::TestWithParam<const char*> {};

TEST_P(KillTest, AcknowledgedWritesSurvive) {
  const uint64_t seed = Seed();
  SCOPED_TRACE("VARVE_SEED=" + std::to_string(seed));
  std::mt19937_64 random(seed);
  testing::TemporaryDirectory dir;
  // A small budget, so that memtables are flushed and tables merged while the blows fall.
  testing::ServerProcess server(dir.path(), {"--appendfsync", GetParam(), "--memory-budget", "8mb"});
  std::vector<Writer> writers;
  for (int i = 0; i < kWriters; ++i) writers.emplace_back(i);

  for (int round = 0; round < kKillsPerMode; ++round) {
    ASSERT_TRUE(server.Start()) << "round " << round << "\n" << server.log();
    {
      RawClient client(server.port());
      for (Writer& writer : writers) writer.Check(client);
    }
    std::atomic<int64_t> acknowledgements{0};
    std::vector<std::thread> threads;
    for (Writer& writer : writers) {
      threads.emplace_back([&, s = random()] { writer.Run(server.port(), &acknowledgements, s); });
    }
    const int64_t enough = static_cast<int64_t>(random() % 10000);
    while (acknowledgements.load(std::memory_order_relaxed) < enough) std::this_thread::yield();
    server.Kill();
    for (std::thread& thread : threads) thread.join();
  }
  ASSERT_TRUE(server.Start()) << server.log();
  RawClient client(server.port());
  for (Writer& writer : writers) writer.Check(client);
  EXPECT_EQ(server.Terminate(), 0) << server.log();
}

INSTANTIATE_TEST_SUITE_P(Modes, KillTest, ::testing::Values("always", "everysec", "no"),
                         [](const auto& mode) { return std::string(mode.param); });

}  // namespace
}  // namespace varve::server
