// What compaction does for the whole database: space given back, rot left alone, level 0 before deeper levels.
#include <algorithm>
#include <functional>
#include <utility>

#include "lsm/event_listener.h"
#include "tests/lsm/db_test_util.h"

namespace varve::lsm {
namespace {

class DbCompactionTest : public DbFixture {
 protected:
  void Open(const Options& options = {}) { DbFixture::Open(SmallTables(options)); }
  void Erase(int from, int to, int step = 1) {
    WriteBatch batch;
    for (int i = from; i < to; i += step) batch.Delete(Key(i));
    ASSERT_TRUE(db_->Write({}, batch).ok());
  }
  uint64_t Deletes() const {
    uint64_t deletes = 0;
    for (const TableFileFacts& file : db_->TableFiles()) deletes += file.deletes + file.range_deletes;
    return deletes;
  }
  size_t Jobs(JobKind kind) const {
    const std::vector<Job> jobs = db_->JobHistory();
    return static_cast<size_t>(
        std::count_if(jobs.begin(), jobs.end(), [&](const Job& job) { return job.kind == kind; }));
  }
};

// Overwriting leaves the tables of the last level where they were, so that columns of level 0 stay apart for good.
TEST_F(DbCompactionTest, BordersStay) {
  Options options;
  options.compression = Compression::kNone;
  Open(options);
  Fill(0, 10'000);
  ASSERT_TRUE(db_->CompactRange({}, {}).ok());
  const auto borders = [&] {
    std::vector<std::string> keys;
    for (const TableFileFacts& file : db_->TableFiles()) {
      if (file.level == 6) keys.push_back(file.largest);
    }
    return keys;
  };
  const std::vector<std::string> before = borders();
  ASSERT_GT(before.size(), 8u);
  for (int i = 0; i < 20; ++i) {
    Fill(0, 10'000, static_cast<char>('a' + i));
    ASSERT_TRUE(db_->Flush().ok());
    machine_.executor.RunAll();
  }
  EXPECT_GT(Jobs(JobKind::kCompaction), 20u);
  EXPECT_EQ(borders(), before);
}

// Ascending keys are written once: flushes move down as they are, with no more filter bits than the others.
TEST_F(DbCompactionTest, AscendingKeysMoveDown) {
  Options options;
  options.memtable_size = 64 * 1024;
  options.compression = Compression::kNone;
  Open(options);
  for (int i = 0; i < 200; ++i) {
    Fill(100 * i, 100 * i + 100);
    machine_.executor.RunAll();
  }
  ASSERT_TRUE(db_->Flush().ok());
  machine_.executor.RunAll();
  EXPECT_EQ(Jobs(JobKind::kCompaction), 0u);
  EXPECT_GT(Jobs(JobKind::kMove), 3u);
  for (const TableFileFacts& file : db_->TableFiles()) {
    // A small filter takes a fifth more than the 10 bits asked for. Of level 0 it would have 16. The first few have more,
    // for what waits to move counts as level 0, and little lay below it then.
    EXPECT_LT(file.filter_bits_per_key, file.smallest < Key(2400) ? 16 : 12.5) << file.smallest;
  }
}

// A range delete gives back what it covers at once, for the price of an edit.
TEST_F(DbCompactionTest, CoveredTablesAreDroppedUnread) {
  Open();
  Fill(0, 5000);
  ASSERT_TRUE(db_->CompactRange({}, {}).ok());
  const uint64_t before = Files();
  ASSERT_GT(before, 8u);
  const uint64_t read = db_->Stats().compaction_read_bytes;
  ASSERT_TRUE(db_->DeleteRange({}, Key(100), Key(4900)).ok());
  ASSERT_TRUE(db_->Flush().ok());
  machine_.executor.RunAll();
  EXPECT_LT(Files(), before / 2);
  EXPECT_EQ(db_->Stats().compaction_read_bytes, read);
  EXPECT_EQ(Jobs(JobKind::kDrop), 1u);
  Rows rows;
  for (int i = 0; i < 5000; ++i) {
    if (i < 100 || i >= 4900) rows[Key(i)] = std::string(100, 'v');
  }
  EXPECT_EQ(Compare(db_.get(), rows), "");
  EXPECT_EQ(Problems(db_.get()), "");
  Open();
  EXPECT_EQ(Compare(db_.get(), rows), "");
}

TEST_F(DbCompactionTest, ASnapshotHoldsCoveredTables) {
  Open();
  Fill(0, 5000);
  ASSERT_TRUE(db_->CompactRange({}, {}).ok());
  const uint64_t before = Files();
  auto snapshot = db_->GetSnapshot();
  ASSERT_TRUE(db_->DeleteRange({}, "", "z").ok());
  ASSERT_TRUE(db_->Flush().ok());
  machine_.executor.RunAll();
  EXPECT_GE(Files(), before);
  ReadOptions then;
  then.snapshot = snapshot.get();
  auto rows = ReadAll(db_.get(), then);
  ASSERT_TRUE(rows.ok());
  EXPECT_EQ(rows->size(), 5000u);
  snapshot.reset();
  machine_.executor.RunAll();
  EXPECT_LE(Files(), 1u);  // the tombstone itself
  EXPECT_EQ(Compare(db_.get(), {}), "");
}

// Once nothing is written for a while, tombstones go to the bottom and end there, with all they hide.
TEST_F(DbCompactionTest, AnIdleDatabaseIsReclaimed) {
  Open();
  Fill(0, 3000);
  ASSERT_TRUE(db_->CompactRange({}, {}).ok());
  const uint64_t bytes = db_->ApproximateSize("", "");
  Erase(1, 3000, 2);
  ASSERT_TRUE(db_->DeleteRange({}, Key(2000), Key(2010)).ok());
  ASSERT_TRUE(db_->Flush().ok());
  machine_.executor.RunAll();
  EXPECT_GT(Deletes(), 1000u);  // one table in level 0: no reason to hurry
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(db_->Put({}, "busy", "1").ok());
    machine_.Rest(900'000);
  }
  EXPECT_GT(Deletes(), 1000u);
  machine_.Rest();
  machine_.Rest();
  EXPECT_EQ(Deletes(), 0u);
  EXPECT_LT(db_->ApproximateSize("", ""), bytes * 6 / 10);
  EXPECT_EQ(Problems(db_.get()), "");
  EXPECT_EQ(machine_.executor.PendingCount(Lane::kCompact), 0u);  // and it is not looked at any more
}

TEST_F(DbCompactionTest, ReclaimingWaitsForASnapshot) {
  Open();
  Fill(0, 3000);
  ASSERT_TRUE(db_->CompactRange({}, {}).ok());
  auto snapshot = db_->GetSnapshot();
  Erase(0, 3000);
  ASSERT_TRUE(db_->Flush().ok());
  for (int i = 0; i < 5; ++i) machine_.Rest();
  EXPECT_EQ(Deletes(), 3000u);
  const uint64_t compactions = db_->Stats().compactions;
  for (int i = 0; i < 5; ++i) machine_.Rest();
  EXPECT_EQ(db_->Stats().compactions, compactions);  // and nothing is rewritten in vain
  ReadOptions then;
  then.snapshot = snapshot.get();
  EXPECT_EQ(ReadAll(db_.get(), then)->size(), 3000u);
  snapshot.reset();
  for (int i = 0; i < 3; ++i) machine_.Rest();
  EXPECT_EQ(Files(), 0u);
}

// A rotten table is read once, reported, and left alone; the rest of the database is compacted on.
TEST_F(DbCompactionTest, ARottenTableIsLeftAlone) {
  Open();
  Fill(0, 500);
  ASSERT_TRUE(db_->CompactRange({}, {}).ok());
  const std::vector<TableFileFacts> tables = db_->TableFiles();
  ASSERT_EQ(tables.size(), 1u);
  const std::string rotten = tables[0].path;
  {
    auto file = machine_.disk->OpenForWrite(rotten);
    ASSERT_TRUE(file.ok());
    ASSERT_TRUE((*file)->WriteAt(2000, "rot").ok());
  }
  Open();
  for (int i = 0; i < 4; ++i) {
    Fill(0, 500, static_cast<char>('a' + i));
    ASSERT_TRUE(db_->Flush().ok());
  }
  machine_.executor.RunAll();
  EXPECT_NE(db_->Stats().background_error.find(rotten), std::string::npos) << db_->Stats().background_error;
  const uint64_t compactions = db_->Stats().compactions;
  const uint64_t written = db_->Stats().compaction_write_bytes;
  for (int i = 0; i < 10; ++i) machine_.Rest();
  EXPECT_EQ(db_->Stats().compaction_write_bytes, written) << "it is tried again and again";
  // Other keys are none the worse for it.
  for (int i = 0; i < 4; ++i) {
    Fill(10'000, 10'500, static_cast<char>('a' + i));
    ASSERT_TRUE(db_->Flush().ok());
  }
  machine_.executor.RunAll();
  EXPECT_GT(db_->Stats().compactions, compactions);
  EXPECT_NE(db_->Stats().background_error, "");
  // Asked for, it is tried, and says what is wrong.
  const Status asked = db_->CompactRange({}, {});
  EXPECT_TRUE(asked.Is(StatusCode::kCorruption)) << asked.ToString();
  // Deleting what it holds is a cure.
  ASSERT_TRUE(db_->DeleteRange({}, "", "z").ok());
  ASSERT_TRUE(db_->Flush().ok());
  machine_.executor.RunAll();
  EXPECT_EQ(db_->Stats().background_error, "");
  EXPECT_EQ(Compare(db_.get(), {}), "");
}

// FIFO: what is beyond the figures goes, oldest first, with the files.
TEST_F(DbCompactionTest, FifoKeepsSoManyBytes) {
  Options options;
  options.compaction = CompactionStyle::kFifo;
  options.fifo_bytes_max = 200'000;
  Open(options);
  for (int i = 0; i < 20; ++i) {
    Fill(i * 500, i * 500 + 500);
    ASSERT_TRUE(db_->Flush().ok());
    machine_.executor.RunAll();
    EXPECT_LE(db_->ApproximateSize("", ""), options.fifo_bytes_max);
  }
  auto rows = ReadAll(db_.get());
  ASSERT_TRUE(rows.ok());
  EXPECT_GE(rows->size(), 1000u);
  EXPECT_LT(rows->size(), 2000u);
  EXPECT_EQ(rows->rbegin()->first, Key(9999));
  EXPECT_EQ(db_->Stats().compaction_write_bytes, 0u);
  EXPECT_EQ(Problems(db_.get()), "");
}

TEST_F(DbCompactionTest, FifoKeepsSoLong) {
  Options options;
  options.compaction = CompactionStyle::kFifo;
  options.fifo_age_max_s = 60;
  Open(options);
  Fill(0, 100);
  ASSERT_TRUE(db_->Flush().ok());
  machine_.Rest(50'000'000);
  Fill(50, 150, 'w');
  ASSERT_TRUE(db_->Flush().ok());
  EXPECT_EQ(ReadAll(db_.get())->size(), 150u);
  machine_.Rest(15'000'000);  // no write tells it that time passed
  EXPECT_EQ(ReadAll(db_.get())->size(), 100u);
  machine_.Rest(60'000'000);
  machine_.Rest(1'000'000);
  EXPECT_EQ(ReadAll(db_.get())->size(), 0u);
  EXPECT_EQ(Files(), 0u);
}

TEST_F(DbCompactionTest, FiguresOfFifoAreOfFifoAlone) {
  Options options;
  options.fifo_bytes_max = 1;
  auto db = Db::Open(kDir, machine_.Setup(options));
  EXPECT_TRUE(db.status().Is(StatusCode::kInvalidArgument)) << db.status().ToString();
}

// A database is reopened in every style, and each finds its shape again.
TEST_F(DbCompactionTest, StylesChange) {
  Rows rows;
  Dice dice(7);
  for (int round = 0; round < 12; ++round) {
    Options options;
    options.compaction = static_cast<CompactionStyle>(round % 3);
    Open(options);
    for (int i = 0; i < 12; ++i) {
      const Changes changes = RandomChanges(&dice, 200);
      WriteBatch batch;
      AddTo(changes, &batch);
      Apply(changes, &rows);
      ASSERT_TRUE(db_->Write({}, batch).ok());
      ASSERT_TRUE(db_->Flush().ok());
      machine_.executor.RunAll();
    }
    ASSERT_EQ(Compare(db_.get(), rows), "") << round;
    ASSERT_EQ(Problems(db_.get()), "") << round;
    if (options.compaction == CompactionStyle::kLeveled) {
      EXPECT_LT(db_->Stats().levels[0].files, 64u);
    }
  }
}

// Fills level 0 while a deeper compaction is at work, and notes whether level 0 was compacted before that was done.
class Interrupter final : public EventListener {
 public:
  void OnJobStarted(const RunningJob& job) noexcept override {
    if (job.job.from_level > 0 && job.job.kind == JobKind::kCompaction) deep_ = job.job.id;
    inside_ |= deep_ != 0 && job.job.from_level == 0 && filled_;
  }
  void OnJobFinished(const Job& job, const Status&) noexcept override {
    if (job.id == deep_) deep_ = 0;
  }
  void OnJobProgress(const RunningJob& job) noexcept override {
    if (job.job.id == deep_ && deep_ != 0 && !std::exchange(filled_, true)) fill();
  }
  std::function<void()> fill;
  void Arm() { filled_ = inside_; }  // once more, for the last deep job may have kept busy what level 0 is merged with
  bool inside() const { return inside_; }

 private:
  uint64_t deep_ = 0;
  bool filled_ = false, inside_ = false;
};

// One thread drives everything, so the compaction of level 0 can only have run inside the deeper one.
TEST_F(DbCompactionTest, LevelZeroGoesFirst) {
  Interrupter listener;
  Options options;
  options.listener = &listener;
  Open(options);
  listener.fill = [this] {
    for (int i = 0; i < 6; ++i) {
      Fill(30'000, 30'500, static_cast<char>('a' + i));
      EXPECT_TRUE(db_->Flush().ok());
    }
  };
  Dice dice(3);
  for (int i = 0; i < 2000 && !listener.inside(); ++i) {
    WriteBatch batch;
    for (int k = 0; k < 100; ++k) batch.Put(Key(static_cast<int>(dice.Below(40'000))), std::string(100, 'v'));
    ASSERT_TRUE(db_->Write({}, batch).ok());
    listener.Arm();
    machine_.executor.RunAll();
  }
  EXPECT_TRUE(listener.inside());
  machine_.executor.RunAll();
  EXPECT_EQ(Problems(db_.get()), "");
  db_.reset();
}

}  // namespace
}  // namespace varve::lsm
