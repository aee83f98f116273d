// Histories of the real server: clients over TCP, a kill -9 and a restart in the midst of each, under each appendfsync.
//
// What was acknowledged stays, what was under way may have taken effect until the server died, never after.
// A third of VARVE_HISTORIES is how many, VARVE_SEED the first one's seed. A seed repeats what is asked, not when.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <memory>
#include <thread>

#include "tests/linearizability/checker.h"
#include "tests/linearizability/server_client.h"
#include "tests/net/server_process.h"

namespace varve::linearizability {
namespace {

using lsm::Dice;
using testing::ServerProcess;

constexpr size_t kOperations = 1000;  // of a history, at least
constexpr int kClients = 6;

struct LivingServer {
  explicit LivingServer(const char* mode)
      : process(directory.path(), {"--appendfsync", mode, "--memory-budget", "8mb"}) {}
  testing::TemporaryDirectory directory;
  ServerProcess process;
};

class ServerHistory {
 public:
  ServerHistory(ServerProcess* server, uint64_t seed)
      : server_(server), prefix_("h" + std::to_string(seed) + ":"), dice_(seed) {}

  void Run() {
    RunUntilKilled(100 + dice_.Below(kOperations - 200));
    if (::testing::Test::HasFailure()) return;
    ASSERT_TRUE(server_->Start()) << server_->log();
    RunClients(kOperations - std::min(kOperations, history_.size()));
    ServerClient last(next_client_++, server_->port(), prefix_, &clock_, dice_.random()());
    EXPECT_TRUE(last.ReadEverything());
    history_.Append(last.TakeHistory());
    EXPECT_EQ(Check(history_), "");
  }
  const History& history() const { return history_; }

 private:
  void RunUntilKilled(size_t operations) {
    std::atomic<size_t> done{0};
    std::atomic<int> running{kClients};
    std::vector<History> histories(kClients);
    std::vector<std::thread> threads;
    for (History& history : histories) {
      threads.emplace_back([&, number = next_client_++, seed = dice_.random()()] {
        ServerClient client(number, server_->port(), prefix_, &clock_, seed);
        for (size_t n; (n = client.Step()) > 0;) done.fetch_add(n, std::memory_order_relaxed);
        history = client.TakeHistory();
        running.fetch_sub(1);
      });
    }
    while (done.load(std::memory_order_relaxed) < operations && running.load() > 0) std::this_thread::yield();
    EXPECT_GT(running.load(), 0) << "the server ended by itself";
    server_->Kill();
    const uint64_t died = clock_.Tick();
    for (std::thread& thread : threads) thread.join();
    for (History& history : histories) history_.Append(UntilDeath(std::move(history), kNever - 1, died));
  }

  void RunClients(size_t operations) {
    std::atomic<size_t> done{0};
    std::vector<History> histories(kClients);
    std::vector<std::thread> threads;
    for (History& history : histories) {
      threads.emplace_back([&, number = next_client_++, seed = dice_.random()()] {
        ServerClient client(number, server_->port(), prefix_, &clock_, seed);
        while (done.load(std::memory_order_relaxed) < operations) {
          const size_t n = client.Step();
          EXPECT_GT(n, 0u) << "the connection broke";
          if (n == 0) break;
          done.fetch_add(n, std::memory_order_relaxed);
        }
        history = client.TakeHistory();
      });
    }
    for (std::thread& thread : threads) thread.join();
    for (History& history : histories) history_.Append(std::move(history));
  }

  ServerProcess* const server_;
  const std::string prefix_;
  Dice dice_;
  HistoryClock clock_;
  int next_client_ = 1;
  History history_;
};

TEST(ServerHistory, IsLinearizable) {
  const uint64_t histories = std::max<uint64_t>(lsm::FromEnvironment("VARVE_HISTORIES", 300) / 3, 1);
  const uint64_t first = lsm::FromEnvironment("VARVE_SEED", 1);
  LivingServer servers[] = {LivingServer("always"), LivingServer("everysec"), LivingServer("no")};
  uint64_t operations = 0, overlapping = 0, unknown = 0;
  for (uint64_t seed = first; seed < first + histories && !::testing::Test::HasFailure(); ++seed) {
    SCOPED_TRACE("VARVE_SEED=" + std::to_string(seed));
    ServerProcess& server = servers[seed % std::size(servers)].process;
    ASSERT_TRUE(server.running() || server.Start()) << server.log();
    ServerHistory run(&server, seed);
    run.Run();
    const History& history = run.history();
    ASSERT_GE(history.size(), kOperations);
    operations += history.size();
    overlapping += CountOverlapping(history);
    unknown += static_cast<uint64_t>(std::count_if(history.operations.begin(), history.operations.end(),
                                                   [](const Operation& one) { return !one.certain; }));
  }
  std::printf("server: %llu histories, %llu operations, %llu overlapped, %llu kills, %llu outcomes unknown\n",
              static_cast<unsigned long long>(histories), static_cast<unsigned long long>(operations),
              static_cast<unsigned long long>(overlapping), static_cast<unsigned long long>(histories),
              static_cast<unsigned long long>(unknown));
  EXPECT_GT(overlapping, operations / 20) << "the clients hardly met";
}

}  // namespace
}  // namespace varve::linearizability
