#include "lsm/sync/random_priorities.h"

#include <gtest/gtest.h>

#include <set>
#include <string>

#include "lsm/sync/manual_executor.h"

namespace varve::lsm {
namespace {

// Two runners of `steps` steps each: which steps were whose.
std::string Schedule(uint64_t seed, size_t change_points, int steps) {
  RandomPriorities priorities(seed, 2, change_points, static_cast<uint64_t>(2 * steps));
  std::string schedule;
  int left[] = {steps, steps};
  while (left[0] + left[1] > 0) {
    std::vector<size_t> runnable;
    for (size_t runner = 0; runner < 2; ++runner) {
      if (left[runner] > 0) runnable.push_back(runner);
    }
    const size_t runner = priorities.Choose(runnable);
    --left[runner];
    schedule += static_cast<char>('a' + runner);
  }
  return schedule;
}

TEST(RandomPriorities, WithoutAChangeOneRunsUntilItIsDone) {
  std::set<std::string> seen;
  for (uint64_t seed = 0; seed < 50; ++seed) seen.insert(Schedule(seed, 0, 3));
  EXPECT_EQ(seen, (std::set<std::string>{"aaabbb", "bbbaaa"}));
}

TEST(RandomPriorities, EachChangeHoldsBackWhoeverWouldRun) {
  std::set<std::string> seen;
  for (uint64_t seed = 0; seed < 500; ++seed) seen.insert(Schedule(seed, 1, 2));
  // One change: at step 0 it swaps the two, at step 1 the other goes in between, later there is nobody else.
  EXPECT_EQ(seen, (std::set<std::string>{"aabb", "bbaa", "abba", "baab"}));
  EXPECT_EQ(Schedule(7, 3, 20), Schedule(7, 3, 20));
}

TEST(RandomPriorities, ChooseTheLaneOfAnExecutor) {
  std::set<std::string> seen;
  for (uint64_t seed = 0; seed < 200; ++seed) {
    ManualClock clock;
    ManualExecutor executor(&clock);
    executor.UsePriorities(RandomPriorities(seed, kLaneCount, 1, 6));
    std::string said;
    for (int i = 0; i < 2; ++i) {
      for (int lane = 0; lane < 3; ++lane) {
        executor.Schedule(static_cast<Lane>(lane), [&said, i, lane] { said += "adbecf"[2 * lane + i]; });
      }
    }
    EXPECT_EQ(executor.DueLanes(), (std::vector<size_t>{0, 1, 2}));
    EXPECT_EQ(executor.RunAll(), 6u);
    EXPECT_LT(said.find('a'), said.find('d'));
    EXPECT_LT(said.find('b'), said.find('e'));
    EXPECT_LT(said.find('c'), said.find('f'));
    seen.insert(said);
  }
  EXPECT_TRUE(seen.contains("adbecf"));
  EXPECT_TRUE(seen.contains("abecfd")) << "a lane held back in the middle of its work";
}

}  // namespace
}  // namespace varve::lsm
