// What happens at the edges of calls: a full disk in the middle of a step,
// Close beside calls that are still running, a directory that changes under a
// follower's eyes.
#include <algorithm>
#include <atomic>
#include <functional>
#include <thread>

#include "lsm/version/file_names.h"
#include "lsm/version/manifest.h"
#include "tests/lsm/db_test_util.h"

namespace varve::lsm {
namespace {

class ReviewTest : public DbFixture {
 protected:
  size_t FilesOf(FileKind kind) {
    const auto names = machine_.disk->List(kDir);
    return static_cast<size_t>(std::count_if(
        names->begin(), names->end(), [&](const std::string& name) { return ParseFileName(name).kind == kind; }));
  }
  static FaultRule FullDisk(FileOp op, PathClass path_class) {
    FaultRule rule;
    rule.ops = {op};
    rule.path_classes = {path_class};
    rule.code = StatusCode::kNoSpace;
    return rule;
  }
};

TEST_F(ReviewTest, WritesOnAFullDiskLeaveNoLogSegmentsBehind) {
  for (const FileOp op : {FileOp::kCreate, FileOp::kWriteAt}) {
    SCOPED_TRACE(FileOpName(op));
    Open({.memtable_size = 1});  // each write begins a segment
    ASSERT_TRUE(db_->Put({}, "a", "1").ok());
    machine_.executor.RunAll();
    machine_.fs.AddRule(FullDisk(op, PathClass::kWal));
    const size_t before = FilesOf(FileKind::kWal);
    for (int i = 0; i < 20; ++i) EXPECT_TRUE(db_->Put({}, "b", "2").Is(StatusCode::kNoSpace));
    EXPECT_LE(FilesOf(FileKind::kWal), before);
    machine_.fs.ClearRules();
    ASSERT_TRUE(db_->Put({}, "b", "2").ok());
    EXPECT_EQ(Compare(db_.get(), {{"a", "1"}, {"b", "2"}}), "");
    Open();
    EXPECT_EQ(Compare(db_.get(), {{"a", "1"}, {"b", "2"}}), "");
  }
}

TEST_F(ReviewTest, AFullDiskWhileTheManifestIsRewrittenHeals) {
  const std::pair<FileOp, PathClass> places[] = {{FileOp::kCreate, PathClass::kManifest},
                                                 {FileOp::kWriteAt, PathClass::kManifest},
                                                 {FileOp::kCreate, PathClass::kCurrent},
                                                 {FileOp::kWriteAt, PathClass::kCurrent},
                                                 {FileOp::kRename, PathClass::kCurrent}};
  for (const auto& place : places) {
    const FileOp op = place.first;
    const PathClass path_class = place.second;
    SCOPED_TRACE(std::string(FileOpName(op)) + " " + std::string(PathClassName(path_class)));
    Open();
    Rows rows;
    const auto put_and_flush = [&](int i) {
      for (const char* end : {"a", "b"}) {  // long bounds make long edits
        const std::string key = std::string(64 * 1024, 'k') + std::to_string(i) + end;
        rows[key] = "v";
        ASSERT_TRUE(db_->Put({}, key, "v").ok());
      }
      (void)db_->Flush().ok();
    };
    bool rewriting = false;
    machine_.fs.SetHook([&](const FileCall& call) {
      if (rewriting || call.op != FileOp::kCreate || call.path_class != PathClass::kManifest) return;
      rewriting = true;
      machine_.fs.AddRule(FullDisk(op, path_class));
    });
    for (int i = 0; !rewriting && i < 100; ++i) put_and_flush(i);
    ASSERT_TRUE(rewriting);
    const size_t manifests = FilesOf(FileKind::kManifest);
    for (int i = 0; i < 5; ++i) machine_.Rest();
    EXPECT_LE(FilesOf(FileKind::kManifest), manifests);
    EXPECT_FALSE(db_->Stats().fenced);
    machine_.fs.SetHook(nullptr);
    machine_.fs.ClearRules();
    machine_.Rest();
    put_and_flush(500);
    EXPECT_EQ(db_->Stats().background_error, "");
    Open();
    EXPECT_EQ(Compare(db_.get(), rows), "");
    ASSERT_TRUE(db_->DeleteRange({}, "", "z").ok());
    ASSERT_TRUE(db_->CompactRange({}, {}).ok());
  }
}

// Close returns only when nothing that was begun before it touches the
// directory any more: the next owner may come.
class CloseTest : public ::testing::Test {
 protected:
  CloseTest() : fs_(&disk_) {
    Options options;
    options.file_system = &fs_;
    options.memtable_size = 1;  // each write begins a log segment
    auto db = Db::Open(kDir, options);
    EXPECT_TRUE(db.ok());
    db_ = std::move(db).value();
  }
  // Runs `call` in a thread of its own, holds it where it first makes a file
  // call that `pick` picks, and closes the database meanwhile.
  void CloseDuring(const std::function<Status()>& call, const std::function<bool(const FileCall&)>& pick) {
    std::atomic<bool> reached{false}, go_on{false}, closed{false}, late{false};
    fs_.SetHook([&](const FileCall& made) {
      if (!reached && pick(made)) {
        reached = true;
        while (!go_on) std::this_thread::yield();
        return;
      }
      if (closed) late = true;
    });
    std::thread caller([&] { (void)call().ok(); });
    while (!reached) std::this_thread::yield();
    std::thread closer([&] {
      EXPECT_TRUE(db_->Close().ok());
      closed = true;
    });
    while (!db_->SyncWal().Is(StatusCode::kClosed)) std::this_thread::yield();
    for (int i = 0; i < 10'000 && !closed; ++i) std::this_thread::yield();  // it should wait; let it fail to
    go_on = true;
    caller.join();
    closer.join();
    fs_.SetHook(nullptr);
    EXPECT_FALSE(late) << "the directory was touched after Close returned";
  }

  MemoryFileSystem disk_;
  FaultFileSystem fs_;
  std::unique_ptr<Db> db_;
};

TEST_F(CloseTest, WaitsForACompactionThatWasAskedFor) {
  for (const char* key : {"a", "b"}) {
    ASSERT_TRUE(db_->Put({}, key, "v").ok());
    ASSERT_TRUE(db_->Flush().ok());
  }
  CloseDuring([&] { return db_->CompactRange({}, {}); },
              [](const FileCall& call) { return call.op == FileOp::kCreate && call.path_class == PathClass::kTable; });
}

TEST_F(CloseTest, WaitsForAWriter) {
  ASSERT_TRUE(db_->Put({}, "a", "v").ok());
  CloseDuring([&] { return db_->Put({}, "b", "v"); },
              [](const FileCall& call) {
                return call.op == FileOp::kRename || (call.op == FileOp::kCreate && call.path_class == PathClass::kWal);
              });
}

TEST_F(CloseTest, WaitsForACheckpoint) {
  CloseDuring([&] { return db_->Checkpoint("/copy"); },
              [](const FileCall& call) { return call.op == FileOp::kCreateDir; });
}

// The owner begins a new manifest, flushes, and reuses the log segment that the
// follower is reading.
TEST_F(ReviewTest, AFollowerFindsTheManifestThatReplacedItsOwn) {
  FaultFileSystem own(machine_.disk.get());
  Options options = machine_.Setup();
  options.file_system = &own;
  auto owner = Db::Open(kDir, options);
  ASSERT_TRUE(owner.ok());
  Options follow = machine_.Setup();
  follow.mode = OpenMode::kFollow;
  auto follower = Db::Open(kDir, follow);
  ASSERT_TRUE(follower.ok());

  Rows rows;
  const auto put = [&](const std::string& key, const std::string& value) {
    rows[key] = value;
    ASSERT_TRUE((*owner)->Put({}, key, value).ok());
  };
  const auto flush_long_bounds = [&](int i) {  // they make long edits
    for (const char* end : {"a", "b"}) put(std::string(64 * 1024 + 40, 'k') + std::to_string(i) + end, "v");
    ASSERT_TRUE((*owner)->Flush().ok());
  };
  const std::string manifest = ReadCurrent(machine_.disk.get(), kDir)->manifest;
  const std::string manifest_path = std::string(kDir) + "/" + manifest;
  for (int i = 0; *machine_.disk->FileSize(manifest_path) < (1 << 20) + 1024; ++i) {
    flush_long_bounds(i);
    if (i == 2) {
      ASSERT_TRUE((*owner)->CompactRange({}, {}).ok());
    }
    ASSERT_TRUE(*machine_.disk->Exists(manifest_path));
  }
  ASSERT_EQ(ReadCurrent(machine_.disk.get(), kDir)->manifest,
            manifest);  // the next edit will begin a new one
  ASSERT_TRUE((*follower)->CatchUp().ok());

  for (int i = 0; i < 100; ++i) put("k" + std::to_string(i), std::string(2048, 'v'));
  const SequenceNumber acknowledged = (*owner)->Stats().last_sequence;
  bool moved = false;
  machine_.fs.SetHook([&](const FileCall& call) {
    if (moved || call.op != FileOp::kReadAt || call.path_class != PathClass::kWal || call.offset < 1024) return;
    moved = true;
    for (int i = 100; i < 106; ++i) flush_long_bounds(i);
  });
  ASSERT_TRUE((*follower)->CatchUp().ok());
  machine_.fs.SetHook(nullptr);
  ASSERT_TRUE(moved);
  EXPECT_NE(ReadCurrent(machine_.disk.get(), kDir)->manifest, manifest);
  EXPECT_GE((*follower)->Stats().last_sequence, acknowledged);
  EXPECT_EQ(Compare(follower->get(), rows), "");
}

// A flush that waits for its turn keeps no writer waiting: WriteAsync is called
// in event loops.
TEST(FlushTest, HoldsUpNoWriter) {
  MemoryFileSystem disk;
  FaultFileSystem fs(&disk);
  Options options;
  options.file_system = &fs;
  options.memtable_size = 64 * 1024;
  auto db = Db::Open(kDir, options);
  ASSERT_TRUE(db.ok());
  std::atomic<bool> go_on{false}, written{false};
  fs.SetHook([&](const FileCall& call) {
    if (call.op != FileOp::kCreate || call.path_class != PathClass::kTable) return;
    while (!go_on) std::this_thread::yield();
  });
  const std::string value(64 * 1024, 'v');
  for (int i = 0; i < 3; ++i) ASSERT_TRUE((*db)->Put({}, "k" + std::to_string(i), i < 2 ? value : "").ok());
  std::thread flusher([&] { EXPECT_TRUE((*db)->Flush().ok()); });
  for (int i = 0; i < 10'000; ++i)
    std::this_thread::yield();  // it comes to where it waits for the flush
                                // before it
  std::thread writer([&] {
    WriteBatch batch;
    batch.Put("async", "v");
    const Result<SequenceNumber> last = (*db)->WriteAsync(batch, nullptr);
    EXPECT_TRUE(last.ok() || last.status().Is(StatusCode::kBusy)) << last.status().ToString();
    written = true;
  });
  for (int i = 0; i < 1'000'000 && !written; ++i) std::this_thread::yield();
  EXPECT_TRUE(written);
  go_on = true;
  writer.join();
  flusher.join();
}

// An iterator with bounds looks at the range tombstones within them alone;
// here, that it sees the right ones.
TEST_F(ReviewTest, IteratorsSeeTheRangeTombstonesOfTheirBounds) {
  Open();
  Rows rows;
  Dice dice(5);
  std::vector<std::pair<std::unique_ptr<Snapshot>, Rows>> snapshots;
  for (int round = 0; round < 40; ++round) {
    WriteBatch batch;
    const Changes changes = RandomChanges(&dice, 30, 100);
    AddTo(changes, &batch);
    Apply(changes, &rows);
    ASSERT_TRUE(db_->Write({}, batch).ok());
    if (dice.OneIn(5)) {
      ASSERT_TRUE(db_->Flush().ok());
    }
    if (dice.OneIn(5)) snapshots.emplace_back(db_->GetSnapshot(), rows);
    snapshots.emplace_back(nullptr, rows);
    for (const auto& [snapshot, then] : snapshots) {
      const std::string lower = RandomKey(&dice, 100), upper = RandomKey(&dice, 100);
      if (lower >= upper) continue;
      const Rows want(then.lower_bound(lower), then.lower_bound(upper));
      ReadOptions options{.snapshot = snapshot.get(), .lower_bound = lower, .upper_bound = upper};
      EXPECT_EQ(Compare(db_.get(), want, options), "");
    }
    snapshots.pop_back();
  }
}

}  // namespace
}  // namespace varve::lsm
