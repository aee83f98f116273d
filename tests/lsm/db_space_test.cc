// max_disk_bytes: the directory never takes more, whatever the engine does; reads go on, deletes make room, and what was
// refused goes on by itself.
#include <array>
#include <atomic>
#include <latch>

#include "lsm/event_listener.h"
#include "lsm/table_writer.h"
#include "tests/lsm/db_test_util.h"

namespace varve::lsm {
namespace {

constexpr uint64_t kCap = uint64_t{8} << 20;

Options CapOptions() {
  Options options;
  options.memory_budget = size_t{4} << 20;
  options.memtable_size = 64 * 1024;
  options.table_size = 64 * 1024;
  options.wal_sync = WalSync::kNever;
  options.max_disk_bytes = kCap;
  return options;
}

class DbSpaceTest : public ::testing::Test {
 protected:
  ~DbSpaceTest() override {
    db_.reset();
    machine_.fs.SetHook(nullptr);
  }
  void Open(Options options = CapOptions()) {
    db_.reset();
    auto db = Db::Open(kDir, machine_.Setup(options));
    ASSERT_TRUE(db.ok()) << db.status().ToString();
    db_ = std::move(db).value();
    machine_.fs.SetHook([&](const FileCall&) { most_ = std::max(most_, Taken()); });
  }
  uint64_t Taken() const { return machine_.disk->TotalBytes(); }
  Status Put(const std::string& key, const std::string& value) {
    Status status = db_->Put({}, key, value);
    if (status.ok()) rows_[key] = value;
    return status;
  }
  // Random rows until a write is refused.
  void Fill(size_t value_size = 900, uint64_t space = 100'000) {
    Status status;
    for (int i = 0; i < 50'000 && status.ok(); ++i) {
      status = Put("key" + std::to_string(dice_.Below(space)), Noise(&dice_, value_size));
      machine_.executor.RunAll();
    }
    ASSERT_TRUE(status.Is(StatusCode::kNoSpace)) << status.ToString();
    EXPECT_NE(status.message().find("max_disk_bytes, "), std::string_view::npos) << status.ToString();
    EXPECT_NE(status.message().find("ReclaimSpace"), std::string_view::npos) << status.ToString();
  }
  void DeleteRange(const std::string& begin, const std::string& end) {
    const Status status = db_->DeleteRange({}, begin, end);
    ASSERT_TRUE(status.ok()) << status.ToString();
    rows_.erase(rows_.lower_bound(begin), rows_.lower_bound(end));
  }
  // A write that waits for room as a user would.
  Status PutInTime(const std::string& key, const std::string& value) {
    Status status = Put(key, value);
    for (int i = 0; i < 10 && !status.ok(); ++i) {
      machine_.Rest();
      status = Put(key, value);
    }
    return status;
  }
  // What the database says it takes is what there is, but for `outside`.
  void ExpectExact(uint64_t outside = 0) {
    EXPECT_NEAR(static_cast<double>(db_->Stats().disk_bytes + outside), static_cast<double>(Taken()), 2048);
  }

  Machine machine_{1};
  Dice dice_{3};
  Rows rows_;
  std::unique_ptr<Db> db_;
  uint64_t most_ = 0;  // that was ever taken, at any call of the file system
};

// The cap holds at every call of the file system; deletes go through where values do not, and give the space back.
TEST_F(DbSpaceTest, TheCapHoldsAndDeletesMakeRoom) {
  Open();
  for (int round = 0; round < 3; ++round) {
    Fill();
    EXPECT_GT(Taken(), kCap / 3);
    EXPECT_TRUE(db_->Put({}, "k", Noise(&dice_, 200'000)).Is(StatusCode::kNoSpace));
    ASSERT_EQ(Compare(db_.get(), rows_), "");
    ExpectExact();
    DeleteRange("key2", "key8");
    if (round == 0) {
      ASSERT_TRUE(db_->ReclaimSpace({}, {}).ok());
      EXPECT_LT(Taken(), kCap / 2);
    }
    const Status status = PutInTime("k", Noise(&dice_, 200'000));
    EXPECT_TRUE(status.ok()) << "goes on by itself: " << status.ToString();
  }
  Fill();
  EXPECT_LE(most_, kCap);
  ASSERT_TRUE(db_->SetOptions({.max_disk_bytes = 2 * kCap}).ok());
  EXPECT_TRUE(Put("k", Noise(&dice_, 200'000)).ok());
  ASSERT_TRUE(db_->SetOptions({.max_disk_bytes = 0}).ok());
  EXPECT_TRUE(Put("k", "y").ok());
  machine_.Rest();
  Open();  // what the directory holds counts from the start
  EXPECT_EQ(Compare(db_.get(), rows_), "");
  ExpectExact();
}

// Everything that has a file counts: value log, its collection, zeros that the log writes ahead.
struct Shape {
  const char* name;
  Options options;
  size_t value_size = 900;
  uint64_t key_space = 100'000;
};

template <typename Edit>
Options CapWith(Edit edit) {
  Options options = CapOptions();
  edit(&options);
  return options;
}

class ShapesTest : public DbSpaceTest, public ::testing::WithParamInterface<Shape> {};

TEST_P(ShapesTest, ServiceResumesAfterDeletes) {
  const Shape& shape = GetParam();
  Open(shape.options);
  for (int round = 0; round < 3; ++round) {
    Fill(shape.value_size, shape.key_space);
    EXPECT_GT(Taken(), kCap / 3);
    ASSERT_EQ(Compare(db_.get(), rows_), "");
    DeleteRange("key2", "key7");
    const Status reclaimed = db_->ReclaimSpace({}, {});
    EXPECT_TRUE(reclaimed.ok()) << reclaimed.ToString();
    const Status status = PutInTime("k", Noise(&dice_, 100'000));
    EXPECT_TRUE(status.ok()) << "goes on by itself: " << status.ToString();
    ExpectExact();
    EXPECT_LE(most_, kCap);
  }
  ASSERT_EQ(Compare(db_.get(), rows_), "");
  EXPECT_EQ(Problems(db_.get()), "");
  Open(shape.options);
  ExpectExact();
  ASSERT_EQ(Compare(db_.get(), rows_), "");
}

INSTANTIATE_TEST_SUITE_P(
    Shapes, ShapesTest,
    ::testing::Values(Shape{"Leveled", CapOptions()}, Shape{"ValueLog", CapOptions(), 6000},
                      Shape{"ValueLogOverwritten", CapOptions(), 6000, 800},
                      Shape{"ValueLogSmall", CapWith([](Options* o) { o->value_log_threshold = 64; }), 300, 15'000},
                      Shape{"Tiered", CapWith([](Options* o) { o->compaction = CompactionStyle::kSizeTiered; })},
                      Shape{"TieredValueLog", CapWith([](Options* o) { o->compaction = CompactionStyle::kSizeTiered; }),
                            6000},
                      Shape{"SyncAlways", CapWith([](Options* o) { o->wal_sync = WalSync::kAlways; })},
                      Shape{"LargerMemtable", CapWith([](Options* o) {
                              o->memtable_size = 0;
                              o->table_size = 256 * 1024;
                            })}),
    [](const auto& shape) { return std::string(shape.param.name); });

// Single deletes, which must be merged with what they delete before they give anything back.
TEST_F(DbSpaceTest, SingleDeletesMakeRoomToo) {
  Open();
  Fill();
  Open();
  const Rows before = rows_;
  int deleted = 0;
  for (const auto& [key, value] : before) {
    if (dice_.OneIn(3)) continue;
    Status status = db_->Delete({}, key);
    for (int i = 0; i < 10 && !status.ok(); ++i) {
      machine_.Rest();
      status = db_->Delete({}, key);
    }
    ASSERT_TRUE(status.ok()) << status.ToString() << " after " << deleted;
    rows_.erase(key);
    ++deleted;
    machine_.executor.RunAll();
  }
  const Status reclaimed = db_->ReclaimSpace({}, {});
  EXPECT_TRUE(reclaimed.ok()) << reclaimed.ToString();
  const Status status = PutInTime("k", Noise(&dice_, 200'000));
  EXPECT_TRUE(status.ok()) << status.ToString();
  ASSERT_EQ(Compare(db_.get(), rows_), "");
  EXPECT_LE(most_, kCap);
}

class JobCounter final : public EventListener {
 public:
  void OnJobStarted(const RunningJob&) noexcept override { ++started; }
  int started = 0;
};

// An iterator holds files that compactions have replaced. What has no room then is not begun again and again; it goes on
// when the iterator is gone.
TEST_F(DbSpaceTest, WhatWasRefusedWaitsForRoom) {
  JobCounter jobs;
  Options options = CapOptions();
  options.listener = &jobs;
  Open(options);
  Fill();
  Iterator it = db_->NewIterator({});
  it.SeekToFirst();
  const Rows seen = rows_;
  DeleteRange("key", "key7");
  Status reclaimed = db_->ReclaimSpace({}, {});
  EXPECT_TRUE(reclaimed.ok() || reclaimed.Is(StatusCode::kNoSpace)) << reclaimed.ToString();
  for (int i = 0; i < 2000 && Put("key" + std::to_string(dice_.Below(100'000)), Noise(&dice_, 900)).ok(); ++i) {
    machine_.executor.RunAll();
  }
  machine_.Rest();
  machine_.Rest();
  const int started = jobs.started;
  for (int i = 0; i < 20; ++i) machine_.Rest();
  EXPECT_EQ(jobs.started, started);
  EXPECT_TRUE(db_->Put({}, "k", Noise(&dice_, 900)).Is(StatusCode::kNoSpace));
  size_t count = 0;
  for (; it.Valid(); it.Next()) ++count;
  EXPECT_EQ(count, seen.size());
  EXPECT_TRUE(it.status().ok());
  it = Iterator(Status::Ok());
  const Status status = PutInTime("k", Noise(&dice_, 100'000));
  EXPECT_TRUE(status.ok()) << status.ToString();
  ASSERT_EQ(Compare(db_.get(), rows_), "");
  EXPECT_LE(most_, kCap);
}

// A cap below what is taken already refuses values, not what helps.
TEST_F(DbSpaceTest, ACapBelowWhatIsTaken) {
  Options options = CapOptions();
  options.max_disk_bytes = 2 * kCap;
  Open(options);
  Fill();
  ASSERT_TRUE(db_->SetOptions({.max_disk_bytes = kCap}).ok());
  EXPECT_TRUE(db_->Put({}, "k", "x").Is(StatusCode::kNoSpace));
  EXPECT_EQ(db_->GetOptions().max_disk_bytes, kCap);
  DeleteRange("key2", "key9");
  const Status reclaimed = db_->ReclaimSpace({}, {});
  EXPECT_TRUE(reclaimed.ok()) << reclaimed.ToString();
  EXPECT_LT(Taken(), kCap);
  EXPECT_TRUE(PutInTime("k", "x").ok());
  most_ = 0;
  Fill();
  EXPECT_LE(most_, kCap);
  ASSERT_EQ(Compare(db_.get(), rows_), "");
}

// Who may not wait gets the error, not "busy" for ever.
TEST_F(DbSpaceTest, WriteAsyncIsRefusedToo) {
  Open();
  Fill();
  WriteBatch batch;
  batch.Put("k", Noise(&dice_, 200'000));
  auto written = db_->WriteAsync(batch, nullptr);
  EXPECT_TRUE(written.status().Is(StatusCode::kNoSpace)) << written.status().ToString();
}

TEST_F(DbSpaceTest, IngestAsksForRoom) {
  Open();
  Options options = CapOptions();
  auto writer = TableWriter::Create("/load", machine_.Setup(options));
  ASSERT_TRUE(writer.ok());
  for (int i = 0; i < 5000; ++i) {
    ASSERT_TRUE((*writer)->Put("load" + std::to_string(10'000 + i), Noise(&dice_, 900)).ok());
  }
  ASSERT_TRUE((*writer)->Finish().ok());
  const uint64_t outside = Taken() - db_->Stats().disk_bytes;
  EXPECT_TRUE(db_->Ingest(std::array<std::string, 1>{"/load"}, {}).Is(StatusCode::kNoSpace));
  ExpectExact(outside);
}

// Several files of one call: room for merging the first is not room for the next.
TEST_F(DbSpaceTest, IngestLeavesRoomForDeletes) {
  Options options = CapOptions();
  options.table_size = size_t{32} << 20;  // all of it is one compaction
  Open(options);
  std::vector<std::string> paths;
  for (int file = 0; file < 12; ++file) {
    paths.push_back("/load" + std::to_string(file));
    auto writer = TableWriter::Create(paths.back(), machine_.Setup(options));
    ASSERT_TRUE(writer.ok());
    for (int i = 0; i < 500; ++i) {
      ASSERT_TRUE((*writer)->Put("load" + std::to_string(10'000 + file * 500 + i), Noise(&dice_, 900)).ok());
    }
    ASSERT_TRUE((*writer)->Finish().ok());
  }
  uint64_t outside = Taken() - db_->Stats().disk_bytes;
  EXPECT_TRUE(db_->Ingest(paths, {}).Is(StatusCode::kNoSpace));
  ExpectExact(outside);
  size_t count = paths.size();
  while (!db_->Ingest(std::span(paths).first(count), {}).ok()) ASSERT_GT(--count, 0u);
  EXPECT_GE(count, 6u);
  ExpectExact(outside);
  const Status status = db_->DeleteRange({}, "load", "load99");
  EXPECT_TRUE(status.ok()) << status.ToString();
  ASSERT_TRUE(db_->ReclaimSpace({}, {}).ok());
  EXPECT_TRUE(db_->Ingest(std::span(paths).first(count), {}).ok());
}

// One write larger than any memtable leaves no segment of its size behind.
TEST_F(DbSpaceTest, AHugeWriteLeavesNoHugeSegment) {
  Options options = CapOptions();
  options.max_disk_bytes = 0;
  Open(options);
  ASSERT_TRUE(Put("huge", Noise(&dice_, size_t{16} << 20)).ok());
  ASSERT_TRUE(db_->Flush().ok());
  ASSERT_TRUE(Put("small", "1").ok());
  ASSERT_TRUE(db_->Flush().ok());
  const auto segments = FilesEnding(machine_.disk.get(), kDir, ".wal");
  EXPECT_GE(segments.size(), 2u) << "smaller ones are kept for reuse";
  for (const std::string& path : segments) {
    EXPECT_LT(*machine_.disk->FileSize(path), size_t{2} << 20) << path;
  }
  ExpectExact();
}

// Set while the largest compaction ahead has no room below it, though what is taken does: the cap holds nevertheless.
TEST_F(DbSpaceTest, ACapAboveWhatIsTakenHolds) {
  Options options = CapOptions();
  options.max_disk_bytes = 0;
  options.table_size = size_t{32} << 20;  // all of it is one compaction
  Open(options);
  for (int i = 0; i < 5500; ++i) {
    ASSERT_TRUE(Put("key" + std::to_string(dice_.Below(100'000)), Noise(&dice_, 900)).ok());
  }
  ASSERT_TRUE(db_->CompactRange({}, {}).ok());
  machine_.Rest();
  ASSERT_LT(Taken(), kCap);
  ASSERT_GT(Taken(), kCap / 2);
  ASSERT_TRUE(db_->SetOptions({.max_disk_bytes = kCap}).ok());
  most_ = 0;
  EXPECT_TRUE(db_->Put({}, "k", "x").Is(StatusCode::kNoSpace));
  for (auto it = rows_.begin(); it != rows_.end() && rows_.size() > 3000; it = rows_.erase(it)) {
    ASSERT_TRUE(db_->Delete({}, it->first).ok());
    machine_.executor.RunAll();
  }
  const Status reclaimed = db_->ReclaimSpace({}, {});
  EXPECT_TRUE(reclaimed.ok() || reclaimed.Is(StatusCode::kNoSpace)) << reclaimed.ToString();
  EXPECT_LE(most_, kCap);
  DeleteRange("key", "kez");  // needs no room
  ASSERT_TRUE(db_->ReclaimSpace({}, {}).ok());
  EXPECT_TRUE(PutInTime("k", Noise(&dice_, 200'000)).ok());
  ASSERT_EQ(Compare(db_.get(), rows_), "");
  EXPECT_LE(most_, kCap);
}

// When the largest compaction ahead grows by a change of options, deletes go through as before.
TEST_F(DbSpaceTest, LargerTablesRefuseNoDeletes) {
  Open();
  Fill();
  ASSERT_TRUE(db_->SetOptions({.table_size = size_t{32} << 20}).ok());
  EXPECT_TRUE(db_->Put({}, "k", "x").Is(StatusCode::kNoSpace));
  DeleteRange("key2", "key9");
  ASSERT_TRUE(db_->ReclaimSpace({}, {}).ok());
  EXPECT_TRUE(PutInTime("k", Noise(&dice_, 200'000)).ok());
  ASSERT_EQ(Compare(db_.get(), rows_), "");
  EXPECT_LE(most_, kCap);
}

// At every call of the file system: a segment of the log that changes its name, or is being removed, is still there.
TEST_F(DbSpaceTest, NoFileIsForgotten) {
  Open();
  bool asking = false;
  uint64_t forgotten = 0;
  machine_.fs.SetHook([&](const FileCall&) {
    if (std::exchange(asking, true)) return;
    const uint64_t counted = db_->Stats().disk_bytes, taken = Taken();
    if (taken > counted) forgotten = std::max(forgotten, taken - counted);
    asking = false;
  });
  for (int i = 0; i < 2000; ++i) {
    ASSERT_TRUE(Put("key" + std::to_string(dice_.Below(500)), Noise(&dice_, i % 500 == 0 ? 400'000 : 900)).ok());
    machine_.executor.RunAll();
  }
  machine_.fs.SetHook(nullptr);
  EXPECT_LT(forgotten, 8192u) << "the edit that the manifest is about to have";
}

// A drop that holds its tables until somebody waits for them.
class HeldDrop final : public EventListener {
 public:
  void OnJobStarted(const RunningJob& running) noexcept override {
    if (running.job.kind != JobKind::kDrop) return;
    begun.count_down();
    let_go.wait();
  }
  std::latch begun{1}, let_go{1};
};

// Threads that tell when a caller has to wait.
class TellingExecutor final : public Executor {
 public:
  void Schedule(Lane lane, std::function<void()> work) override { threads_->Schedule(lane, std::move(work)); }
  void ScheduleAfter(Lane lane, uint64_t delay_us, std::function<void()> work) override {
    threads_->ScheduleAfter(lane, delay_us, std::move(work));
  }
  bool RunPending() override {
    if (std::latch* waits = tell_.exchange(nullptr)) waits->count_down();
    return false;
  }
  void Tell(std::latch* waits) { tell_.store(waits); }

 private:
  std::atomic<std::latch*> tell_{nullptr};
  std::unique_ptr<Executor> threads_ = NewThreadExecutor(1);
};

// Tables that a drop holds are let go of: no reason to say that there is no room.
TEST(DbSpaceThreads, CompactRangeWaitsForADrop) {
  MemoryFileSystem disk;
  HeldDrop drop;
  TellingExecutor executor;
  Options options = CapOptions();
  options.file_system = &disk;
  options.listener = &drop;
  options.executor = &executor;
  auto db = Db::Open(kDir, options);
  ASSERT_TRUE(db.ok());
  ASSERT_TRUE((*db)->Put({}, "k", "v").ok());
  ASSERT_TRUE((*db)->CompactRange({}, {}).ok());
  ASSERT_TRUE((*db)->DeleteRange({}, "a", "z").ok());
  ASSERT_TRUE((*db)->Flush().ok());
  drop.begun.wait();
  executor.Tell(&drop.let_go);
  const Status status = (*db)->CompactRange({}, {});
  executor.RunPending();  // where it did not wait
  EXPECT_TRUE(status.ok()) << status.ToString();
}

}  // namespace
}  // namespace varve::lsm
