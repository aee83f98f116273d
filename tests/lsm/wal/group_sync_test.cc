// One sync for many: everything is covered, one runs at a time, a failure is nobody's success.
#include "lsm/wal/group_sync.h"

#include <gtest/gtest.h>

#include <new>
#include <thread>
#include <vector>

namespace varve::lsm {
namespace {

class GroupSyncTest : public ::testing::Test {
 protected:
  std::atomic<uint64_t> appended_{0};
  GroupSync group_{appended_};
};

TEST_F(GroupSyncTest, WhatIsDurableIsNotSyncedAgain) {
  int syncs = 0;
  const auto sync = [&] {
    ++syncs;
    return Status::Ok();
  };
  EXPECT_TRUE(group_.AllDurable());
  EXPECT_TRUE(group_.Sync(sync).ok());
  EXPECT_EQ(syncs, 0);
  for (int i = 1; i <= 3; ++i) {
    appended_ += 10;
    EXPECT_FALSE(group_.AllDurable());
    EXPECT_TRUE(group_.Sync(sync).ok());
    EXPECT_TRUE(group_.AllDurable());
    EXPECT_TRUE(group_.Sync(sync).ok());
    EXPECT_EQ(syncs, i);
  }
}

TEST_F(GroupSyncTest, WhatIsAppendedDuringASyncIsNotDurable) {
  appended_ = 10;
  EXPECT_TRUE(group_
                  .Sync([&] {
                    appended_ += 10;
                    return Status::Ok();
                  })
                  .ok());
  EXPECT_FALSE(group_.AllDurable());
}

TEST_F(GroupSyncTest, AfterAFailureNothingIsDurable) {
  appended_ = 10;
  const Status status = group_.Sync([] { return Status::IoError("broken"); });
  EXPECT_EQ(status.message(), "broken");
  EXPECT_FALSE(group_.AllDurable());
  EXPECT_THROW((void)group_.Sync([]() -> Status { throw std::bad_alloc(); }).ok(), std::bad_alloc);
  EXPECT_FALSE(group_.AllDurable());
  EXPECT_TRUE(group_.Sync([] { return Status::Ok(); }).ok()) << "nobody else may be locked out";
  EXPECT_TRUE(group_.AllDurable());
}

// Every tenth sync fails, and covers nothing.
TEST_F(GroupSyncTest, ManyThreads) {
  constexpr int kThreads = 8, kRounds = 500;
  std::atomic<uint64_t> durable{0}, failed{0}, syncs{0};
  std::atomic<int> running{0};
  const auto sync = [&] {
    EXPECT_EQ(running.fetch_add(1), 0) << "two at a time";
    const uint64_t covered = appended_.load();
    const bool works = ++syncs % 10 != 0;
    if (works) durable = covered;
    running.fetch_sub(1);
    return works ? Status::Ok() : Status::IoError("broken");
  };
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < kRounds; ++i) {
        const uint64_t mine = appended_.fetch_add(1) + 1;
        if (group_.Sync(sync).ok()) {
          EXPECT_GE(durable.load(), mine);
        } else {
          ++failed;
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(failed.load(), syncs.load() / 10) << "a failure is one caller's";
  EXPECT_LE(syncs.load(), uint64_t{kThreads} * kRounds);
}

}  // namespace
}  // namespace varve::lsm
