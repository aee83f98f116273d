// tests/lsm/wal/wal_test.cc - what Wal adds to its segments: their order, and syncs that callers share.

#include "lsm/wal/wal.h"

#include <gtest/gtest.h>

#include <atomic>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "lsm/io/fault_file_system.h"
#include "lsm/io/memory_file_system.h"
#include "tests/lsm/wal/log_test_util.h"

namespace varve::lsm {
namespace {

std::string SegmentPath(uint64_t number) {
  return "db/" + std::to_string(number) + ".wal";
}

std::unique_ptr<Wal> CreateWal(FileSystem* fs) {
  Wal::Setup setup;
  setup.file_system = fs;
  setup.random = SystemRandom();
  setup.dir = "db";
  setup.file_name = SegmentPath;
  setup.next_number = [number = uint64_t{7}]() mutable { return number++; };
  auto wal = Wal::Create(std::move(setup));
  EXPECT_TRUE(wal.ok()) << wal.status().ToString();
  return wal.ok() ? std::move(wal).value() : nullptr;
}

TEST(Wal, CallersOfSyncShareTheNextOne) {
  constexpr int kCallers = 6;
  ScriptedFiles fs;
  const auto wal = CreateWal(&fs);
  ASSERT_TRUE(wal->Append("first").ok());
  std::atomic<bool> inside{false};
  std::atomic<bool> release{false};
  fs.set_on_sync([&] {
    inside = true;
    while (!release) std::this_thread::yield();
  });
  std::thread first([&] { EXPECT_TRUE(wal->Sync().ok()); });
  while (!inside) std::this_thread::yield();
  ASSERT_TRUE(wal->Append("second").ok()) << "appending goes on beside a sync";
  std::vector<std::thread> others;
  for (int i = 0; i < kCallers; ++i) others.emplace_back([&] { EXPECT_TRUE(wal->Sync().ok()); });
  release = true;
  first.join();
  for (std::thread& other : others) other.join();
  EXPECT_EQ(fs.syncs(), 2);
  EXPECT_FALSE(wal->NeedsSync());
}

TEST(Wal, OlderSegmentsAreSyncedFirst) {
  ScriptedFiles fs;
  const auto wal = CreateWal(&fs);
  ASSERT_TRUE(wal->Append("in the first").ok());
  ASSERT_TRUE(wal->Rotate().ok());
  ASSERT_TRUE(wal->Append("in the second").ok());
  fs.FailNextSync(Status::IoError("db/7.wal: fdatasync: scripted"));
  EXPECT_FALSE(wal->Sync().ok()) << "the newer one alone does not make anything durable";
  EXPECT_EQ(fs.syncs(), 1);
  EXPECT_FALSE(wal->Sync().ok()) << "a failed sync is for ever";
  EXPECT_EQ(fs.syncs(), 1);
  EXPECT_TRUE(wal->NeedsSync());
}

// The pages that a failed sync has lost are written anew; nothing may be written over what they come to lie in.
TEST(Wal, ASegmentWhoseSyncFailedIsNotRecycled) {
  MemoryFileSystem disk;
  ASSERT_TRUE(disk.CreateDir("db").ok());
  FaultFileSystem fs(&disk);
  const auto wal = CreateWal(&fs);
  ASSERT_TRUE(wal->Append("in the first").ok());
  ASSERT_TRUE(wal->Rotate().ok());
  FaultRule rule;
  rule.ops = {FileOp::kSync};
  fs.AddRule(rule);
  bool given_up = false;
  fs.SetHook([&](const FileCall& call) {
    if (call.op != FileOp::kWriteAt || call.path != SegmentPath(7) || given_up) return;
    given_up = true;  // by a flush, while it is made dirty again; its successor wants a file
    wal->Release(8, UINT64_MAX);
    EXPECT_TRUE(wal->Rotate().ok());
    EXPECT_TRUE(wal->Append("in the third").ok());
  });
  EXPECT_FALSE(wal->Sync().ok());
  fs.ClearRules();
  EXPECT_TRUE(given_up);
  EXPECT_FALSE(wal->Sync().ok()) << "a failed sync is for ever";
  LogReader reader;
  std::string_view payload;
  ASSERT_TRUE(reader.Open(&disk, SegmentPath(7), 7).ok());
  EXPECT_TRUE(reader.Next(&payload) && payload == "in the first");
  ASSERT_TRUE(reader.Open(&disk, SegmentPath(9), 9).ok());
  EXPECT_TRUE(reader.Next(&payload) && payload == "in the third");
}

// The end of the first segment, written while it is synced, is not durable: so neither is it said to be in the second.
TEST(Wal, ASegmentBegunDuringASyncWaitsForTheNextOne) {
  ScriptedFiles fs;
  const auto wal = CreateWal(&fs);
  ASSERT_TRUE(wal->Append("synced").ok());
  bool rotated = false;
  fs.set_on_sync([&] {
    if (std::exchange(rotated, true)) return;
    EXPECT_TRUE(wal->Append("too late for this sync").ok());
    EXPECT_TRUE(wal->Rotate().ok());
  });
  ASSERT_TRUE(wal->Sync().ok());
  const auto earlier_durable = [&] {
    EXPECT_TRUE(wal->Append("in the second").ok());
    LogReader reader;
    std::string_view payload;
    EXPECT_TRUE(reader.Open(&fs, SegmentPath(8), 8).ok());
    while (reader.Next(&payload)) continue;
    EXPECT_TRUE(reader.status().ok()) << reader.status().ToString();
    return reader.earlier_durable();
  };
  EXPECT_FALSE(earlier_durable());
  ASSERT_TRUE(wal->Sync().ok());
  EXPECT_TRUE(earlier_durable());
}

TEST(Wal, AppenderAndSyncersRunTogether) {
  ScriptedFiles fs;
  const auto wal = CreateWal(&fs);
  std::atomic<bool> done{false};
  std::vector<std::thread> syncers;
  for (int i = 0; i < 3; ++i) {
    syncers.emplace_back([&] {
      while (!done) EXPECT_TRUE(wal->Sync().ok());
    });
  }
  size_t records = 0;
  for (int segment = 0; segment < 5; ++segment) {
    for (int i = 0; i < 400; ++i) ASSERT_TRUE(wal->Append("record " + std::to_string(records++)).ok());
    ASSERT_TRUE(wal->Rotate().ok());
  }
  done = true;
  for (std::thread& syncer : syncers) syncer.join();
  EXPECT_TRUE(wal->Sync().ok());
  EXPECT_FALSE(wal->NeedsSync());
  EXPECT_EQ(wal->current_number(), 12u);
}

}  // namespace
}  // namespace varve::lsm
