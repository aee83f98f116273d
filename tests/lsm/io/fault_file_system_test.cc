#include "lsm/io/fault_file_system.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <thread>

#include "lsm/io/memory_file_system.h"

namespace varve::lsm {
namespace {

class FaultFileSystemTest : public testing::Test {
 protected:
  FaultFileSystemTest() {
    EXPECT_TRUE(disk_.CreateDir("/db").ok());
    EXPECT_TRUE(disk_.SyncDir("/").ok());
  }
  // Six calls. Writes a log and makes it durable, with the name it was written under last.
  Status Workload() {
    Result<std::unique_ptr<WritableFile>> file = fs_.Create("/db/tmp");
    if (!file.ok()) return file.status();
    VARVE_TRY((*file)->WriteAt(0, "record"));
    VARVE_TRY((*file)->Sync());
    VARVE_TRY((*file)->Close());
    VARVE_TRY(fs_.Rename("/db/tmp", "/db/000001.wal"));
    return fs_.SyncDir("/db");
  }

  MemoryFileSystem disk_;
  FaultFileSystem fs_{&disk_};
};

TEST_F(FaultFileSystemTest, CallsAreNumberedAndTraced) {
  fs_.SetTracing(true);
  EXPECT_TRUE(Workload().ok());
  EXPECT_EQ(fs_.CallCount(), 6u);
  EXPECT_EQ(fs_.FaultCount(), 0u);
  EXPECT_EQ(fs_.Trace(), (std::vector<std::string>{
                             "1 create other /db/tmp",
                             "2 write other /db/tmp 0+6",
                             "3 sync other /db/tmp",
                             "4 close other /db/tmp",
                             "5 rename wal /db/tmp -> /db/000001.wal",
                             "6 syncdir dir /db",
                         }));
}

TEST_F(FaultFileSystemTest, EveryCallCanBeTheOneThatFails) {
  uint64_t n = 1;
  for (;; ++n) {
    const uint64_t start = fs_.CallCount();
    const uint64_t faults = fs_.FaultCount();
    fs_.AddRule(FaultRule::At(start + n, StatusCode::kNoSpace));
    const Status status = Workload();
    fs_.ClearRules();
    if (fs_.FaultCount() == faults) {
      EXPECT_TRUE(status.ok());
      break;
    }
    EXPECT_TRUE(status.Is(StatusCode::kNoSpace)) << n;
    EXPECT_EQ(fs_.CallCount(), start + n);
    EXPECT_EQ(disk_.OpenHandleCount(), 0u);
  }
  EXPECT_EQ(n, 7u);
}

TEST_F(FaultFileSystemTest, OnceFailsOnceAndStickyFailsForGood) {
  fs_.AddRule(FaultRule::At(1));
  const Status status = fs_.CreateDir("/db/a");
  EXPECT_TRUE(status.Is(StatusCode::kIoError));
  EXPECT_EQ(status.message(), "/db/a: mkdir: injected");
  EXPECT_TRUE(fs_.CreateDir("/db/a").ok());
  fs_.AddRule(FaultRule::From(4));
  EXPECT_TRUE(fs_.CreateDir("/db/a").ok());
  for (int i = 0; i < 3; ++i) EXPECT_FALSE(fs_.CreateDir("/db/a").ok());
  EXPECT_EQ(fs_.FaultCount(), 4u);
}

TEST_F(FaultFileSystemTest, RulesChooseByOperationClassPathAndCount) {
  FaultRule rule;
  rule.ops = {FileOp::kCreate};
  rule.path_classes = {PathClass::kTable};
  rule.path_contains = "0002";
  rule.skip = 1;
  rule.times_max = 1;
  fs_.AddRule(rule);
  EXPECT_TRUE(fs_.Create("/db/000002.wal").ok());
  EXPECT_TRUE(fs_.Create("/db/000001.sst").ok());
  EXPECT_TRUE(fs_.Create("/db/000002.sst").ok()) << "skipped";
  EXPECT_TRUE(fs_.OpenForRead("/db/000002.sst").ok());
  EXPECT_FALSE(fs_.Create("/db/000002.sst").ok());
  EXPECT_TRUE(fs_.Create("/db/000002.sst").ok()) << "fired as often as it may";
}

TEST_F(FaultFileSystemTest, AShortWriteLeavesItsFirstHalf) {
  FaultRule rule = FaultRule::At(2);
  rule.effect = FaultRule::Effect::kPartOfWrite;
  fs_.AddRule(rule);
  EXPECT_FALSE(Workload().ok());
  EXPECT_EQ(disk_.FileSize("/db/tmp").value(), 3u);
}

TEST_F(FaultFileSystemTest, ACallMaySucceedAndStillReportAnError) {
  FaultRule rule = FaultRule::At(5);
  rule.effect = FaultRule::Effect::kEverything;
  fs_.AddRule(rule);
  EXPECT_FALSE(Workload().ok());
  EXPECT_TRUE(disk_.Exists("/db/000001.wal").value());
}

TEST_F(FaultFileSystemTest, AFailedCloseClosesNevertheless) {
  auto file = fs_.Create("/db/a");
  ASSERT_TRUE(file.ok());
  fs_.AddRule(FaultRule::At(2));
  EXPECT_FALSE((*file)->Close().ok());
  EXPECT_EQ(disk_.OpenHandleCount(), 0u);
}

TEST_F(FaultFileSystemTest, ProbabilityRepeatsWithItsSeed) {
  const auto run = [this](uint64_t seed) {
    FaultRule rule;
    rule.probability = 0.3;
    rule.seed = seed;
    fs_.ClearRules();
    fs_.AddRule(rule);
    std::string outcome;
    for (int i = 0; i < 200; ++i) outcome += fs_.Exists("/db").ok() ? '.' : 'x';
    return outcome;
  };
  const std::string first = run(1);
  EXPECT_EQ(run(1), first);
  EXPECT_NE(run(2), first);
  const auto failed = std::count(first.begin(), first.end(), 'x');
  EXPECT_GT(failed, 30);
  EXPECT_LT(failed, 90);
}

// The use it was made for: the disk as it would be found after a power loss just before each call.
TEST_F(FaultFileSystemTest, TheHookSeesTheDiskBeforeEachCall) {
  std::vector<std::string> after_crash;
  fs_.SetHook([&](const FileCall&) {
    auto clone = disk_.CrashClone(CrashPlan::DropUnsynced());
    after_crash.push_back(clone->Exists("/db/000001.wal").value() ? "log" : "nothing");
  });
  EXPECT_TRUE(Workload().ok());
  EXPECT_TRUE(fs_.Exists("/db").ok());
  EXPECT_EQ(after_crash,
            (std::vector<std::string>{"nothing", "nothing", "nothing", "nothing", "nothing", "nothing", "log"}));
}

TEST_F(FaultFileSystemTest, TheHookMayChangeRulesAndItself) {
  fs_.SetHook([this](const FileCall& call) {
    EXPECT_EQ(call.op, FileOp::kExists);
    fs_.AddRule(FaultRule::At(call.number));
    fs_.SetHook(nullptr);
  });
  EXPECT_FALSE(fs_.Exists("/db").ok());
  EXPECT_TRUE(fs_.Exists("/db").ok());
}

TEST(PathClass, IsToldByTheName) {
  const auto name = [](std::string_view path) { return PathClassName(ClassifyPath(FileOp::kCreate, path)); };
  EXPECT_EQ(name("/a.wal/000001.wal"), "wal");
  EXPECT_EQ(name("000001.sst"), "table");
  EXPECT_EQ(name("/db/MANIFEST-000005"), "manifest");
  EXPECT_EQ(name("/db/CURRENT"), "current");
  EXPECT_EQ(name("/db/CURRENT.tmp"), "current");
  EXPECT_EQ(name("/db/LOCK"), "lock");
  EXPECT_EQ(name("/db/notes"), "other");
  EXPECT_EQ(PathClassName(ClassifyPath(FileOp::kSyncDir, "/db.wal")), "dir");
}

TEST_F(FaultFileSystemTest, NumbersAreUniqueAcrossThreads) {
  fs_.SetTracing(true);
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([this] {
      for (int i = 0; i < 250; ++i) EXPECT_TRUE(fs_.Exists("/db").ok());
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(fs_.CallCount(), 1000u);
  EXPECT_EQ(fs_.Trace().size(), 1000u);
}

}  // namespace
}  // namespace varve::lsm
