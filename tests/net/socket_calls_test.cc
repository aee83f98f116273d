// tests/net/socket_calls_test.cc - reads and writes shared among threads: each made once, each with its own result.
#include "net/socket_calls.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <string>
#include <utility>

namespace varve::net {
namespace {

struct Pair {
  Pair() { EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends), 0); }
  ~Pair() {
    for (int end : ends) {
      if (end >= 0) close(end);
    }
  }
  Pair(const Pair&) = delete;
  Pair& operator=(const Pair&) = delete;
  void CloseFar() { close(std::exchange(ends[1], -1)); }

  int ends[2] = {-1, -1};
};

using Room = std::array<char, 64>;

class SocketCallsTest : public ::testing::TestWithParam<int> {
 protected:
  std::string Word(size_t pair, int run) { return std::to_string(pair) + ":" + std::to_string(run); }

  SocketCalls calls_{GetParam()};
};

TEST_P(SocketCallsTest, EveryCallIsMadeOnceAndHasItsOwnResult) {
  std::array<Pair, SocketCalls::kCallsMax> pairs;
  std::array<Room, SocketCalls::kCallsMax> rooms;
  std::array<std::string, SocketCalls::kCallsMax> words;
  for (int run = 0; run < 300; ++run) {
    const size_t count = run % 3 == 0 ? SocketCalls::kCallsMax : 1 + static_cast<size_t>(run * 7 % 100);
    for (size_t i = 0; i < count; ++i) calls_.AddWrite(pairs[i].ends[0], words[i] = Word(i, run));
    EXPECT_EQ(calls_.full(), count == SocketCalls::kCallsMax);
    calls_.Run();
    for (size_t i = 0; i < count; ++i) ASSERT_EQ(calls_.result(i), static_cast<ssize_t>(words[i].size()));
    for (size_t i = 0; i < count; ++i) calls_.AddRead(pairs[i].ends[1], rooms[i]);
    calls_.Run();
    for (size_t i = 0; i < count; ++i) {
      ASSERT_EQ(calls_.result(i), static_cast<ssize_t>(words[i].size())) << "twice, or cut";
      ASSERT_EQ(std::string(calls_.bytes(i), words[i].size()), words[i]);
    }
  }
}

TEST_P(SocketCallsTest, ReadsAndWritesOfOneRunMeet) {
  std::array<Pair, 100> pairs;
  std::array<Room, 100> rooms;
  for (int run = 0; run < 100; ++run) {
    for (size_t i = 0; i < pairs.size(); ++i) {
      calls_.AddRead(pairs[i].ends[1], rooms[i]);
      calls_.AddWrite(pairs[i].ends[0], "x");
    }
    calls_.Run();
    for (size_t i = 0; i < pairs.size(); ++i) {
      ASSERT_EQ(calls_.result(2 * i + 1), 1);
      if (calls_.result(2 * i) == 1) continue;
      ASSERT_EQ(calls_.result(2 * i), -EAGAIN) << "the read came first";
      ASSERT_EQ(read(pairs[i].ends[1], rooms[i].data(), 1), 1);
    }
  }
}

TEST_P(SocketCallsTest, EndsErrorsAndCallsAboutNothingAreTold) {
  std::array<Pair, 40> pairs;
  std::array<Room, 40> rooms;
  for (size_t i = 0; i < pairs.size(); ++i) {
    if (i % 4 == 0) pairs[i].CloseFar();
    if (i % 4 == 1) {
      ASSERT_EQ(shutdown(pairs[i].ends[1], SHUT_WR), 0);
    }
  }
  for (size_t i = 0; i < pairs.size(); ++i) {
    switch (i % 4) {
      case 0: calls_.AddWrite(pairs[i].ends[0], "nobody"); break;
      case 1: calls_.AddRead(pairs[i].ends[0], rooms[i]); break;
      case 2: calls_.AddRead(pairs[i].ends[0], rooms[i]); break;
      case 3: calls_.AddRead(-1, {}); break;
    }
  }
  calls_.Run();
  for (size_t i = 0; i < pairs.size(); ++i) {
    constexpr ssize_t kWanted[] = {-EPIPE, 0, -EAGAIN, 0};
    EXPECT_EQ(calls_.result(i), kWanted[i % 4]) << i;
  }
  EXPECT_EQ(calls_.bytes(3), nullptr);
}

INSTANTIATE_TEST_SUITE_P(Threads, SocketCallsTest, ::testing::Values(1, 2, 4));

TEST(SocketCalls, FewAreMadeByTheCallerAlone) {
  SocketCalls calls(4);
  Pair pair;
  Room room;
  for (int run = 0; run < 1000; ++run) {
    for (int i = 0; i < 7; ++i) calls.AddRead(pair.ends[0], room);
    EXPECT_EQ(calls.Run(), 0u);
  }
  EXPECT_EQ(calls.made_by_others(), 0u);
  for (int i = 0; i < 7; ++i) calls.AddRead(pair.ends[0], room);
  calls.AddRead(pair.ends[0], {});
  EXPECT_EQ(calls.Run(), 0u) << "one of them is none";
  for (int i = 0; i < 8; ++i) calls.AddRead(pair.ends[0], room);
  calls.AddRead(pair.ends[0], {});
  EXPECT_EQ(calls.Run(), 8u);
}

TEST(SocketCalls, TheOthersTakePart) {
  SocketCalls calls(2);
  std::array<Pair, 16> pairs;
  Room room;
  for (int part = 0; part < 3; ++part) {
    const uint64_t before = calls.made_by_others();
    for (int run = 0; run < 1'000'000 && calls.made_by_others() == before; ++run) {
      for (Pair& pair : pairs) calls.AddRead(pair.ends[0], room);
      ASSERT_EQ(calls.Run(), pairs.size());
    }
    EXPECT_GT(calls.made_by_others(), before);
  }
}

TEST(SocketCalls, ThreadsThatNeverHadWorkEnd) {
  for (int i = 0; i < 100; ++i) SocketCalls calls(3);
}

}  // namespace
}  // namespace varve::net
