// tests/hostile/storm_test.cc - clients that come and go in the middle of everything, from a seed, against the real
// varve-server: killed by others and by themselves, evicted, reset, gone inside MULTI, while paused, while subscribed,
// while they monitor, and as the one to whom another's invalidations are sent. For the sanitizers above all.
//
// A witness that nobody may kill gets every answer right throughout. In the end nothing is left of anybody: no client,
// no subscription, no tracking, no watched key, no memory.
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <random>
#include <thread>
#include <vector>

#include "tests/net/raw_client.h"
#include "tests/net/server_process.h"

namespace varve::testing {
namespace {

constexpr size_t kClients = 40;
constexpr int kSteps = 3000;

std::string Resp(const std::vector<std::string>& words) {
  std::string bytes = "*" + std::to_string(words.size()) + "\r\n";
  for (const std::string& word : words) bytes += "$" + std::to_string(word.size()) + "\r\n" + word + "\r\n";
  return bytes;
}

class StormTest : public ::testing::Test, public ::testing::WithParamInterface<uint64_t> {
 protected:
  size_t Below(size_t limit) { return dice_() % limit; }
  RawClient& Any() {
    std::unique_ptr<RawClient>& client = clients_[Below(kClients)];
    if (client == nullptr) {
      client = std::make_unique<RawClient>(server_.port(), Below(2) == 0 ? 4096 : 0);
      ++connected_;
    }
    return *client;
  }
  std::string Name() { return "k" + std::to_string(Below(20)); }
  // Mostly of one that is there; not the witness', which is the first.
  std::string Id() {
    return std::to_string(connected_ < 2 ? 1000 : 2 + connected_ - Below(std::min(connected_, 60ul)));
  }

  std::vector<std::string> Request() {
    switch (Below(30)) {
      case 0: return {"MULTI"};
      case 1:
      case 2: return {"EXEC"};
      case 3: return {"WATCH", Name(), Name()};
      case 4: return {"SUBSCRIBE", "c" + Name(), "c" + Name()};
      case 5: return {"PSUBSCRIBE", "c*", "__key*"};
      case 6: return {"SSUBSCRIBE", "s"};
      case 7: return {"UNSUBSCRIBE"};
      case 8: return {"MONITOR"};
      case 9: return {"CLIENT", "TRACKING", "ON", "REDIRECT", Id()};
      case 10: return {"CLIENT", "TRACKING", "ON", "BCAST", "PREFIX", "k1", "REDIRECT", Id()};
      case 11: return {"CLIENT", "TRACKING", Below(2) == 0 ? "ON" : "OFF"};
      case 12: return {"CLIENT", "KILL", "ID", Id()};
      case 13: return {"CLIENT", "KILL", "ID", Id(), "SKIPME", "no"};
      case 14: return {"CLIENT", "KILL", "TYPE", "pubsub", "SKIPME", Below(2) == 0 ? "yes" : "no"};
      case 15: return {"CLIENT", "PAUSE", std::to_string(1 + Below(5)), Below(2) == 0 ? "ALL" : "WRITE"};
      case 16: return {"CLIENT", "UNBLOCK", Id()};
      case 17: return {"WAIT", "1", std::to_string(1 + Below(5))};
      case 18: return {"HELLO", Below(2) == 0 ? "3" : "2"};
      case 19: return {"RESET"};
      case 20: return {"QUIT"};
      case 21: return {"CLIENT", "REPLY", Below(2) == 0 ? "OFF" : "ON"};
      case 22: return {"PUBLISH", "c" + Name(), std::string(Below(3) == 0 ? 300'000 : 10, 'm')};
      case 23: return {"SET", Name(), std::string(Below(3) == 0 ? 300'000 : 10, 'v'), "PX", "2000"};
      case 24: return {"CLIENT", "LIST"};
      case 25: return {"FLUSHDB"};
      case 26: return {"SWAPDB", "0", "1"};
      case 27: return {"MGET", Name(), Name(), Name(), Name()};
      default:
        return Below(2) == 0 ? std::vector<std::string>{"SET", Name(), "v"} : std::vector<std::string>{"GET", Name()};
    }
  }
  void Step() {
    RawClient& client = Any();
    switch (Below(12)) {
      case 0: Leave(&client); break;
      case 1: {
        if (!client.Drain()) Forget(&client);
        break;
      }
      case 2: {  // half of one: the rest never comes, or much later
        const std::string bytes = Resp(Request());
        Say(&client, std::string_view(bytes).substr(0, 1 + Below(bytes.size() - 1)));
        break;
      }
      default: {
        std::string bytes;
        for (size_t i = 1 + Below(6); i > 0; --i) bytes += Resp(Request());
        Say(&client, bytes);
        break;
      }
    }
  }
  void Leave(RawClient* client) {
    if (Below(3) == 0) {
      const linger now{.l_onoff = 1, .l_linger = 0};
      setsockopt(client->fd(), SOL_SOCKET, SO_LINGER, &now, sizeof(now));
    } else if (Below(3) == 0) {
      return client->FinishSending();
    }
    Forget(client);
  }
  // Whom the server has closed another takes the place of.
  void Say(RawClient* client, std::string_view bytes) {
    if (client->SendSome(bytes) == 0 && errno != EAGAIN) Forget(client);
  }
  void Forget(RawClient* client) {
    for (std::unique_ptr<RawClient>& place : clients_) {
      if (place.get() == client) place.reset();
    }
  }
  uint64_t Info(const std::string& field) {
    const std::string text = witness_->Ask({"INFO", "everything"});
    const size_t at = text.find("\n" + field + ":");
    EXPECT_NE(at, std::string::npos) << field;
    return at == std::string::npos ? 0 : std::strtoull(text.c_str() + at + field.size() + 2, nullptr, 10);
  }
  void Await(const std::string& field, uint64_t value) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::minutes(1);
    while (Info(field) != value && !HasFailure()) {
      ASSERT_LT(std::chrono::steady_clock::now(), deadline) << field << " is " << Info(field);
      std::this_thread::yield();
    }
  }

  TemporaryDirectory dir_;
  ServerProcess server_{
      dir_.path(),
      {"--maxmemory-clients", "1mb", "--client-output-buffer-limit", "normal 1mb 0 0 pubsub 400kb 0 0",
       "--notify-keyspace-events", "KEA", "--client-query-buffer-limit", "1mb"}};
  std::unique_ptr<RawClient> witness_;
  std::vector<std::unique_ptr<RawClient>> clients_{kClients};
  size_t connected_ = 0;
  std::mt19937_64 dice_;
};

TEST_P(StormTest, NothingIsLeftOfAnybody) {
  const char* const given = std::getenv("VARVE_SEED");
  const uint64_t seed = given != nullptr ? std::strtoull(given, nullptr, 10) : GetParam();
  SCOPED_TRACE("VARVE_SEED=" + std::to_string(seed));
  dice_.seed(seed);
  ASSERT_TRUE(server_.Start()) << server_.log();
  witness_ = std::make_unique<RawClient>(server_.port());
  ASSERT_EQ(witness_->Ask({"CLIENT", "ID"}), ":1\r\n");
  ASSERT_EQ(witness_->Ask({"CLIENT", "NO-EVICT", "ON"}), "+OK\r\n");
  ASSERT_EQ(witness_->Ask({"SELECT", "9"}), "+OK\r\n");
  for (int step = 0; step < kSteps && !HasFailure(); ++step) {
    Step();
    if (step % 20 != 0) continue;
    const std::string value = std::to_string(step);
    const std::string bulk = "$" + std::to_string(value.size()) + "\r\n" + value + "\r\n";
    ASSERT_EQ(witness_->Ask({"SET", "w", value}), "+OK\r\n");
    ASSERT_EQ(witness_->Ask({"GETDEL", "w"}), bulk);
  }
  const uint64_t evicted = Info("evicted_clients");
  const uint64_t cut = Info("client_output_buffer_limit_disconnections");
  std::printf("  %zu clients, %llu evicted, %llu cut for their output\n", connected_,
              static_cast<unsigned long long>(evicted), static_cast<unsigned long long>(cut));
  EXPECT_GT(evicted + cut, 0u) << "no storm";
  clients_.clear();
  Await("connected_clients", 1);
  for (const char* field : {"pubsub_channels", "pubsub_patterns", "tracking_clients", "tracking_total_keys",
                            "tracking_total_prefixes", "pubsubshard_channels", "blocked_clients"}) {
    EXPECT_EQ(Info(field), 0u) << field;
  }
  EXPECT_LE(Info("mem_clients_normal"), 256u * 1024);
  EXPECT_EQ(server_.Terminate(), 0) << server_.log().substr(0, 4000);
}

INSTANTIATE_TEST_SUITE_P(Seeds, StormTest, ::testing::Range(uint64_t{1}, uint64_t{5}));

}  // namespace
}  // namespace varve::testing
