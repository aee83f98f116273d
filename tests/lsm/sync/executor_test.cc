// The thread executor. Nothing here sleeps: threads meet at notifications; delays are awaited, never measured.
#include "lsm/sync/executor.h"

#include <gtest/gtest.h>
#include <pthread.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "absl/synchronization/blocking_counter.h"
#include "absl/synchronization/notification.h"
#include "lsm/sync/mutex.h"

namespace varve::lsm {
namespace {

std::string ThreadName() {
  char name[16];
  pthread_getname_np(pthread_self(), name, sizeof name);
  return name;
}

TEST(ThreadExecutor, LanesDoNotWaitForOneAnother) {
  auto executor = NewThreadExecutor(1);
  absl::Notification release, flushed, synced;
  executor->Schedule(Lane::kCompact, [&] { release.WaitForNotification(); });
  executor->Schedule(Lane::kFlush, [&] {
    flushed.Notify();
    release.WaitForNotification();
  });
  executor->Schedule(Lane::kLogSync, [&] { synced.Notify(); });
  flushed.WaitForNotification();
  synced.WaitForNotification();
  release.Notify();
}

TEST(ThreadExecutor, CompactionsRunBesideEachOther) {
  auto executor = NewThreadExecutor(3);
  absl::BlockingCounter started(3);
  absl::Notification release;
  for (int i = 0; i < 3; ++i) {
    executor->Schedule(Lane::kCompact, [&] {
      started.DecrementCount();
      release.WaitForNotification();
    });
  }
  started.Wait();  // returns only if all three run at once
  release.Notify();
}

TEST(ThreadExecutor, ALaneKeepsTheOrderOfScheduling) {
  std::vector<int> order;  // touched by the one flush thread, read after the join
  {
    auto executor = NewThreadExecutor(1);
    for (int i = 0; i < 1000; ++i) executor->Schedule(Lane::kFlush, [&order, i] { order.push_back(i); });
  }
  EXPECT_EQ(order.size(), 1000u);
  EXPECT_TRUE(std::is_sorted(order.begin(), order.end()));
}

TEST(ThreadExecutor, DelayedWorkRunsInTheOrderOfItsTimeAndNotEarlier) {
  auto executor = NewThreadExecutor(1);
  const auto start = std::chrono::steady_clock::now();
  std::string said;
  std::chrono::steady_clock::time_point late_ran;
  absl::Notification done;
  executor->ScheduleAfter(Lane::kLogSync, 20'000, [&] {
    said += 'b';
    late_ran = std::chrono::steady_clock::now();
    done.Notify();
  });
  executor->ScheduleAfter(Lane::kLogSync, 1'000, [&] { said += 'a'; });
  executor->ScheduleAfter(Lane::kLogSync, UINT64_MAX, [&] { said += 'c'; });
  done.WaitForNotification();
  executor.reset();
  EXPECT_EQ(said, "ab");
  EXPECT_GE(late_ran - start, std::chrono::milliseconds(20));
}

TEST(ThreadExecutor, DelayedWorkOfABusyThreadIsTakenByItsSibling) {
  auto executor = NewThreadExecutor(2);
  absl::Notification started, delayed_ran;
  executor->Schedule(Lane::kCompact, [&] {
    started.Notify();
    delayed_ran.WaitForNotification();
  });
  executor->ScheduleAfter(Lane::kCompact, 1'000, [&] { delayed_ran.Notify(); });
  started.WaitForNotification();
  delayed_ran.WaitForNotification();
}

TEST(ThreadExecutor, DestructionRunsWhatIsDueAndDropsWhatIsDelayed) {
  int ran = 0;
  auto token = std::make_shared<int>(0);
  {
    auto executor = NewThreadExecutor(1);
    absl::Notification started;
    executor->Schedule(Lane::kFlush, [&] { started.Notify(); });
    started.WaitForNotification();
    for (int i = 0; i < 10; ++i) executor->Schedule(Lane::kFlush, [&] { ++ran; });
    executor->ScheduleAfter(Lane::kFlush, 3'600'000'000, [token] { ADD_FAILURE(); });
  }
  EXPECT_EQ(ran, 10);
  EXPECT_EQ(token.use_count(), 1);
}

// A log sync that starts a flush that starts a compaction, all while the executor is being destroyed.
TEST(ThreadExecutor, WorkMayScheduleOnAnyLaneDuringDestruction) {
  for (int round = 0; round < 50; ++round) {
    std::atomic<int> ran{0};
    {
      auto executor = NewThreadExecutor(2);
      Executor* e = executor.get();
      e->Schedule(Lane::kLogSync, [&ran, e] {
        e->Schedule(Lane::kFlush, [&ran, e] {
          e->Schedule(Lane::kCompact, [&ran, e] {
            e->Schedule(Lane::kLogSync, [&ran] { ++ran; });
            e->ScheduleAfter(Lane::kFlush, 1, [] {});
            ++ran;
          });
          ++ran;
        });
        ++ran;
      });
    }
    ASSERT_EQ(ran.load(), 4) << "round " << round;
  }
}

TEST(ThreadExecutor, ThreadsCarryNames) {
  Mutex mu;
  std::set<std::string> names;
  {
    auto executor = NewThreadExecutor(1);
    for (int lane = 0; lane < kLaneCount; ++lane) {
      executor->Schedule(static_cast<Lane>(lane), [&] {
        MutexLock lock(&mu);
        names.insert(ThreadName());
      });
    }
  }
  EXPECT_EQ(names, (std::set<std::string>{"varve-logsync", "varve-flush", "varve-comp-0", "varve-read-0"}));
}

TEST(ThreadExecutor, ManyThreadsScheduleAtOnce) {
  std::atomic<int> ran{0};
  {
    auto executor = NewThreadExecutor(2);
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t) {
      threads.emplace_back([&] {
        for (int i = 0; i < 300; ++i) {
          executor->Schedule(static_cast<Lane>(i % kLaneCount), [&] { ++ran; });
        }
      });
    }
    for (std::thread& thread : threads) thread.join();
  }
  EXPECT_EQ(ran.load(), 1200);
}

TEST(ThreadExecutor, RunsNothingInTheCaller) {
  EXPECT_FALSE(NewThreadExecutor(1)->RunPending());
}

}  // namespace
}  // namespace varve::lsm
