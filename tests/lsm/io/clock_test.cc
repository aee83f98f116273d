#include "lsm/io/clock.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <thread>
#include <vector>

namespace varve::lsm {
namespace {

TEST(ManualClock, MovesOnlyWhenTold) {
  ManualClock clock(5000);
  EXPECT_EQ(clock.MonotonicMicros(), 0u);
  EXPECT_EQ(clock.WallMillis(), 5000);
  clock.AdvanceMicros(1500);
  EXPECT_EQ(clock.MonotonicMicros(), 1500u);
  EXPECT_EQ(clock.WallMillis(), 5001);
  clock.AdvanceMillis(2);
  EXPECT_EQ(clock.MonotonicMicros(), 3500u);
  clock.StepWallMillis(-4000);
  EXPECT_EQ(clock.MonotonicMicros(), 3500u) << "a wall step is not time passing";
  EXPECT_EQ(clock.WallMillis(), 1003);
}

TEST(SystemClock, GoesOn) {
  const uint64_t first = SystemClock()->MonotonicMicros();
  EXPECT_GE(SystemClock()->MonotonicMicros(), first);
  EXPECT_GT(SystemClock()->WallMillis(), 1'600'000'000'000);
}

// Reference values of splitmix64 for seed 1234567.
TEST(SeededRandom, IsSplitmix64) {
  SeededRandom random(1234567);
  EXPECT_EQ(random.Next(), 6457827717110365317u);
  EXPECT_EQ(random.Next(), 3203168211198807973u);
  EXPECT_EQ(random.Next(), 9817491932198370423u);
}

TEST(SeededRandom, ThreadsShareOneSequence) {
  SeededRandom shared(42);
  std::vector<std::vector<uint64_t>> drawn(4);
  std::vector<std::thread> threads;
  for (auto& mine : drawn) {
    threads.emplace_back([&shared, &mine] {
      for (int i = 0; i < 100; ++i) mine.push_back(shared.Next());
    });
  }
  for (std::thread& thread : threads) thread.join();
  std::set<uint64_t> all;
  for (const auto& mine : drawn) all.insert(mine.begin(), mine.end());
  SeededRandom alone(42);
  std::set<uint64_t> expected;
  for (int i = 0; i < 400; ++i) expected.insert(alone.Next());
  EXPECT_EQ(all, expected);
}

TEST(SystemRandom, Differs) {
  EXPECT_NE(SystemRandom()->Next(), SystemRandom()->Next());
}

}  // namespace
}  // namespace varve::lsm
