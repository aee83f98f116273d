#include "lsm/sync/manual_executor.h"

#include <gtest/gtest.h>

#include <set>
#include <string>

namespace varve::lsm {
namespace {

class ManualExecutorTest : public testing::Test {
 protected:
  std::function<void()> Say(char c) {
    return [this, c] { said_ += c; };
  }
  ManualClock clock_;
  std::string said_;
  ManualExecutor executor_{&clock_};
};

TEST_F(ManualExecutorTest, RunsNothingByItselfAndThenInOrder) {
  executor_.Schedule(Lane::kCompact, Say('a'));
  executor_.Schedule(Lane::kLogSync, Say('b'));
  executor_.Schedule(Lane::kFlush, Say('c'));
  EXPECT_EQ(said_, "");
  EXPECT_EQ(executor_.PendingCount(), 3u);
  EXPECT_EQ(executor_.PendingCount(Lane::kFlush), 1u);
  EXPECT_TRUE(executor_.RunOne());
  EXPECT_EQ(said_, "a");
  EXPECT_TRUE(executor_.RunPending());
  EXPECT_EQ(said_, "ab");
  EXPECT_EQ(executor_.RunAll(), 1u);
  EXPECT_EQ(said_, "abc");
  EXPECT_FALSE(executor_.RunPending());
}

TEST_F(ManualExecutorTest, DelayedWorkWaitsForTheClock) {
  executor_.ScheduleAfter(Lane::kLogSync, 1000, Say('c'));
  executor_.ScheduleAfter(Lane::kLogSync, 500, Say('b'));
  executor_.Schedule(Lane::kLogSync, Say('a'));
  EXPECT_EQ(executor_.DueCount(), 1u);
  EXPECT_EQ(executor_.RunAll(), 1u);
  EXPECT_EQ(executor_.NextDueMicros(), 500u);
  clock_.AdvanceMicros(499);
  EXPECT_EQ(executor_.RunAll(), 0u);
  clock_.AdvanceMicros(1);
  EXPECT_EQ(executor_.RunAll(), 1u);
  clock_.AdvanceMicros(10000);
  EXPECT_EQ(executor_.RunAll(), 1u);
  EXPECT_EQ(said_, "abc");
  EXPECT_EQ(executor_.NextDueMicros(), std::nullopt);
}

TEST_F(ManualExecutorTest, WorkSchedulesAndRunsMoreWork) {
  executor_.Schedule(Lane::kFlush, [this] {
    said_ += '(';
    executor_.Schedule(Lane::kFlush, Say('a'));
    EXPECT_TRUE(executor_.RunPending()) << "as the engine does where it would otherwise wait";
    executor_.Schedule(Lane::kFlush, Say('b'));
    said_ += ')';
  });
  EXPECT_EQ(executor_.RunAll(), 2u);
  EXPECT_EQ(said_, "(a)b");
}

TEST_F(ManualExecutorTest, OneLaneCanBeRunAlone) {
  executor_.Schedule(Lane::kCompact, Say('a'));
  executor_.Schedule(Lane::kFlush, Say('b'));
  EXPECT_TRUE(executor_.RunOne(Lane::kFlush));
  EXPECT_FALSE(executor_.RunOne(Lane::kFlush));
  EXPECT_EQ(said_, "b");
}

TEST_F(ManualExecutorTest, AnEndlessDelayNeverComes) {
  clock_.AdvanceMicros(5);
  executor_.ScheduleAfter(Lane::kFlush, UINT64_MAX, Say('a'));
  clock_.AdvanceMicros(1'000'000);
  EXPECT_EQ(executor_.RunAll(), 0u);
}

// Three lanes with two pieces each: 6! / (2! 2! 2!) = 90 schedules that keep the order within the lanes.
TEST(SeededManualExecutor, ExploresAllSchedulesThatKeepTheOrderOfALane) {
  const auto run = [](uint64_t seed) {
    ManualClock clock;
    ManualExecutor executor(&clock, seed);
    std::string said;
    for (int i = 0; i < 2; ++i) {
      for (int lane = 0; lane < 3; ++lane) {
        executor.Schedule(static_cast<Lane>(lane), [&said, i, lane] { said += "adbecf"[2 * lane + i]; });
      }
    }
    EXPECT_EQ(executor.RunAll(), 6u);
    return said;
  };
  std::set<std::string> seen;
  for (uint64_t seed = 0; seed < 3000; ++seed) {
    const std::string said = run(seed);
    EXPECT_LT(said.find('a'), said.find('d'));
    EXPECT_LT(said.find('b'), said.find('e'));
    EXPECT_LT(said.find('c'), said.find('f'));
    seen.insert(said);
  }
  EXPECT_EQ(seen.size(), 90u);
  EXPECT_EQ(run(11), run(11));
}

TEST(ManualExecutor, DropsWhatNeverRan) {
  auto token = std::make_shared<int>(0);
  {
    ManualClock clock;
    ManualExecutor executor(&clock);
    executor.Schedule(Lane::kFlush, [token] { FAIL(); });
  }
  EXPECT_EQ(token.use_count(), 1);
}

}  // namespace
}  // namespace varve::lsm
