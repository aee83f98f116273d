// Background work that meets trouble: tables that cannot be read, files that nobody needs, listeners that ask back.
#include <algorithm>
#include <functional>
#include <utility>

#include "lsm/event_listener.h"
#include "lsm/table_writer.h"
#include "tests/lsm/db_test_util.h"

namespace varve::lsm {
namespace {

class Ear final : public EventListener {
 public:
  void OnJobStarted(const RunningJob& job) noexcept override {
    if (on_started) on_started(job);
  }
  void OnJobProgress(const RunningJob& job) noexcept override {
    if (on_progress) on_progress(job);
  }
  void OnJobFinished(const Job& job, const Status&) noexcept override {
    if (on_finished) on_finished(job);
  }
  void OnTableCreated(uint64_t number, std::string_view) noexcept override { tables.push_back(number); }
  void OnTableDeleted(uint64_t number, std::string_view) noexcept override { std::erase(tables, number); }
  std::vector<uint64_t> tables;
  std::function<void(const RunningJob&)> on_started, on_progress;
  std::function<void(const Job&)> on_finished;
};

class DbUpkeepTest : public DbFixture {
 protected:
  ~DbUpkeepTest() override { db_.reset(); }  // before what listens to it
  void Open(Options options = {}) {
    options.listener = &ear_;
    DbFixture::Open(SmallTables(options));
  }
  // Four flushes over the whole of [from, to): level 0 is due.
  void Pile(int from, int to) {
    for (int i = 0; i < 4; ++i) {
      Fill(from, to, static_cast<char>('a' + i));
      ASSERT_TRUE(db_->Flush().ok());
    }
  }
  std::string PathOfLast(int level) const {
    for (const TableFileFacts& file : db_->TableFiles()) {
      if (file.level == level) return file.path;
    }
    return "none";
  }
  std::vector<std::string> OnDisk(std::string_view ending) { return FilesEnding(machine_.disk.get(), kDir, ending); }
  // From now on no byte of the file can be read.
  void BadSector(const std::string& path) {
    FaultRule rule;
    rule.ops = {FileOp::kReadAt};
    rule.path_contains = path;
    machine_.fs.AddRule(rule);
  }

  Ear ear_;
};

// A compaction that was asked for needs a table outside its range that an earlier one found rotten: it says so. (It used
// to wait for that table for ever, and no other compaction began meanwhile.)
TEST_F(DbUpkeepTest, CompactRangeMeetsARottenTableOutsideItsRange) {
  Open();
  Fill(0, 2000);
  ASSERT_TRUE(db_->CompactRange({}, {}).ok());
  ASSERT_GE(db_->TableFiles().size(), 3u);
  const std::string rotten = PathOfLast(6);
  FlipByte(machine_.disk.get(), rotten, 2000);
  Open();
  for (int i = 0; i < 4; ++i) {  // small, so that they are not cut where the tables below end
    ASSERT_TRUE(db_->Put({}, Key(10), "w").ok());
    ASSERT_TRUE(db_->Put({}, Key(1900), "w").ok());
    ASSERT_TRUE(db_->Flush().ok());
  }
  machine_.executor.RunAll();
  ASSERT_NE(db_->Stats().background_error.find(rotten), std::string::npos) << db_->Stats().background_error;
  const Status asked = db_->CompactRange(Key(1500), Key(1510));
  EXPECT_TRUE(asked.Is(StatusCode::kCorruption)) << asked.ToString();
  EXPECT_NE(asked.message().find(rotten), std::string_view::npos) << asked.ToString();
  // And the others are compacted on.
  const uint64_t compactions = db_->Stats().compactions;
  Pile(5000, 5500);
  machine_.executor.RunAll();
  EXPECT_GT(db_->Stats().compactions, compactions);
}

// A table that the disk does not give back is no less of an obstacle than a rotten one.
TEST_F(DbUpkeepTest, ATableThatCannotBeReadIsLeftAlone) {
  Open();
  Fill(0, 500);
  ASSERT_TRUE(db_->CompactRange({}, {}).ok());
  const std::string bad = PathOfLast(6);
  Fill(10'000, 10'500);
  ASSERT_TRUE(db_->CompactRange(Key(10'000), {}).ok());
  Open();
  BadSector(bad);
  Pile(0, 500);
  machine_.executor.RunAll();
  EXPECT_NE(db_->Stats().background_error.find(bad), std::string::npos) << db_->Stats().background_error;
  Pile(0, 500);  // the deepest column
  machine_.Rest();
  const uint64_t compactions = db_->Stats().compactions;
  Pile(10'000, 10'500);
  for (int i = 0; i < 20; ++i) machine_.Rest();
  EXPECT_GT(db_->Stats().compactions, compactions) << "nothing else is compacted";
  EXPECT_NE(db_->Stats().background_error.find(bad), std::string::npos) << db_->Stats().background_error;
  EXPECT_TRUE(db_->CompactRange({}, {}).Is(StatusCode::kIoError));
  machine_.fs.ClearRules();
  EXPECT_TRUE(db_->CompactRange({}, {}).ok());
  EXPECT_EQ(db_->Stats().background_error, "");
  EXPECT_EQ(ReadAll(db_.get())->size(), 1000u);
}

// An error that passes leaves no table behind as unreadable.
TEST_F(DbUpkeepTest, APassingReadErrorIsForgotten) {
  Open();
  Fill(0, 500);
  ASSERT_TRUE(db_->CompactRange({}, {}).ok());
  const std::string bad = PathOfLast(6);
  Open();
  BadSector(bad);
  Pile(0, 500);
  machine_.executor.RunAll();
  machine_.Rest();
  EXPECT_NE(db_->Stats().background_error, "");
  machine_.fs.ClearRules();
  machine_.Rest();
  EXPECT_EQ(db_->Stats().background_error, "");
  EXPECT_EQ(db_->TableFiles().front().level, 6);
}

// A value that cannot be read holds up nothing either.
TEST_F(DbUpkeepTest, AValueThatCannotBeReadHoldsUpNothing) {
  Options options;
  options.value_log_threshold = 1000;
  Open(options);
  for (int i = 0; i < 300; ++i) Fill(i, i + 1, 'v', 4000);
  ASSERT_TRUE(db_->CompactRange({}, {}).ok());
  Open(options);
  const std::vector<std::string> logs = OnDisk(".vlog");
  for (size_t i = 0; i < 5; ++i) BadSector(logs[i]);
  for (int round = 0; round < 4; ++round) {
    for (int i = 1; i < 300; ++i) {
      if (i % 5 != 0) Fill(i, i + 1, static_cast<char>('a' + round), 4000);
    }
    ASSERT_TRUE(db_->Flush().ok());
    for (int i = 0; i < 10; ++i) machine_.Rest();
  }
  EXPECT_GT(machine_.fs.FaultCount(), 0u);
  for (int i = 0; i < 100; ++i) machine_.Rest();
  EXPECT_EQ(db_->Stats().background_error, "");
}

// What is given up without a merge leaves the disk at once, not with the next write.
TEST_F(DbUpkeepTest, ExpiredTablesLeaveTheDisk) {
  Options options;
  options.compaction = CompactionStyle::kFifo;
  options.fifo_age_max_s = 60;
  Open(options);
  Fill(0, 100);
  ASSERT_TRUE(db_->Flush().ok());
  machine_.executor.RunAll();
  ASSERT_EQ(OnDisk(".sst").size(), 1u);
  machine_.Rest(65'000'000);
  machine_.Rest(2'000'000);
  EXPECT_EQ(OnDisk(".sst").size(), 0u);
}

TEST_F(DbUpkeepTest, CoveredTablesLeaveTheDisk) {
  Open();
  Fill(0, 5000);
  ASSERT_TRUE(db_->CompactRange({}, {}).ok());
  auto snapshot = db_->GetSnapshot();
  ASSERT_TRUE(db_->DeleteRange({}, "", "z").ok());
  ASSERT_TRUE(db_->Flush().ok());
  machine_.executor.RunAll();
  ASSERT_GT(OnDisk(".sst").size(), 8u);
  snapshot.reset();
  machine_.executor.RunAll();
  EXPECT_LE(OnDisk(".sst").size(), 1u);  // the tombstone itself
}

// Snapshots that are in the way of nothing may come and go.
TEST_F(DbUpkeepTest, OnlySnapshotsThatHoldTablesWakeAnybody) {
  Open();
  Fill(0, 500);
  ASSERT_TRUE(db_->CompactRange({}, {}).ok());
  auto holder = db_->GetSnapshot();
  ASSERT_TRUE(db_->DeleteRange({}, "", "z").ok());
  ASSERT_TRUE(db_->Flush().ok());
  machine_.executor.RunAll();
  for (int i = 0; i < 3; ++i) {
    auto newer = db_->GetSnapshot();
    auto same = db_->GetSnapshot();
    newer.reset();
    EXPECT_EQ(machine_.executor.DueCount(), 0u);
  }
  holder.reset();
  EXPECT_EQ(machine_.executor.DueCount(), 1u);
}

// A sync of the log takes what the disk takes; other delayed work does not wait for it.
TEST_F(DbUpkeepTest, DelayedWorkDoesNotWaitForASync) {
  Open();
  Fill(0, 100);
  ASSERT_TRUE(db_->Flush().ok());
  machine_.executor.RunAll();
  ASSERT_TRUE(db_->Delete({}, Key(1)).ok());  // something to sync; tombstones make the database watch for idleness
  ASSERT_TRUE(db_->DeleteRange({}, Key(5), Key(6)).ok());
  ASSERT_TRUE(db_->Flush().ok());
  ASSERT_TRUE(db_->Put({}, "a", "b").ok());
  machine_.executor.RunAll();
  ASSERT_GE(machine_.executor.PendingCount(Lane::kCompact), 1u);
  bool inside = false;
  machine_.fs.SetHook([&](const FileCall& call) {
    if (call.op != FileOp::kSync || call.path_class != PathClass::kWal || std::exchange(inside, true)) return;
    while (machine_.executor.RunOne(Lane::kCompact)) {
    }
  });
  machine_.clock.AdvanceMicros(1'100'000);
  while (machine_.executor.RunOne(Lane::kLogSync)) {
  }
  EXPECT_TRUE(inside);
  machine_.fs.SetHook(nullptr);
}

// Every table that came is told of, however it came.
TEST_F(DbUpkeepTest, IngestedTablesAreToldOf) {
  Open();
  auto writer = TableWriter::Create("/incoming.sst", machine_.Setup());
  ASSERT_TRUE(writer.ok()) << writer.status().ToString();
  ASSERT_TRUE((*writer)->Put("a", "1").ok());
  ASSERT_TRUE((*writer)->Finish().ok());
  const std::string path = "/incoming.sst";
  ASSERT_TRUE(db_->Ingest({&path, 1}, {}).ok());
  std::vector<uint64_t> live;
  for (const TableFileFacts& table : db_->TableFiles()) live.push_back(table.number);
  EXPECT_EQ(live.size(), 1u);
  EXPECT_EQ(ear_.tables, live);
}

// One thread: small runs are merged inside the merge of large ones, or they would pile up behind it.
TEST_F(DbUpkeepTest, SmallTiersGoFirst) {
  Options options;
  options.compaction = CompactionStyle::kSizeTiered;
  Open(options);
  uint64_t large = 0;
  bool filled = false, inside = false;
  ear_.on_started = [&](const RunningJob& job) {
    if (job.job.kind != JobKind::kCompaction) return;
    if (large == 0 && job.bytes_total > 2'000'000) large = job.job.id;
    inside |= filled && large != 0 && job.job.id != large && job.bytes_total < 500'000;
  };
  ear_.on_finished = [&](const Job& job) {
    if (job.id == large) large = 0;
  };
  ear_.on_progress = [&](const RunningJob& job) {
    if (job.job.id != large || large == 0 || std::exchange(filled, true)) return;
    for (int i = 0; i < 2; ++i) Pile(0, 100);
  };
  Dice dice(3);
  for (int i = 0; i < 2000 && !filled; ++i) {
    WriteBatch batch;
    for (int k = 0; k < 100; ++k) batch.Put(Key(static_cast<int>(dice.Below(1'000'000))), std::string(100, 'v'));
    ASSERT_TRUE(db_->Write({}, batch).ok());
    machine_.executor.RunAll();
  }
  EXPECT_TRUE(filled);
  EXPECT_TRUE(inside);
  ear_.on_started = ear_.on_progress = nullptr;
  ear_.on_finished = nullptr;
  machine_.executor.RunAll();
  EXPECT_EQ(Problems(db_.get()), "");
}

}  // namespace
}  // namespace varve::lsm
