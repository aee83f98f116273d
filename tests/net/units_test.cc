// tests/net/units_test.cc - the parts of net/ that need no socket: addresses, the share of those who ask for much, the
// output queue, the read buffer.
#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>

#include "net/address.h"
#include "net/fair_share.h"
#include "net/output_queue.h"
#include "net/read_buffer.h"

namespace varve::net {
namespace {

sockaddr_storage Ip(const char* digits) {
  sockaddr_storage storage{};
  auto* v4 = reinterpret_cast<sockaddr_in*>(&storage);
  auto* v6 = reinterpret_cast<sockaddr_in6*>(&storage);
  if (inet_pton(AF_INET, digits, &v4->sin_addr) == 1) {
    storage.ss_family = AF_INET;
  } else if (inet_pton(AF_INET6, digits, &v6->sin6_addr) == 1) {
    storage.ss_family = AF_INET6;
  }
  return storage;
}

TEST(Address, ListsAreSplitAtBlanks) {
  auto list = ParseBindList("127.0.0.1 -::1\t10.0.0.7", 6379);
  ASSERT_TRUE(list.ok());
  ASSERT_EQ(list->size(), 3u);
  EXPECT_EQ(ToString((*list)[0].storage), "127.0.0.1:6379");
  EXPECT_FALSE((*list)[0].optional);
  EXPECT_EQ(ToString((*list)[1].storage), "[::1]:6379");
  EXPECT_TRUE((*list)[1].optional);
}

TEST(Address, StarsMeanEveryAddress) {
  auto list = ParseBindList("* -::*", 1);
  ASSERT_TRUE(list.ok());
  EXPECT_EQ(ToString((*list)[0].storage), "0.0.0.0:1");
  EXPECT_EQ(ToString((*list)[1].storage), "[::]:1");
  auto none = ParseBindList("", 1);
  ASSERT_TRUE(none.ok());
  EXPECT_EQ(none->size(), 2u);
}

TEST(Address, NamesAreRefused) {
  EXPECT_FALSE(ParseBindList("localhost", 1).ok());
  EXPECT_FALSE(ParseBindList("127.0.0.1 256.0.0.1", 1).ok());
}

TEST(Address, LoopbackInEverySpelling) {
  for (const char* inside : {"127.0.0.1", "127.255.255.254", "::1", "::ffff:127.0.0.1"})
    EXPECT_TRUE(IsLoopback(Ip(inside)));
  for (const char* outside : {"128.0.0.1", "10.0.0.1", "::2", "::ffff:10.0.0.1", "::", "0.0.0.0"}) {
    EXPECT_FALSE(IsLoopback(Ip(outside))) << outside;
  }
}

TEST(FairShare, IsOverWhenItIsSpent) {
  FairShare share;
  share.Spent(FairShare::kUsAlone - 1);
  EXPECT_FALSE(share.over());
  share.Spent(1);
  EXPECT_TRUE(share.over());
  share.GiveBack(1);
  EXPECT_FALSE(share.over());
  share.SpentOnReady(1'000'000);
  EXPECT_FALSE(share.over()) << "that is another share";
  share.Spent(1'000'000);
  EXPECT_TRUE(share.over());
  share.EndTick(2'000'000);
  EXPECT_FALSE(share.over());
}

TEST(FairShare, DoesNotGrowByTheTimeItTookItself) {
  FairShare share;
  share.Spent(500'000);
  share.SpentOnReady(500'000);
  share.EndTick(1'000'100);
  EXPECT_EQ(share.us(), FairShare::kUsAlone);
}

TEST(FairShare, IsSmallWhileOthersAskForLittleAndHalfTheirTimeWhereTheyTakeMuch) {
  FairShare share;
  EXPECT_EQ(share.us(), FairShare::kUsAlone);
  share.OthersAsked();
  share.EndTick(20);
  EXPECT_EQ(share.us(), FairShare::kUsMin);
  share.OthersAsked();
  share.EndTick(1000);
  EXPECT_EQ(share.us(), 500u);
  share.OthersAsked();
  share.EndTick(1'000'000);
  EXPECT_EQ(share.us(), FairShare::kUsMax) << "one long command is no reason for another long tick";
  share.OthersAsked();
  share.EndTick(20);
  EXPECT_EQ(share.us(), FairShare::kUsMin);
  int ticks = 0;
  for (uint64_t before = 0; share.us() < FairShare::kUsAlone; ++ticks) {
    before = share.us();
    share.EndTick(0);
    ASSERT_GT(share.us(), before);
  }
  EXPECT_GT(ticks, 5) << "not at once";
}

TEST(OutputQueue, NothingLeavesBeforeItIsDecided) {
  OutputQueue queue;
  queue.tail()->append("one");
  EXPECT_EQ(queue.sendable(), "");
  queue.Ready();
  EXPECT_EQ(queue.sendable(), "one");
  queue.tail()->append("two");
  EXPECT_EQ(queue.sendable(), "one");
}

TEST(OutputQueue, HeldBytesWaitForTheirTicketAndHoldBackWhatFollows) {
  OutputQueue queue;
  queue.tail()->append("a");
  queue.Ready();
  queue.tail()->append("b");
  EXPECT_TRUE(queue.Hold(5));
  queue.tail()->append("c");
  EXPECT_FALSE(queue.Hold(5)) << "released together with b";
  queue.tail()->append("d");
  EXPECT_TRUE(queue.Hold(7));
  queue.tail()->append("e");
  queue.Ready();  // may not overtake d
  EXPECT_EQ(queue.sendable(), "a");
  queue.Release(4);
  EXPECT_EQ(queue.sendable(), "a");
  queue.Release(6);
  EXPECT_EQ(queue.sendable(), "abc");
  queue.Release(7);
  EXPECT_EQ(queue.sendable(), "abcde");
  EXPECT_FALSE(queue.holding());
}

TEST(OutputQueue, HoldingNothingAsksForNoRelease) {
  OutputQueue queue;
  EXPECT_FALSE(queue.Hold(1));
  queue.tail()->append("x");
  queue.Ready();
  EXPECT_FALSE(queue.Hold(1));
}

TEST(OutputQueue, WhatIsNotDecidedStaysInItsPlace) {
  OutputQueue queue;
  queue.tail()->append(std::string(100, 'a'));
  queue.Ready();
  queue.tail()->append("later");
  queue.Sent(90);
  EXPECT_EQ(queue.tail()->substr(100), "later");
  EXPECT_EQ(queue.Take(10), std::string(10, 'a'));
  EXPECT_EQ(queue.tail()->substr(100), "later");
  queue.Ready();
  EXPECT_EQ(*queue.tail(), "later") << "what was sent is forgotten";
}

TEST(OutputQueue, AQueueThatIsNeverEmptyForgetsWhatWasSent) {
  OutputQueue queue;
  queue.tail()->append(std::string(5000, 'x'));
  queue.Ready();
  for (int i = 0; i < 10000; ++i) {
    queue.tail()->append(std::string(1000, 'x'));
    queue.Ready();
    queue.Sent(1000);
  }
  EXPECT_EQ(queue.size(), 5000u);
  EXPECT_LE(queue.capacity(), 50'000u);
}

// Every way to take bytes out, in random pieces, keeps their order.
TEST(OutputQueue, RandomPiecesKeepTheirOrder) {
  uint64_t state = 1;
  auto random = [&](uint64_t limit) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (state >> 33) % limit;
  };
  OutputQueue queue;
  std::string said, sent;
  uint64_t ticket = 0, durable = 0;
  for (int round = 0; round < 20000; ++round) {
    std::string piece(random(40), static_cast<char>('a' + random(26)));
    queue.tail()->append(piece);
    said += piece;
    if (random(2) == 0) {
      (void)queue.Hold(++ticket);
    } else {
      queue.Ready();
    }
    if (random(3) == 0) queue.Release(durable = std::min(ticket, durable + random(4)));
    if (random(5) == 0) {
      sent += queue.Take(random(3) == 0 ? queue.sendable().size() : random(queue.sendable().size() + 1));
    } else {
      size_t count = random(queue.sendable().size() + 1);
      sent += queue.sendable().substr(0, count);
      queue.Sent(count);
    }
    ASSERT_EQ(queue.size(), said.size() - sent.size());
  }
  queue.Release(ticket);
  sent += queue.Take(queue.sendable().size());
  EXPECT_EQ(sent, said);
}

TEST(ReadBuffer, GrowsWithWhatArrivesAndForgetsWhatWasConsumed) {
  ReadBuffer buffer;
  std::string expected;
  buffer.Append("head");
  expected = "head";
  for (int i = 0; i < 1000; ++i) {
    std::span<char> room = buffer.Room();
    size_t count = std::min<size_t>(room.size(), 700);
    std::fill_n(room.data(), count, static_cast<char>('a' + i % 26));
    buffer.Filled(count);
    expected.append(count, static_cast<char>('a' + i % 26));
    size_t eaten = i % 3 == 0 ? expected.size() / 2 : 0;
    buffer.Consume(eaten);
    expected.erase(0, eaten);
    ASSERT_EQ(buffer.view(), expected);
    ASSERT_LE(buffer.capacity(), 4 * (expected.size() + 32 * 1024));
  }
  buffer.Consume(buffer.size());
  EXPECT_TRUE(buffer.empty());
}

TEST(ReadBuffer, ALargeBufferIsGivenBackWhenEmptied) {
  ReadBuffer buffer;
  buffer.Append(std::string(1 << 20, 'x'));
  buffer.Consume(1 << 20);
  EXPECT_EQ(buffer.capacity(), 0u);
}

}  // namespace
}  // namespace varve::net
