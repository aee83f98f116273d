// tests/lsm/wal/wal_test.cc - what Wal adds to its segments: their order, and syncs that callers share.

#include "lsm/wal/wal.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "lsm/io/fault_file_system.h"
#include "lsm/io/memory_file_system.h"
#include "tests/lsm/fail_each_call.h"
#include "tests/lsm/wal/log_test_util.h"

namespace varve::lsm {
namespace {

std::string SegmentPath(uint64_t number) {
  return "db/" + std::to_string(number) + ".wal";
}

Wal::Setup SetupOn(FileSystem* fs) {
  Wal::Setup setup;
  setup.file_system = fs;
  setup.random = SystemRandom();
  setup.dir = "db";
  setup.file_name = SegmentPath;
  setup.next_number = [number = uint64_t{7}]() mutable { return number++; };
  return setup;
}

std::unique_ptr<Wal> CreateWal(FileSystem* fs) {
  auto wal = Wal::Create(SetupOn(fs));
  EXPECT_TRUE(wal.ok()) << wal.status().ToString();
  return wal.ok() ? std::move(wal).value() : nullptr;
}

// On a disk whose calls may fail.
class FaultyWalTest : public ::testing::Test {
 protected:
  FaultyWalTest() { EXPECT_TRUE(disk_.CreateDir("db").ok()); }
  std::set<std::string> Files() {
    const auto names = disk_.List("db");
    EXPECT_TRUE(names.ok());
    return {names->begin(), names->end()};
  }
  uint64_t BytesOfFiles() {
    uint64_t bytes = 0;
    for (const std::string& name : Files()) bytes += *disk_.FileSize("db/" + name);
    return bytes;
  }
  Records Read(uint64_t number) {
    LogReader reader;
    EXPECT_TRUE(reader.Open(&disk_, SegmentPath(number), number).ok());
    Records records;
    std::string_view payload;
    while (reader.Next(&payload)) records.emplace_back(payload);
    EXPECT_TRUE(reader.status().ok()) << reader.status().ToString();
    return records;
  }

  MemoryFileSystem disk_;
  FaultFileSystem fs_{&disk_};
};

TEST_F(FaultyWalTest, ALogThatWasNotBegunLeavesNothing) {
  FailEachCall(
      &fs_, [&] { return Wal::Create(SetupOn(&fs_)).status(); },
      [&](bool met, const Status& status) {
        EXPECT_EQ(status.Is(StatusCode::kIoError), met) << status.ToString();
        EXPECT_EQ(Files(), met ? std::set<std::string>() : std::set<std::string>{"7.wal"});
      });
}

// With a file to be reused and without: on an error nothing has changed.
TEST_F(FaultyWalTest, ARotationThatFailsChangesNothing) {
  for (const uint64_t reuse_bytes_max : {uint64_t{0}, UINT64_MAX}) {
    const auto wal = CreateWal(&fs_);
    ASSERT_TRUE(wal->Append("first").ok() && wal->Rotate().ok());
    wal->Release(UINT64_MAX, reuse_bytes_max);
    Records records;
    uint64_t number = wal->current_number();
    FailEachCall(
        &fs_, [&] { return wal->Rotate(); },
        [&](bool met, const Status& status) {
          EXPECT_TRUE(met || status.ok()) << status.ToString();
          if (status.ok()) {  // a file that cannot be renamed is not needed
            EXPECT_GT(wal->current_number(), number);
            EXPECT_EQ(Read(number), records) << "sealed";
            number = wal->current_number();
            records.clear();
          }
          EXPECT_EQ(wal->current_number(), number);
          records.push_back("record " + std::to_string(fs_.CallCount()));
          ASSERT_TRUE(wal->Append(records.back()).ok());
          EXPECT_EQ(Read(number), records);
          ASSERT_TRUE(wal->Rotate().ok());
          EXPECT_EQ(Read(number), records);
          wal->Release(UINT64_MAX, reuse_bytes_max);  // which is the next to be reused
          number = wal->current_number();
          records.clear();
        });
    for (const std::string& name : Files()) EXPECT_TRUE(disk_.Remove("db/" + name).ok());
  }
}

// With a file to be reused and without: a rotation into a prepared segment writes the seal and calls nothing else.
TEST_F(FaultyWalTest, APreparedSegmentIsReadyForARotation) {
  for (const uint64_t reuse_bytes_max : {uint64_t{0}, UINT64_MAX}) {
    const auto wal = CreateWal(&fs_);
    ASSERT_TRUE(wal->Append("first").ok() && wal->Rotate().ok() && wal->Append("second").ok());
    const uint64_t number = wal->current_number();
    wal->Release(number, reuse_bytes_max);
    ASSERT_TRUE(wal->Prepare().ok());
    EXPECT_EQ(wal->current_number(), number);
    ASSERT_TRUE(wal->Append("third").ok()) << "the last segment goes on";
    EXPECT_EQ(wal->disk_bytes(), BytesOfFiles());
    ASSERT_TRUE(wal->Sync().ok());
    EXPECT_EQ(wal->disk_bytes(), BytesOfFiles());
    const uint64_t before = fs_.CallCount();
    ASSERT_TRUE(wal->Prepare().ok() && wal->Prepare().ok()) << "one is enough";
    EXPECT_EQ(fs_.CallCount(), before);
    ASSERT_TRUE(wal->Rotate().ok());
    EXPECT_EQ(fs_.CallCount(), before + 1);
    EXPECT_EQ(wal->current_number(), number + 1);
    ASSERT_TRUE(wal->Append("fourth").ok());
    EXPECT_EQ(Read(number), (Records{"second", "third"}));
    EXPECT_EQ(Read(number + 1), Records{"fourth"});
    for (const std::string& name : Files()) EXPECT_TRUE(disk_.Remove("db/" + name).ok());
  }
}

TEST_F(FaultyWalTest, APreparationThatFailsChangesNothing) {
  for (const uint64_t reuse_bytes_max : {uint64_t{0}, UINT64_MAX}) {
    const auto wal = CreateWal(&fs_);
    ASSERT_TRUE(wal->Append("first").ok() && wal->Rotate().ok());
    wal->Release(UINT64_MAX, reuse_bytes_max);
    FailEachCall(
        &fs_, [&] { return wal->Prepare(); },
        [&](bool met, const Status& status) {
          EXPECT_TRUE(met || status.ok()) << status.ToString();
          const uint64_t number = wal->current_number();
          const std::set<std::string> files = Files();
          const bool begun = std::any_of(files.begin(), files.end(), [&](const std::string& name) {
            return std::strtoull(name.c_str(), nullptr, 10) > number;
          });
          EXPECT_EQ(begun, status.ok());
          ASSERT_TRUE(wal->Append("more").ok());
          ASSERT_TRUE(wal->Rotate().ok());
          EXPECT_GT(wal->current_number(), number);
          EXPECT_EQ(Read(number), Records{"more"});
          wal->Release(UINT64_MAX, reuse_bytes_max);
        });
    for (const std::string& name : Files()) EXPECT_TRUE(disk_.Remove("db/" + name).ok());
  }
}

TEST_F(FaultyWalTest, APreparedSegmentThatNobodyTakesIsGivenUp) {
  const auto wal = CreateWal(&fs_);
  wal->GiveUpPrepared();
  ASSERT_TRUE(wal->Append("first").ok() && wal->Prepare().ok());
  EXPECT_EQ(Files(), (std::set<std::string>{"7.wal", "8.wal"}));
  wal->GiveUpPrepared();
  EXPECT_EQ(Files(), std::set<std::string>{"7.wal"});
  EXPECT_EQ(wal->disk_bytes(), BytesOfFiles());
  ASSERT_TRUE(wal->Rotate().ok());
  EXPECT_EQ(wal->current_number(), 9u);
}

TEST_F(FaultyWalTest, AFailedAppendIsNotCounted) {
  const auto wal = CreateWal(&fs_);
  ASSERT_TRUE(wal->Append("first").ok());
  const uint64_t bytes = wal->appended_bytes();
  FaultRule rule;
  rule.ops = {FileOp::kWriteAt};
  fs_.AddRule(rule);
  EXPECT_TRUE(wal->Append("second").Is(StatusCode::kIoError));
  EXPECT_EQ(wal->appended_bytes(), bytes);
  EXPECT_FALSE(wal->fenced());
}

TEST_F(FaultyWalTest, AFewReleasedFilesAreReused) {
  const auto wal = CreateWal(&fs_);
  for (int i = 0; i < 4; ++i) ASSERT_TRUE(wal->Append("record " + std::to_string(i)).ok() && wal->Rotate().ok());
  EXPECT_EQ(wal->disk_bytes(), BytesOfFiles());
  wal->Release(7, UINT64_MAX);
  EXPECT_EQ(Files().size(), 5u) << "none is below";
  wal->Release(10, UINT64_MAX);
  EXPECT_EQ(Files(), (std::set<std::string>{"7.wal", "8.wal", "10.wal", "11.wal"})) << "two are kept";
  EXPECT_EQ(wal->disk_bytes(), BytesOfFiles());
  ASSERT_TRUE(wal->Rotate().ok());
  EXPECT_EQ(Files(), (std::set<std::string>{"7.wal", "10.wal", "11.wal", "12.wal"}));
  ASSERT_TRUE(wal->Append("in an old file").ok());
  EXPECT_EQ(Read(12), Records{"in an old file"});
  EXPECT_EQ(wal->disk_bytes(), BytesOfFiles());
  wal->Release(UINT64_MAX, /*reuse_bytes_max=*/100);
  EXPECT_EQ(Files(), (std::set<std::string>{"7.wal", "12.wal"})) << "too large to be kept, and the last is written";
  EXPECT_EQ(wal->disk_bytes(), BytesOfFiles());
}

TEST_F(FaultyWalTest, AfterAFailedSyncNoFileIsReused) {
  const auto wal = CreateWal(&fs_);
  ASSERT_TRUE(wal->Append("first").ok() && wal->Rotate().ok());
  wal->Release(8, UINT64_MAX);
  ASSERT_TRUE(wal->Append("second").ok());
  FaultRule rule;
  rule.ops = {FileOp::kSync};
  fs_.AddRule(rule);
  EXPECT_FALSE(wal->Sync().ok());
  fs_.ClearRules();
  ASSERT_FALSE(wal->Rotate().ok()) << "the segment cannot be sealed";
  EXPECT_EQ(Files(), (std::set<std::string>{"7.wal", "8.wal"}));
}

// Its file may be another segment's by then.
TEST_F(FaultyWalTest, ASegmentGivenUpDuringItsFailingSyncIsLeftAlone) {
  const auto wal = CreateWal(&fs_);
  ASSERT_TRUE(wal->Append("first").ok());
  FaultRule rule;
  rule.ops = {FileOp::kSync};
  fs_.AddRule(rule);
  bool given_up = false;
  fs_.SetHook([&](const FileCall& call) {
    EXPECT_FALSE(given_up && call.path == SegmentPath(7)) << FileOpName(call.op);
    if (call.op != FileOp::kSync || given_up) return;
    EXPECT_TRUE(wal->Rotate().ok());
    wal->Release(8, UINT64_MAX);
    given_up = true;
  });
  EXPECT_FALSE(wal->Sync().ok());
  EXPECT_TRUE(given_up);
  fs_.SetHook(nullptr);
  EXPECT_EQ(Read(7), Records{"first"});
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

TEST(Wal, AppenderSyncersAndPreparerRunTogether) {
  ScriptedFiles fs;
  const auto wal = CreateWal(&fs);
  std::atomic<bool> done{false};
  std::vector<std::thread> syncers;
  for (int i = 0; i < 3; ++i) {
    syncers.emplace_back([&] {
      while (!done) EXPECT_TRUE(wal->Sync().ok());
    });
  }
  std::thread preparer([&] {
    while (!done) EXPECT_TRUE(wal->Prepare().ok());
  });
  size_t records = 0;
  for (int segment = 0; segment < 5; ++segment) {
    for (int i = 0; i < 400; ++i) ASSERT_TRUE(wal->Append("record " + std::to_string(records++)).ok());
    ASSERT_TRUE(wal->Rotate().ok());
  }
  done = true;
  for (std::thread& syncer : syncers) syncer.join();
  preparer.join();
  EXPECT_TRUE(wal->Sync().ok());
  EXPECT_FALSE(wal->NeedsSync());
  EXPECT_EQ(wal->current_number(), 12u);
}

}  // namespace
}  // namespace varve::lsm
