#include "lsm/io/memory_file_system.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <thread>

namespace varve::lsm {
namespace {

constexpr size_t kBlock = 4096;
constexpr size_t kSector = 512;

std::string Read(FileSystem* fs, const std::string& path) {
  auto file = fs->OpenForRead(path);
  if (!file.ok()) return std::string(StatusCodeName(file.status().code()));
  std::string bytes((*file)->Size().value(), '?');
  const auto count = (*file)->ReadAt(0, bytes.size(), bytes.data());
  EXPECT_TRUE(count.ok());
  EXPECT_EQ(count.value(), bytes.size());
  return bytes;
}

std::string Names(FileSystem* fs, const std::string& dir) {
  auto names = fs->List(dir);
  if (!names.ok()) return std::string(StatusCodeName(names.status().code()));
  std::sort(names->begin(), names->end());
  std::string text;
  for (const std::string& name : *names) text += (text.empty() ? "" : " ") + name;
  return text;
}

void ExpectOk(const Status& status) {
  EXPECT_TRUE(status.ok()) << status.ToString();
}

enum class Durable { kNo, kYes };

void WriteFile(FileSystem* fs, const std::string& path, std::string_view bytes, Durable durable) {
  auto file = fs->Create(path);
  ASSERT_TRUE(file.ok()) << file.status().ToString();
  ExpectOk((*file)->WriteAt(0, bytes));
  if (durable == Durable::kYes) ExpectOk((*file)->Sync());
}

void Overwrite(FileSystem* fs, const std::string& path, uint64_t offset, std::string_view bytes) {
  auto file = fs->OpenForWrite(path);
  ASSERT_TRUE(file.ok()) << file.status().ToString();
  ExpectOk((*file)->WriteAt(offset, bytes));
}

// A disk with an empty, durable directory /db.
class MemoryFileSystemTest : public testing::Test {
 protected:
  MemoryFileSystemTest() {
    ExpectOk(disk_.CreateDir("/db"));
    ExpectOk(disk_.SyncDir("/"));
  }
  std::unique_ptr<MemoryFileSystem> Crash() { return disk_.CrashClone(CrashPlan::DropUnsynced()); }
  std::unique_ptr<MemoryFileSystem> KeepAll() { return disk_.CrashClone(CrashPlan::KeepAll()); }
  // Durable in bytes and name.
  void WriteDurably(const std::string& path, std::string_view bytes) {
    WriteFile(&disk_, path, bytes, Durable::kYes);
    ExpectOk(disk_.SyncDir("/db"));
  }

  MemoryFileSystem disk_;
};

TEST_F(MemoryFileSystemTest, BytesSyncedUnderADurableNameSurvive) {
  WriteDurably("/db/a", "one");
  EXPECT_EQ(Read(Crash().get(), "/db/a"), "one");
  EXPECT_EQ(disk_.UnsyncedCount(), 0u);
}

TEST_F(MemoryFileSystemTest, ASyncedFileWithoutSyncDirVanishes) {
  WriteFile(&disk_, "/db/a", "one", Durable::kYes);
  EXPECT_EQ(Names(Crash().get(), "/db"), "");
  EXPECT_EQ(Read(KeepAll().get(), "/db/a"), "one");
}

TEST_F(MemoryFileSystemTest, SyncDirDoesNotMakeBytesDurable) {
  WriteFile(&disk_, "/db/a", "one", Durable::kNo);
  ExpectOk(disk_.SyncDir("/db"));
  EXPECT_EQ(Read(Crash().get(), "/db/a"), "") << "the name, but no bytes";
}

TEST_F(MemoryFileSystemTest, SyncDirDoesNotMakeTheDirectorysOwnNameDurable) {
  ExpectOk(disk_.CreateDir("/db/sub"));
  WriteFile(&disk_, "/db/sub/a", "one", Durable::kYes);
  ExpectOk(disk_.SyncDir("/db/sub"));
  EXPECT_EQ(Names(Crash().get(), "/db"), "");
  ExpectOk(disk_.SyncDir("/db"));
  EXPECT_EQ(Read(Crash().get(), "/db/sub/a"), "one");
}

TEST_F(MemoryFileSystemTest, ARenameWithoutSyncDirReverts) {
  WriteDurably("/db/CURRENT", "old");
  WriteDurably("/db/CURRENT.tmp", "new");
  ExpectOk(disk_.Rename("/db/CURRENT.tmp", "/db/CURRENT"));
  EXPECT_EQ(Names(&disk_, "/db"), "CURRENT");
  EXPECT_EQ(Names(Crash().get(), "/db"), "CURRENT CURRENT.tmp");
  EXPECT_EQ(Read(Crash().get(), "/db/CURRENT"), "old");
  ExpectOk(disk_.SyncDir("/db"));
  EXPECT_EQ(Names(Crash().get(), "/db"), "CURRENT");
  EXPECT_EQ(Read(Crash().get(), "/db/CURRENT"), "new");
}

TEST_F(MemoryFileSystemTest, ADurableRenameOfUnsyncedBytesLeavesAnEmptyFile) {
  WriteDurably("/db/CURRENT", "old");
  WriteFile(&disk_, "/db/CURRENT.tmp", "new", Durable::kNo);
  ExpectOk(disk_.Rename("/db/CURRENT.tmp", "/db/CURRENT"));
  ExpectOk(disk_.SyncDir("/db"));
  EXPECT_EQ(Read(Crash().get(), "/db/CURRENT"), "");
}

TEST_F(MemoryFileSystemTest, ARemovalWithoutSyncDirReverts) {
  WriteDurably("/db/a", "one");
  ExpectOk(disk_.Remove("/db/a"));
  EXPECT_EQ(Names(&disk_, "/db"), "");
  EXPECT_EQ(Read(Crash().get(), "/db/a"), "one");
  EXPECT_EQ(Names(KeepAll().get(), "/db"), "");
  ExpectOk(disk_.SyncDir("/db"));
  EXPECT_EQ(Names(Crash().get(), "/db"), "");
}

TEST_F(MemoryFileSystemTest, ALinkWithoutSyncDirVanishesAndItsBytesAreShared) {
  WriteDurably("/db/a", "one");
  ExpectOk(disk_.Link("/db/a", "/db/b"));
  EXPECT_EQ(Names(Crash().get(), "/db"), "a");
  ExpectOk(disk_.SyncDir("/db"));
  auto after = Crash();
  EXPECT_EQ(Names(after.get(), "/db"), "a b");
  Overwrite(after.get(), "/db/a", 0, "two");
  EXPECT_EQ(Read(after.get(), "/db/b"), "two") << "still one file with two names";
  EXPECT_EQ(disk_.TotalBytes(), 3u);
  EXPECT_EQ(Read(&disk_, "/db/a"), "one");
}

TEST_F(MemoryFileSystemTest, OverwrittenBytesRevertToTheDurableOnes) {
  WriteDurably("/db/log", std::string(3 * kBlock, 'o'));
  Overwrite(&disk_, "/db/log", kBlock - 10, std::string(20, 'n'));
  EXPECT_EQ(Read(Crash().get(), "/db/log"), std::string(3 * kBlock, 'o'));
  EXPECT_EQ(disk_.UnsyncedCount(), 2u) << "two blocks";
  const std::string live = Read(&disk_, "/db/log");
  EXPECT_EQ(std::count(live.begin(), live.end(), 'n'), 20);
  EXPECT_EQ(Read(KeepAll().get(), "/db/log"), live);
}

TEST_F(MemoryFileSystemTest, TruncationByCreateRevertsUntilSynced) {
  WriteDurably("/db/a", "a long durable text");
  auto file = disk_.Create("/db/a");
  ASSERT_TRUE(file.ok());
  EXPECT_EQ(Read(&disk_, "/db/a"), "");
  EXPECT_EQ(Read(Crash().get(), "/db/a"), "a long durable text");
  EXPECT_EQ(Read(KeepAll().get(), "/db/a"), "");
  ExpectOk((*file)->WriteAt(0, "new"));
  EXPECT_EQ(Read(KeepAll().get(), "/db/a"), "new");
  EXPECT_EQ(Read(Crash().get(), "/db/a"), "a long durable text");
  ExpectOk((*file)->Sync());
  EXPECT_EQ(Read(Crash().get(), "/db/a"), "new");
}

TEST_F(MemoryFileSystemTest, ARenameBetweenDirectoriesIsTwoChanges) {
  ExpectOk(disk_.CreateDir("/other"));
  ExpectOk(disk_.SyncDir("/"));
  WriteDurably("/db/a", "one");
  ExpectOk(disk_.Rename("/db/a", "/other/a"));
  ExpectOk(disk_.SyncDir("/other"));
  auto after = Crash();
  EXPECT_EQ(Read(after.get(), "/db/a"), "one");
  EXPECT_EQ(Read(after.get(), "/other/a"), "one");
}

TEST_F(MemoryFileSystemTest, RandomCrashesKeepEachBlockByItself) {
  WriteDurably("/db/log", std::string(4 * kBlock, 'o'));
  for (size_t block = 0; block < 4; ++block) Overwrite(&disk_, "/db/log", block * kBlock, std::string(kBlock, 'n'));
  std::set<std::string> seen;
  for (uint64_t seed = 0; seed < 400; ++seed) {
    const std::string bytes = Read(disk_.CrashClone(CrashPlan::Random(seed, 0.5)).get(), "/db/log");
    ASSERT_EQ(bytes.size(), 4 * kBlock);
    std::string kept;
    for (size_t block = 0; block < 4; ++block) {
      kept += bytes[block * kBlock];
      ASSERT_EQ(bytes.substr(block * kBlock, kBlock), std::string(kBlock, bytes[block * kBlock]));
    }
    seen.insert(kept);
  }
  EXPECT_EQ(seen.size(), 16u) << "every subset, so also later writes without earlier ones";
}

TEST_F(MemoryFileSystemTest, ABlockMayHoldAnyStateInBetween) {
  WriteDurably("/db/log", "....");
  for (size_t i = 0; i < 4; ++i) Overwrite(&disk_, "/db/log", i, "x");
  std::set<std::string> seen;
  for (uint64_t seed = 0; seed < 200; ++seed) {
    seen.insert(Read(disk_.CrashClone(CrashPlan::Random(seed, 0.5)).get(), "/db/log"));
  }
  EXPECT_EQ(seen, (std::set<std::string>{"....", "x...", "xx..", "xxx.", "xxxx"}));
}

TEST_F(MemoryFileSystemTest, TheSizeMayBeDurableWithoutTheBytesAndTheOtherWayRound) {
  WriteDurably("/db/log", "");
  Overwrite(&disk_, "/db/log", 0, "aa");
  Overwrite(&disk_, "/db/log", 2, "bb");
  std::set<std::string> seen;
  for (uint64_t seed = 0; seed < 200; ++seed) {
    seen.insert(Read(disk_.CrashClone(CrashPlan::Random(seed, 0.5)).get(), "/db/log"));
  }
  using std::string_literals::operator""s;
  EXPECT_EQ(seen, (std::set<std::string>{"", "aa", "aabb", "\0\0\0\0"s, "aa\0\0"s}));
}

TEST_F(MemoryFileSystemTest, TornBlocksMixSectors) {
  WriteDurably("/db/log", std::string(kBlock, 'o'));
  Overwrite(&disk_, "/db/log", 0, std::string(kBlock, 'n'));
  bool mixed = false;
  for (uint64_t seed = 0; seed < 50; ++seed) {
    const std::string bytes = Read(disk_.CrashClone(CrashPlan::Torn(seed, 0.9)).get(), "/db/log");
    ASSERT_EQ(bytes.size(), kBlock);
    for (size_t at = 0; at < kBlock; at += kSector) {
      ASSERT_EQ(bytes.substr(at, kSector), std::string(kSector, bytes[at])) << "a sector is whole";
    }
    mixed |= bytes.find('o') != std::string::npos && bytes.find('n') != std::string::npos;
  }
  EXPECT_TRUE(mixed);
}

TEST_F(MemoryFileSystemTest, RandomCrashesKeepEachNameByItself) {
  WriteFile(&disk_, "/db/a", "", Durable::kYes);
  WriteFile(&disk_, "/db/b", "", Durable::kYes);
  ExpectOk(disk_.Rename("/db/a", "/db/c"));
  std::set<std::string> seen;
  for (uint64_t seed = 0; seed < 200; ++seed) {
    seen.insert(Names(disk_.CrashClone(CrashPlan::Random(seed, 0.5)).get(), "/db"));
  }
  EXPECT_EQ(seen, (std::set<std::string>{"", "a", "a b", "b", "b c", "c"}));
}

TEST_F(MemoryFileSystemTest, ASeedRepeatsItsCrashAndCertaintyKeepsAll) {
  for (int i = 0; i < 20; ++i) {
    WriteFile(&disk_, "/db/" + std::to_string(i), std::string(10000, 'x'), Durable::kNo);
  }
  const auto show = [](MemoryFileSystem* fs) {
    std::string text = Names(fs, "/db");
    for (int i = 0; i < 20; ++i) text += Read(fs, "/db/" + std::to_string(i));
    return text;
  };
  EXPECT_EQ(show(disk_.CrashClone(CrashPlan::Random(7, 0.5)).get()),
            show(disk_.CrashClone(CrashPlan::Random(7, 0.5)).get()));
  EXPECT_EQ(show(disk_.CrashClone(CrashPlan::Random(7, 1.0)).get()), show(&disk_));
}

TEST_F(MemoryFileSystemTest, CloneAndOriginalDoNotSeeEachOthersWrites) {
  WriteDurably("/db/a", std::string(2 * kBlock, 'o'));
  Overwrite(&disk_, "/db/a", 0, "live");
  auto clone = KeepAll();
  auto second = clone->CrashClone(CrashPlan::DropUnsynced());
  Overwrite(&disk_, "/db/a", 0, "DISK");
  Overwrite(clone.get(), "/db/a", kBlock, "CLONE");
  EXPECT_EQ(Read(second.get(), "/db/a"), "live" + std::string(2 * kBlock - 4, 'o'));
  EXPECT_EQ(Read(clone.get(), "/db/a").substr(0, 5), "liveo");
  EXPECT_EQ(Read(&disk_, "/db/a"), "DISK" + std::string(2 * kBlock - 4, 'o'));
  EXPECT_EQ(clone->UnsyncedCount(), 1u);
  EXPECT_EQ(second->UnsyncedCount(), 0u) << "what a crash left is durable";
}

TEST_F(MemoryFileSystemTest, NamesWithoutBytesAndBytesWithoutNames) {
  WriteDurably("/db/a", "old");
  Overwrite(&disk_, "/db/a", 0, "new");
  WriteFile(&disk_, "/db/b", "bytes", Durable::kNo);
  ExpectOk(disk_.Rename("/db/a", "/db/c"));
  auto names = disk_.CrashClone(CrashPlan::NamesOnly());
  EXPECT_EQ(Names(names.get(), "/db"), "b c");
  EXPECT_EQ(Read(names.get(), "/db/b"), "");
  EXPECT_EQ(Read(names.get(), "/db/c"), "old");
  auto bytes = disk_.CrashClone(CrashPlan::BytesOnly());
  EXPECT_EQ(Names(bytes.get(), "/db"), "a");
  EXPECT_EQ(Read(bytes.get(), "/db/a"), "new");
}

TEST_F(MemoryFileSystemTest, TheDeathOfAProcessLosesNothingAndMakesNothingDurable) {
  WriteDurably("/db/a", std::string(2 * kBlock, 'o'));
  WriteDurably("/db/gone", "old");
  Overwrite(&disk_, "/db/a", 0, "live");
  ExpectOk(disk_.Remove("/db/gone"));
  WriteFile(&disk_, "/db/new", "new", Durable::kNo);
  auto after = disk_.CrashClone(CrashPlan::KeepCache());
  EXPECT_EQ(Names(after.get(), "/db"), "a new");
  EXPECT_EQ(Read(after.get(), "/db/a"), "live" + std::string(2 * kBlock - 4, 'o'));
  EXPECT_EQ(after->UnsyncedCount(), disk_.UnsyncedCount());
  auto lost = after->CrashClone(CrashPlan::DropUnsynced());
  EXPECT_EQ(Names(lost.get(), "/db"), "a gone");
  EXPECT_EQ(Read(lost.get(), "/db/a"), std::string(2 * kBlock, 'o'));
  // Each goes its own way.
  Overwrite(after.get(), "/db/a", 0, "LIVE");
  Overwrite(&disk_, "/db/new", 0, "NEW");
  EXPECT_EQ(Read(&disk_, "/db/a").substr(0, 5), "liveo");
  EXPECT_EQ(Read(after.get(), "/db/new"), "new");
  auto file = after->OpenForWrite("/db/a");
  ASSERT_TRUE(file.ok());
  ExpectOk((*file)->Sync());
  ExpectOk(after->SyncDir("/db"));
  lost = after->CrashClone(CrashPlan::DropUnsynced());
  EXPECT_EQ(Names(lost.get(), "/db"), "a new");
  EXPECT_EQ(Read(lost.get(), "/db/a").substr(0, 5), "LIVEo");
  EXPECT_EQ(Read(Crash().get(), "/db/a").substr(0, 5), "ooooo");
}

TEST_F(MemoryFileSystemTest, WhatAFailedSyncLeftIsNotWrittenByTheNextOne) {
  WriteDurably("/db/a", std::string(3 * kBlock, 'o'));
  Overwrite(&disk_, "/db/a", 0, "first");
  Overwrite(&disk_, "/db/a", kBlock, "second");
  disk_.LoseUnsynced("/db/a");
  Overwrite(&disk_, "/db/a", kBlock + 10, "again");
  Overwrite(&disk_, "/db/a", 2 * kBlock, "third");
  auto file = disk_.OpenForWrite("/db/a");
  ASSERT_TRUE(file.ok());
  EXPECT_EQ(Read(Crash().get(), "/db/a"), std::string(3 * kBlock, 'o'));
  ExpectOk((*file)->Sync());
  EXPECT_EQ(Read(&disk_, "/db/a").substr(0, 6), "firsto") << "readers see it all the same";
  EXPECT_EQ(disk_.UnsyncedCount(), 1u);
  for (const CrashPlan& plan : {CrashPlan::DropUnsynced(), CrashPlan::KeepAll()}) {
    const std::string bytes = Read(disk_.CrashClone(plan).get(), "/db/a");
    EXPECT_EQ(bytes.substr(0, 6), "oooooo") << "clean, so never written";
    EXPECT_EQ(bytes.substr(kBlock, 16), "secondooooagaino") << "the block was written to again, and as a whole";
    EXPECT_EQ(bytes.substr(2 * kBlock, 6), "thirdo");
  }
  Overwrite(&disk_, "/db/a", 0, "first");
  ExpectOk((*file)->Sync());
  EXPECT_EQ(Read(Crash().get(), "/db/a").substr(0, 6), "firsto");
  EXPECT_EQ(disk_.UnsyncedCount(), 0u);
}

TEST_F(MemoryFileSystemTest, AFileThatGrowsAgainAfterACrashReadsZerosBetween) {
  WriteDurably("/db/log", std::string(100, 'o'));
  auto file = disk_.Create("/db/log");
  ASSERT_TRUE(file.ok());
  ExpectOk((*file)->WriteAt(0, "nn"));
  for (uint64_t seed = 0; seed < 100; ++seed) {
    auto after = disk_.CrashClone(CrashPlan::Random(seed, 0.5));
    const std::string left = Read(after.get(), "/db/log");
    Overwrite(after.get(), "/db/log", 200, "end");
    EXPECT_EQ(Read(after.get(), "/db/log"), left + std::string(200 - left.size(), '\0') + "end") << "seed " << seed;
  }
}

TEST_F(MemoryFileSystemTest, LocksExcludeOneAnotherAndAreNotCloned) {
  auto lock = disk_.Lock("/db/LOCK");
  ASSERT_TRUE(lock.ok());
  EXPECT_EQ(disk_.OpenHandleCount(), 1u);
  const Status refused = disk_.Lock("/db/LOCK").status();
  EXPECT_TRUE(refused.Is(StatusCode::kBusy));
  EXPECT_EQ(refused.message().find("/db/LOCK: held by process "), 0u) << refused.message();
  EXPECT_TRUE(KeepAll()->Lock("/db/LOCK").ok());
  lock->reset();
  EXPECT_TRUE(disk_.Lock("/db/LOCK").ok());
  EXPECT_EQ(disk_.OpenHandleCount(), 0u);
}

TEST_F(MemoryFileSystemTest, RemovedFilesServeTheirOpenHandles) {
  WriteDurably("/db/a", "one");
  auto file = disk_.OpenForRead("/db/a");
  ASSERT_TRUE(file.ok());
  ExpectOk(disk_.Remove("/db/a"));
  char bytes[3];
  EXPECT_EQ((*file)->ReadAt(0, 3, bytes).value(), 3u);
  EXPECT_EQ(std::string_view(bytes, 3), "one");
  EXPECT_EQ(disk_.TotalBytes(), 0u);
}

TEST_F(MemoryFileSystemTest, ClosedFilesRefuse) {
  auto file = disk_.Create("/db/a");
  ASSERT_TRUE(file.ok());
  ExpectOk((*file)->Close());
  ExpectOk((*file)->Close());
  EXPECT_EQ(disk_.OpenHandleCount(), 0u);
  EXPECT_TRUE((*file)->WriteAt(0, "x").Is(StatusCode::kIoError));
  EXPECT_TRUE((*file)->Sync().Is(StatusCode::kIoError));
}

TEST_F(MemoryFileSystemTest, AWriteBeyondAnySensibleSizeIsRefused) {
  auto file = disk_.Create("/db/a");
  ASSERT_TRUE(file.ok());
  EXPECT_TRUE((*file)->WriteAt(UINT64_MAX, "x").Is(StatusCode::kIoError));
  EXPECT_TRUE((*file)->WriteAt(uint64_t{1} << 50, "x").Is(StatusCode::kIoError));
}

TEST_F(MemoryFileSystemTest, ManyThreadsWriteSyncAndCrash) {
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([this, t] {
      const std::string path = "/db/" + std::to_string(t);
      for (size_t i = 0; i < 50; ++i) {
        WriteFile(&disk_, path, std::string(i * 100, static_cast<char>('a' + t)), Durable::kYes);
        ExpectOk(disk_.SyncDir("/db"));
        auto clone = disk_.CrashClone(CrashPlan::Random(i, 0.5));
        EXPECT_EQ(Read(clone.get(), path), std::string(i * 100, static_cast<char>('a' + t)));
        Overwrite(clone.get(), path, 0, "clone");
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

}  // namespace
}  // namespace varve::lsm
