#include "lsm/sync/run_together.h"

#include <gtest/gtest.h>

#include <atomic>
#include <vector>

#include "absl/synchronization/barrier.h"
#include "lsm/io/clock.h"
#include "lsm/sync/manual_executor.h"

namespace varve::lsm {
namespace {

TEST(RunTogether, WithoutThreadsTheCallerDoesAllInOrder) {
  ManualClock clock;
  ManualExecutor manual(&clock);
  for (Executor* executor : {static_cast<Executor*>(nullptr), static_cast<Executor*>(&manual)}) {
    std::vector<size_t> order;
    RunTogether(executor, Lane::kRead, 5, [&](size_t i) { order.push_back(i); });
    EXPECT_EQ(order, (std::vector<size_t>{0, 1, 2, 3, 4}));
    manual.RunAll();  // helpers that come late touch nothing
    EXPECT_EQ(order.size(), 5u);
  }
  RunTogether(&manual, Lane::kRead, 0, [](size_t) { FAIL(); });
}

TEST(RunTogether, PiecesRunBesideEachOther) {
  auto executor = NewThreadExecutor(1);
  absl::Barrier barrier(8);  // returns only if all eight run at once
  RunTogether(executor.get(), Lane::kRead, 8, [&](size_t) { barrier.Block(); });
}

TEST(RunTogether, EachPieceRunsOnceBeforeTheReturn) {
  auto executor = NewThreadExecutor(1);
  for (int round = 0; round < 200; ++round) {
    std::vector<std::atomic<int>> runs(50);
    RunTogether(executor.get(), Lane::kRead, runs.size(), [&](size_t i) { ++runs[i]; });
    for (auto& count : runs) ASSERT_EQ(count, 1);
  }
}

}  // namespace
}  // namespace varve::lsm
