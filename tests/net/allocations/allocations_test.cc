// No allocation per GET or SET of a known key in steady state, from the client's bytes in the socket to the reply.
//
// The server runs in this process, on an engine that syncs when it likes. Its loop's thread counts its own calls of
// operator new, and those that libuv makes for it; DEBUG LOG asks it for the count. tests/resp/out_of_memory has the
// same without sockets, where the rows tell more of where an allocation came from.
#include <gtest/gtest.h>
#include <uv.h>

#include <atomic>
#include <cstdlib>
#include <thread>

#include "lsm/db.h"
#include "tests/net/raw_client.h"
#include "tests/net/server_process.h"
#include "tests/net/surroundings.h"
#include "tests/starvation/starvation.h"

namespace varve::net {
namespace {

using testing::RawClient;
using testing::Request;

constexpr int kKeys = 1000;
constexpr int kRequests = 50'000;

void* Counted(size_t size) {
  (void)lsm::Starvation::Strikes();
  return std::malloc(size);
}
void* CountedAgain(void* memory, size_t size) {
  (void)lsm::Starvation::Strikes();
  return std::realloc(memory, size);
}
void* CountedZeros(size_t count, size_t size) {
  (void)lsm::Starvation::Strikes();
  return std::calloc(count, size);
}

class ServerAllocationsTest : public ::testing::Test, public ::testing::WithParamInterface<int> {
 protected:
  static void SetUpTestSuite() {
    ASSERT_EQ(uv_replace_allocator(&Counted, &CountedAgain, &CountedZeros, &std::free), 0);
  }

  void SetUp() override {
    db_ = *lsm::Db::Open(dir_.path() + "/db", {});
    keys_ = *keyspace::Keyspace::Open(db_.get(), {.clock = &clock_});
    dispatcher_ = std::make_unique<resp::Dispatcher>(keys_.get(), &surroundings_, &config_);
    net_ = std::make_unique<Server>(&config_, dispatcher_.get(), keys_.get());
    surroundings_.net = net_.get();
    surroundings_.on_log = [this](std::string_view) { counted_ = lsm::Starvation::Allocations(); };
    net_->set_on_cron([this] { ++crons_; });
    config_.bind = "127.0.0.1";
    config_.enable_debug_command = resp::Config::DebugCommand::kYes;
    for (int attempt = 0; attempt < 100; ++attempt) {
      config_.port = 20000 + (getpid() * 7 + attempt * 131) % 40000;
      if (net_->Listen().ok()) break;
    }
    loop_ = std::thread([this] { net_->Run(); });
    client_ = std::make_unique<RawClient>(static_cast<int>(config_.port));
  }
  void TearDown() override {
    client_->Send(Request({"SHUTDOWN"}));
    client_->ReadUntilEnd();
    loop_.join();
    EXPECT_TRUE(db_->Close().ok());
  }

  // Sent together, answered together.
  std::vector<std::string> Pipelines(bool set) const {
    std::vector<std::string> all;
    for (int at = 0; at < kKeys; at += GetParam()) {
      std::string& bytes = all.emplace_back();
      for (int i = at; i < at + GetParam(); ++i) {
        const std::string name = "key:" + std::to_string(100'000 + i % kKeys);
        bytes += set ? Request({"SET", name, std::string(100, 'v')}) : Request({"GET", name});
      }
    }
    return all;
  }
  void Exchange(const std::vector<std::string>& pipelines, int requests, std::string_view reply) {
    for (int served = 0; served < requests;) {
      for (const std::string& bytes : pipelines) {
        ASSERT_TRUE(client_->Send(bytes));
        for (int i = 0; i < GetParam(); ++i, ++served) ASSERT_EQ(client_->ReadReply(), reply);
      }
    }
  }
  int64_t LoopAllocations() {
    EXPECT_EQ(client_->Ask({"DEBUG", "LOG", "x"}), "+OK\r\n");
    return counted_;
  }
  // The crons among them make none either.
  int64_t AllocationsOf(const std::vector<std::string>& pipelines, std::string_view reply) {
    LoopAllocations();  // the first asks for more than the next
    const int64_t before = LoopAllocations();
    const uint64_t crons_before = crons_;
    Exchange(pipelines, kRequests, reply);
    const int64_t allocations = LoopAllocations() - before;
    std::printf("  %d requests, %lld allocations, %llu crons\n", kRequests, static_cast<long long>(allocations),
                static_cast<unsigned long long>(crons_ - crons_before));
    return allocations;
  }

  testing::TemporaryDirectory dir_;
  lsm::ManualClock clock_;
  resp::Config config_;
  testing::Surroundings surroundings_;
  std::unique_ptr<lsm::Db> db_;
  std::unique_ptr<keyspace::Keyspace> keys_;
  std::unique_ptr<resp::Dispatcher> dispatcher_;
  std::unique_ptr<Server> net_;
  std::atomic<int64_t> counted_{0};
  std::atomic<uint64_t> crons_{0};
  std::thread loop_;
  std::unique_ptr<RawClient> client_;
};

TEST_P(ServerAllocationsTest, NoneForAGet) {
  ASSERT_GT(LoopAllocations(), 0) << "nobody counts";
  Exchange(Pipelines(true), kKeys, "+OK\r\n");
  const std::string reply = "$100\r\n" + std::string(100, 'v') + "\r\n";
  Exchange(Pipelines(false), kKeys, reply);
  EXPECT_EQ(AllocationsOf(Pipelines(false), reply), 0);
}

TEST_P(ServerAllocationsTest, NoneForASetButTheMemtables) {
  Exchange(Pipelines(true), kRequests, "+OK\r\n");
  EXPECT_LT(AllocationsOf(Pipelines(true), "+OK\r\n"), kRequests / 100);
}

INSTANTIATE_TEST_SUITE_P(Pipelines, ServerAllocationsTest, ::testing::Values(1, 16));

}  // namespace
}  // namespace varve::net
