// What an operator sees and controls of the background work.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <thread>

#include "lsm/event_listener.h"
#include "tests/lsm/db_test_util.h"

namespace varve::lsm {
namespace {

// Writes down what it hears.
class Recorder final : public EventListener {
 public:
  void OnJobStarted(const RunningJob& running) noexcept override {
    Note("start " + Name(running.job));
    ++under_way;
    if (on_started) on_started(running);
  }
  void OnJobProgress(const RunningJob& running) noexcept override {
    ++progress;
    EXPECT_LE(running.bytes_done, running.bytes_total);
    if (on_progress) on_progress(running);
  }
  void OnJobFinished(const Job& job, const Status& status) noexcept override {
    Note((status.ok() ? "finish " : "fail ") + Name(job));
    --under_way;
  }
  void OnTableCreated(uint64_t number, std::string_view path) noexcept override {
    EXPECT_NE(path.find(std::to_string(number) + ".sst"), std::string_view::npos);
    tables.push_back(number);
  }
  void OnTableDeleted(uint64_t number, std::string_view) noexcept override { std::erase(tables, number); }
  void OnStallBegin(std::string_view why) noexcept override { Note("stall: " + std::string(why)); }
  void OnStallEnd(uint64_t) noexcept override { Note("stall over"); }
  void OnBackgroundError(const Status& status) noexcept override {
    Note("error " + std::string(StatusCodeName(status.code())));
  }
  bool Heard(const std::string& what) const { return std::find(events.begin(), events.end(), what) != events.end(); }

  std::vector<std::string> events;
  std::vector<uint64_t> tables;
  int progress = 0;
  int under_way = 0;
  std::function<void(const RunningJob&)> on_started, on_progress;

 private:
  static std::string Name(const Job& job) {
    return std::string(JobKindName(job.kind)) + " " + std::to_string(job.from_level) + " " +
           std::to_string(job.to_level);
  }
  void Note(std::string event) { events.push_back(std::move(event)); }
};

class DbJobsTest : public DbFixture {
 protected:
  ~DbJobsTest() override { db_.reset(); }  // before what listens to it
  void Open(Options options = {}) {
    options.listener = &recorder_;
    DbFixture::Open(options);
  }
  void Fill(int from, int to, size_t value_size = 100) {
    for (int i = from; i < to; ++i) Put("key" + std::to_string(10000 + i), std::string(value_size, 'v'));
  }

  Recorder recorder_;
};

// The facts of each job are there when it is done, and when the database is opened again.
TEST_F(DbJobsTest, HistorySurvivesReopening) {
  Open();
  machine_.clock.AdvanceMillis(5);
  Fill(0, 100);
  ASSERT_TRUE(db_->Flush().ok());
  Fill(50, 150);
  ASSERT_TRUE(db_->Delete({}, "key10000").ok());
  ASSERT_TRUE(db_->Flush().ok());
  ASSERT_TRUE(db_->CompactRange({}, {}).ok());
  const std::vector<Job> jobs = db_->JobHistory();
  ASSERT_EQ(jobs.size(), 3u);
  EXPECT_EQ(jobs[0].kind, JobKind::kFlush);
  EXPECT_EQ(jobs[0].from_level, -1);
  EXPECT_EQ(jobs[0].to_level, 0);
  EXPECT_EQ(jobs[0].inputs.size(), 0u);
  EXPECT_EQ(jobs[0].outputs.size(), 1u);
  EXPECT_EQ(jobs[0].started_ms, ManualClock::kWallStartMillis + 5);
  EXPECT_EQ(jobs[0].completed_ms, ManualClock::kWallStartMillis + 5);
  EXPECT_EQ(jobs[0].entries_read, 100u);
  EXPECT_EQ(jobs[0].entries_dropped, 0u);
  EXPECT_EQ(jobs[0].bytes_read, 0u);
  EXPECT_EQ(jobs[0].reason, "memtable of 100 entries");
  const Job& merge = jobs[2];
  EXPECT_EQ(merge.kind, JobKind::kCompaction);
  EXPECT_EQ(merge.from_level, 0);
  EXPECT_EQ(merge.to_level, 6);
  EXPECT_EQ(merge.inputs, (std::vector<uint64_t>{jobs[1].outputs[0], jobs[0].outputs[0]}));
  EXPECT_EQ(merge.entries_read, 201u);
  EXPECT_EQ(merge.entries_dropped, 52u);  // 50 overwritten, a delete and what it deletes
  EXPECT_EQ(merge.bytes_read, jobs[0].bytes_written + jobs[1].bytes_written);
  EXPECT_EQ(merge.reason, "asked for");
  EXPECT_LT(jobs[0].id, jobs[1].id);
  EXPECT_LT(jobs[1].id, merge.id);

  const std::vector<TableFileFacts> tables = db_->TableFiles();
  ASSERT_EQ(tables.size(), 1u);
  EXPECT_EQ(tables[0].number, merge.outputs.at(0));
  EXPECT_EQ(tables[0].level, 6);
  EXPECT_EQ(tables[0].smallest, "key10001");
  EXPECT_EQ(tables[0].largest, "key10149");
  EXPECT_EQ(tables[0].entries, 149u);
  EXPECT_EQ(tables[0].size, merge.bytes_written);
  EXPECT_EQ(tables[0].size, *machine_.disk->FileSize(tables[0].path));
  EXPECT_EQ(tables[0].created_ms, merge.completed_ms);
  EXPECT_GT(tables[0].filter_bits_per_key, 9.0);  // about 10, in whole lines
  EXPECT_LT(tables[0].filter_bits_per_key, 14.0);
  EXPECT_LT(tables[0].false_positive_rate, 0.02);

  Options read_only;
  read_only.mode = OpenMode::kReadOnly;
  auto reader = Db::Open(kDir, machine_.Setup(read_only));
  ASSERT_TRUE(reader.ok());
  EXPECT_EQ((*reader)->JobHistory().size(), 3u);
  EXPECT_EQ((*reader)->TableFiles().size(), 1u);
  reader->reset();

  Open();
  const std::vector<Job> again = db_->JobHistory();
  ASSERT_EQ(again.size(), 3u);
  EXPECT_EQ(again[2].id, merge.id);
  EXPECT_EQ(again[2].inputs, merge.inputs);
  EXPECT_EQ(again[2].outputs, merge.outputs);
  EXPECT_EQ(again[2].entries_dropped, merge.entries_dropped);
  EXPECT_EQ(again[2].reason, merge.reason);
  Put("k", "v");
  ASSERT_TRUE(db_->Flush().ok());
  EXPECT_GT(db_->JobHistory().back().id, merge.id);
}

TEST_F(DbJobsTest, HistoryIsBounded) {
  Open();
  for (int i = 0; i < 300; ++i) {
    Fill(i, i + 1);
    ASSERT_TRUE(db_->Flush().ok());
    Fill(i, i + 1);
    ASSERT_TRUE(db_->Flush().ok());
  }
  const std::vector<Job> jobs = db_->JobHistory();
  ASSERT_EQ(jobs.size(), kJobHistoryMax);
  EXPECT_GT(jobs.back().id, 600u);  // the flushes, and compactions
  Open();
  ASSERT_EQ(db_->JobHistory().size(), kJobHistoryMax);
  EXPECT_EQ(db_->JobHistory().front().id, jobs.front().id);
}

// The listener hears each step, and what it says agrees with the directory.
TEST_F(DbJobsTest, ListenerHearsJobsAndTables) {
  Options options;
  options.memtable_size = 64 * 1024;
  options.wal_sync = WalSync::kNever;
  Open(options);
  bool seen_in_stats = false;
  recorder_.on_progress = [&](const RunningJob& told) {  // facts may be asked for from inside
    for (const RunningJob& running : db_->Stats().jobs) {
      if (running.job.id != told.job.id) continue;
      seen_in_stats = true;
      EXPECT_EQ(running.job.bytes_written, told.job.bytes_written);
      EXPECT_EQ(running.job.reason, told.job.reason);
    }
  };
  for (int i = 0; i < 4; ++i) Fill(0, 5000, 300);  // one over the other, so that they must be merged
  ASSERT_TRUE(db_->WaitForBackgroundWork().ok());
  machine_.executor.RunAll();
  EXPECT_TRUE(recorder_.Heard("start flush -1 0"));
  EXPECT_TRUE(recorder_.Heard("finish flush -1 0"));
  EXPECT_TRUE(recorder_.Heard("finish compaction 0 6"));
  EXPECT_GT(recorder_.progress, 10);
  EXPECT_TRUE(seen_in_stats);
  EXPECT_EQ(recorder_.under_way, 0);
  EXPECT_EQ(db_->Stats().jobs.size(), 0u);
  std::vector<uint64_t> live;
  for (const TableFileFacts& table : db_->TableFiles()) live.push_back(table.number);
  std::sort(live.begin(), live.end());
  std::sort(recorder_.tables.begin(), recorder_.tables.end());
  EXPECT_EQ(recorder_.tables, live);
}

TEST_F(DbJobsTest, ListenerHearsOfStallsAndErrors) {
  Options options;
  options.memtable_size = 4096;
  options.wal_sync = WalSync::kNever;
  Open(options);
  for (int i = 0; i < 30; ++i) Fill(i, i + 1, 2000);  // flushes run only when a writer has to wait
  EXPECT_TRUE(recorder_.Heard("stall: 2 memtables wait for their flush"));
  EXPECT_TRUE(recorder_.Heard("stall over"));
  FaultRule rule;
  rule.path_classes = {PathClass::kTable};
  rule.code = StatusCode::kNoSpace;
  machine_.fs.AddRule(rule);
  EXPECT_FALSE(db_->Flush().ok());
  EXPECT_TRUE(recorder_.Heard("fail flush -1 0"));
  EXPECT_TRUE(recorder_.Heard("error no space"));
  const size_t before = db_->JobHistory().size();
  machine_.fs.ClearRules();
  machine_.Rest();
  ASSERT_TRUE(db_->Flush().ok());
  EXPECT_GT(db_->JobHistory().size(), before);  // failed attempts are not in it, this one is
}

TEST_F(DbJobsTest, SetOptionsIsAllOrNothing) {
  Open();
  const Options before = db_->GetOptions();
  Status s = db_->SetOptions({.memory_budget = size_t{64} << 20, .filter_bits_per_key = 99});
  EXPECT_TRUE(s.Is(StatusCode::kInvalidArgument)) << s.ToString();
  EXPECT_EQ(db_->GetOptions().memory_budget, before.memory_budget);
  for (const OptionChanges& bad :
       {OptionChanges{.memory_budget = 1}, OptionChanges{.block_size = 1}, OptionChanges{.table_size = 1},
        OptionChanges{.compaction_bytes_per_second = 1}, OptionChanges{.max_disk_bytes = 1}}) {
    EXPECT_TRUE(db_->SetOptions(bad).Is(StatusCode::kInvalidArgument));
  }
  ASSERT_TRUE(
      db_->SetOptions({.wal_sync = WalSync::kNever, .compression = Compression::kNone, .filter_bits_per_key = 20})
          .ok());
  EXPECT_EQ(db_->GetOptions().wal_sync, WalSync::kNever);
  EXPECT_EQ(db_->GetOptions().block_size, before.block_size);
  Fill(0, 1000);
  ASSERT_TRUE(db_->Flush().ok());
  EXPECT_GT(db_->TableFiles().at(0).filter_bits_per_key, 18);
  const uint64_t plain = db_->TableFiles().at(0).size;
  ASSERT_TRUE(db_->SetOptions({.compression = before.compression}).ok());
  Fill(0, 1000);
  ASSERT_TRUE(db_->CompactRange({}, {}).ok());
  EXPECT_LT(db_->TableFiles().at(0).size, plain / 2);  // all values are alike
  ASSERT_TRUE(db_->SetOptions({.compression = Compression::kNone}).ok());
  Fill(0, 1000);
  ASSERT_TRUE(db_->CompactRange({}, {}).ok());
  EXPECT_GT(db_->TableFiles().at(0).size, plain / 2);
  ASSERT_TRUE(db_->Close().ok());
  EXPECT_TRUE(db_->SetOptions({}).Is(StatusCode::kClosed));
}

// memory_budget moves the size of memtables and of the cache, both ways, while the database runs.
TEST_F(DbJobsTest, SetOptionsMovesMemory) {
  Options options;
  options.memory_budget = size_t{4} << 20;
  options.wal_sync = WalSync::kNever;
  options.compression = Compression::kNone;
  Open(options);
  const auto most_memory = [&] {
    uint64_t most = 0;
    for (int round = 0; round < 2; ++round) {
      for (int i = 0; i < 12'000; ++i) {
        Put("key" + std::to_string(i), std::string(1000, 'v'));
        PinnedValue value;
        EXPECT_TRUE(db_->Get({}, "key" + std::to_string(i * 7 % 12'000), &value).ok());
        if (i % 100 != 0) continue;
        const DbStats stats = db_->Stats();
        most = std::max(most, stats.cache_bytes + stats.table_memory_bytes + stats.memtable_bytes);
      }
    }
    return most;
  };
  EXPECT_LE(most_memory(), (size_t{4} << 20) * 105 / 100);
  ASSERT_TRUE(db_->SetOptions({.memory_budget = size_t{16} << 20}).ok());
  const uint64_t large = most_memory();
  EXPECT_LE(large, (size_t{16} << 20) * 105 / 100);
  EXPECT_GT(large, size_t{8} << 20);
  ASSERT_TRUE(db_->SetOptions({.memory_budget = size_t{4} << 20}).ok());
  Put("one", "more");  // seals the memtable that is too large now
  ASSERT_TRUE(db_->WaitForBackgroundWork().ok());
  EXPECT_LE(most_memory(), (size_t{4} << 20) * 105 / 100);
}

// What ReclaimSpace had no space in the manifest for is dropped later, as if nobody had asked.
TEST_F(DbJobsTest, ADropThatFailsIsTriedAgain) {
  Open();
  Fill(0, 1000);
  ASSERT_TRUE(db_->CompactRange({}, {}).ok());
  ASSERT_TRUE(db_->DeleteRange({}, "key", "kez").ok());
  recorder_.on_started = [&](const RunningJob& running) {
    if (running.job.kind != JobKind::kDrop) return;
    FaultRule full = NoSpaceForManifest(FileOp::kWriteAt);
    full.times_max = 1;
    machine_.fs.AddRule(full);
    recorder_.on_started = nullptr;
  };
  const uint64_t read = db_->Stats().compaction_read_bytes;
  const Status reclaimed = db_->ReclaimSpace({}, {});
  EXPECT_TRUE(reclaimed.Is(StatusCode::kNoSpace)) << reclaimed.ToString();
  machine_.Rest();
  EXPECT_TRUE(recorder_.Heard("finish drop 6 6"));
  EXPECT_LT(db_->Stats().compaction_read_bytes, read + 1000) << "the table of the delete alone";
}

// With the real clock and threads.
class RateTest : public ::testing::Test {
 protected:
  using Time = std::chrono::steady_clock::time_point;
  // At the smallest rate; whoever is not held by it needs a fraction of a second.
  static constexpr size_t kHeldBytes = 4'000'000;
  static constexpr double kHeldSeconds = 0.9 * kHeldBytes / (64 << 10);
  static Time Now() { return std::chrono::steady_clock::now(); }
  static double Seconds(Time since) { return std::chrono::duration<double>(Now() - since).count(); }

  void Open(uint64_t bytes_per_second, size_t bytes) {
    Options options;
    options.file_system = &disk_;
    options.wal_sync = WalSync::kNever;
    options.compaction_bytes_per_second = bytes_per_second;
    auto db = Db::Open(kDir, options);
    ASSERT_TRUE(db.ok());
    db_ = std::move(db).value();
    Dice dice(1);
    for (size_t i = 0; i < bytes / 1000; ++i) {
      ASSERT_TRUE(db_->Put({}, "key" + std::to_string(dice.Below(1'000'000)), Noise(&dice, 1000)).ok());
    }
    ASSERT_TRUE(db_->Flush().ok());
  }
  // Compacts in a thread; returns when the first bytes were written.
  void StartCompaction() {
    compaction_ = std::thread([this] { compacted_ = db_->CompactRange({}, {}); });
    while (db_->Stats().compaction_write_bytes == 0) std::this_thread::yield();
  }

  MemoryFileSystem disk_;
  std::unique_ptr<Db> db_;
  std::thread compaction_;
  Status compacted_;
};

TEST_F(RateTest, CompactionsKeepTheRate) {
  Open(2 << 20, 2'000'000);
  ASSERT_TRUE(db_->CompactRange({}, {}).ok());
  const Job job = db_->JobHistory().back();
  EXPECT_GT(job.bytes_written, 1'900'000u);
  EXPECT_GE(job.completed_ms - job.started_ms, 700);  // 0.95 s less the credit, and the clock's steps
}

TEST_F(RateTest, FlushesAreNotHeldAndCloseEndsTheWait) {
  const Time start = Now();
  Open(64 << 10, kHeldBytes);
  EXPECT_LT(Seconds(start), kHeldSeconds);
  StartCompaction();
  const Time closing = Now();
  ASSERT_TRUE(db_->Close().ok());
  EXPECT_LT(Seconds(closing), kHeldSeconds);
  compaction_.join();
  EXPECT_TRUE(compacted_.Is(StatusCode::kClosed)) << compacted_.ToString();
}

TEST_F(RateTest, AChangeEndsTheWait) {
  Open(64 << 10, kHeldBytes);
  StartCompaction();
  const Time start = Now();
  ASSERT_TRUE(db_->SetOptions({.compaction_bytes_per_second = 0}).ok());
  compaction_.join();
  EXPECT_TRUE(compacted_.ok());
  EXPECT_LT(Seconds(start), kHeldSeconds);
}

// More threads while it runs, and fewer again.
TEST_F(RateTest, BackgroundThreadsChange) {
  Open(0, 1'000'000);
  for (const int threads : {4, 1, 3}) {
    ASSERT_TRUE(db_->SetOptions({.background_threads = threads}).ok());
    EXPECT_EQ(db_->GetOptions().background_threads, threads);
    ASSERT_TRUE(db_->Put({}, "k", "v").ok());
    ASSERT_TRUE(db_->CompactRange({}, {}).ok());
    ASSERT_TRUE(db_->WaitForBackgroundWork().ok());
  }
}

}  // namespace
}  // namespace varve::lsm
