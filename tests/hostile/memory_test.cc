// tests/hostile/memory_test.cc - the real varve-server with too little address space: every reply is right, or -OOM,
// or there is none because the connection was closed; nothing acknowledged is lost, and it serves on as soon as it can.
//
// Clients write, grow, read and scan values of up to a few MiB while RLIMIT_AS lies a little above what the process
// takes at rest. When the memtable cannot take what the log has already, the engine is fenced: -MISCONF for every
// write from then on, reads go on, a restart heals it. A client keeps account of what each of its keys may hold: what
// was acknowledged last, and what was sent since without an answer. The sanitizers' builds need terabytes of address
// space: there the same runs without a limit.
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <fstream>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "tests/net/raw_client.h"
#include "tests/net/server_process.h"

namespace varve::testing {
namespace {

constexpr size_t kMiB = size_t{1} << 20;
constexpr char kMemoryBudget[] = "8mb";  // small memtables, so that flushes and compactions run short as well
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool kLimited = false;
#else
constexpr bool kLimited = true;
#endif

std::string Bulk(const std::string& value) {
  return "$" + std::to_string(value.size()) + "\r\n" + value + "\r\n";
}

// Of one kind of answer each.
struct Tally {
  int right = 0;
  int out_of_memory = 0;
  int closed = 0;
  int fenced = 0;         // the engine lacked the memory for what was in the log already: no writes until a restart
  std::string complaint;  // the first answer that was none of these
};

class Account {
 public:
  void Acknowledge(std::string value) {
    known_ = std::move(value);
    maybe_.clear();
  }
  void Sent(std::string value) { maybe_.push_back(std::move(value)); }
  // What was sent last did not happen.
  void Withdraw() { maybe_.pop_back(); }
  const std::string& known() const { return known_; }
  bool certain() const { return maybe_.empty(); }
  // `reply` to a GET: takes it for what is there from now on. False: it cannot be.
  bool Accept(const std::string& reply, bool fenced) {
    if (reply == Bulk(known_) || (known_.empty() && reply == "$-1\r\n")) {
      if (!fenced) maybe_.clear();
      return true;
    }
    for (const std::string& value : maybe_) {
      if (reply != Bulk(value)) continue;
      if (!fenced) Acknowledge(value);
      return true;
    }
    return false;
  }

 private:
  std::string known_;  // empty: no such key
  std::vector<std::string> maybe_;
};

// One client that keeps coming back, and its keys.
class Writer {
 public:
  static constexpr size_t kKeys = 4;

  Writer(int number, uint64_t seed) : number_(number), random_(seed) {}

  void Run(int port, int requests) {
    for (int i = 0; i < requests && tally_.complaint.empty(); ++i) {
      if (client_ == nullptr) client_ = std::make_unique<RawClient>(port);
      const size_t key = random_() % kKeys;
      switch (random_() % 6) {
        case 0:
        case 1: Set(key); break;
        case 2: Append(key); break;
        case 3: Get(key); break;
        case 4: Pair(); break;
        case 5: Scan(); break;
      }
    }
    client_.reset();
  }
  // With memory enough: everything is there.
  void Check(RawClient* client) {
    for (size_t key = 0; key < kKeys; ++key) {
      EXPECT_TRUE(Accept(key, client->Ask({"GET", Name(key)}))) << Name(key) << " is not what it was";
    }
    const std::string left = client->Ask({"GET", Name(kKeys) + ":left"});
    EXPECT_EQ(left, client->Ask({"GET", Name(kKeys) + ":right"})) << "a transaction in halves";
    EXPECT_TRUE(Accept(kKeys, left)) << "the pair is not what it was";
  }
  // What was neither seen nor acknowledged may still come with the restart.
  void set_fenced(bool fenced) { fenced_ = fenced; }
  const Tally& tally() const { return tally_; }

 private:
  bool Accept(size_t key, const std::string& reply) { return accounts_[key].Accept(reply, fenced_); }
  std::string Name(size_t key) const { return "writer:" + std::to_string(number_) + ":" + std::to_string(key); }
  std::string Value() {
    static constexpr size_t kSizes[] = {10, 1000, 100'000, kMiB, 3 * kMiB};
    return std::string(kSizes[random_() % std::size(kSizes)], static_cast<char>('a' + random_() % 26)) +
           std::to_string(++version_);
  }
  // True when `reply` is `wanted`. Anything but -OOM or the end of the connection is a complaint.
  bool Judge(const std::string& reply, bool right) {
    if (right) {
      ++tally_.right;
    } else if (reply.starts_with("-OOM ") || reply.starts_with("-EXECABORT ")) {
      ++tally_.out_of_memory;
    } else if (reply.starts_with("-MISCONF ")) {
      ++tally_.fenced;
      fenced_ = true;
      client_.reset();  // and who knows what becomes of it
    } else if (reply.empty() || client_->ended()) {
      ++tally_.closed;
      client_.reset();
    } else {
      tally_.complaint = reply.substr(0, 200);
    }
    return right;
  }
  void Write(size_t key, const std::string& request, const std::string& value, const std::string& wanted) {
    accounts_[key].Sent(value);
    const std::string reply = client_->Send(request) ? client_->ReadReply() : "";
    if (Judge(reply, reply == wanted)) {
      accounts_[key].Acknowledge(value);
    } else if (client_ != nullptr) {
      accounts_[key].Withdraw();
    }
  }
  void Set(size_t key) {
    const std::string value = Value();
    Write(key, Request({"SET", Name(key), value}), value, "+OK\r\n");
  }
  void Append(size_t key) {
    if (!accounts_[key].certain() || accounts_[key].known().size() > 8 * kMiB) return Get(key);
    const std::string more = Value(), value = accounts_[key].known() + more;
    Write(key, Request({"APPEND", Name(key), more}), value, ":" + std::to_string(value.size()) + "\r\n");
  }
  void Get(size_t key) {
    const std::string reply = client_->Ask({"GET", Name(key)});
    Judge(reply, Accept(key, reply));
  }
  // Both or none.
  void Pair() {
    const std::string value = Value();
    accounts_[kKeys].Sent(value);
    std::string reply;
    for (const std::string& request : {Request({"MULTI"}), Request({"SET", Name(kKeys) + ":left", value}),
                                       Request({"SET", Name(kKeys) + ":right", value}), Request({"EXEC"})}) {
      reply = client_->Send(request) ? client_->ReadReply() : "";
      if (reply.empty()) break;
    }
    if (Judge(reply, reply == "*2\r\n+OK\r\n+OK\r\n")) {
      accounts_[kKeys].Acknowledge(value);
    } else if (client_ != nullptr) {
      accounts_[kKeys].Withdraw();
    }
  }
  void Scan() {
    const std::string reply = client_->Ask({"SCAN", "0", "COUNT", "100"});
    Judge(reply, reply.starts_with("*2\r\n$1\r\n0\r\n*") && !client_->ended());
  }

  const int number_;
  std::mt19937_64 random_;
  uint64_t version_ = 0;
  std::vector<Account> accounts_ = std::vector<Account>(kKeys + 1);  // the last is the pair's
  std::unique_ptr<RawClient> client_;
  bool fenced_ = false;
  Tally tally_;
};

class MemoryTest : public ::testing::TestWithParam<size_t> {
 protected:
  size_t AddressSpace() const {
    size_t pages = 0;
    std::ifstream("/proc/" + std::to_string(server_->pid()) + "/statm") >> pages;
    return pages * static_cast<size_t>(sysconf(_SC_PAGESIZE));
  }
  void Limit(size_t bytes) {
    rlimit limit{.rlim_cur = bytes, .rlim_max = RLIM_INFINITY};
    if (kLimited) {
      ASSERT_EQ(prlimit(server_->pid(), RLIMIT_AS, &limit, nullptr), 0);
    }
  }
  // Served again, once the allocator has come to its senses.
  void AwaitService() {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
    while (RawClient(server_->port()).Ask({"SET", "again", "1"}) != "+OK\r\n") {
      ASSERT_LT(std::chrono::steady_clock::now(), deadline) << "it does not come back";
      std::this_thread::yield();
    }
  }

  TemporaryDirectory dir_;
  std::unique_ptr<ServerProcess> server_;
};

TEST_P(MemoryTest, TooLittleForEverybody) {
  server_ = std::make_unique<ServerProcess>(dir_.path(), std::vector<std::string>{"--memory-budget", kMemoryBudget});
  ASSERT_TRUE(server_->Start()) << server_->log();
  Limit(AddressSpace() + GetParam() * kMiB);
  std::vector<Writer> writers;
  for (int i = 0; i < 4; ++i) writers.emplace_back(i, GetParam() * 100 + static_cast<size_t>(i));
  std::vector<std::thread> threads;
  for (Writer& writer : writers) threads.emplace_back([&] { writer.Run(server_->port(), 100); });
  for (std::thread& thread : threads) thread.join();

  Tally all;
  for (const Writer& writer : writers) {
    EXPECT_EQ(writer.tally().complaint, "");
    all.right += writer.tally().right;
    all.out_of_memory += writer.tally().out_of_memory;
    all.closed += writer.tally().closed;
    all.fenced += writer.tally().fenced;
  }
  std::printf("  %zu MiB to spare: %d right, %d out of memory, %d closed%s\n", GetParam(), all.right, all.out_of_memory,
              all.closed, all.fenced > 0 ? ", and fenced" : "");
  Limit(RLIM_INFINITY);
  for (Writer& writer : writers) writer.set_fenced(all.fenced > 0);
  if (all.fenced == 0) AwaitService();
  {
    RawClient client(server_->port());
    for (Writer& writer : writers) writer.Check(&client);
  }
  EXPECT_EQ(server_->Terminate(), 0) << server_->log();
  for (Writer& writer : writers) writer.set_fenced(false);
  ASSERT_TRUE(server_->Start()) << server_->log();
  RawClient client(server_->port());
  for (Writer& writer : writers) writer.Check(&client);
  if (kLimited && GetParam() <= 4) {
    EXPECT_GT(all.out_of_memory + all.closed, 0) << "the limit was none";
  }
}

INSTANTIATE_TEST_SUITE_P(MebibytesToSpare, MemoryTest,
                         ::testing::Values(0, 1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 128));

}  // namespace
}  // namespace varve::testing
