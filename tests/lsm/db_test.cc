// The calls of lsm/db.h, one by one.
#include <algorithm>
#include <array>

#include "lsm/version/file_names.h"
#include "tests/lsm/db_test_util.h"

namespace varve::lsm {
namespace {

using DbTest = DbFixture;

TEST_F(DbTest, PutGetDelete) {
  Open();
  EXPECT_EQ(Get("k"), "(none)");
  Put("k", "v");
  EXPECT_EQ(Get("k"), "v");
  Put("k", "");
  EXPECT_EQ(Get("k"), "");
  ASSERT_TRUE(db_->Delete({}, "k").ok());
  EXPECT_EQ(Get("k"), "(none)");
  Put("", "the empty key");
  EXPECT_EQ(Get(""), "the empty key");
  ASSERT_TRUE(db_->Flush().ok());
  EXPECT_EQ(Get(""), "the empty key");
  EXPECT_EQ(Get("k"), "(none)");
}

TEST_F(DbTest, DeleteRange) {
  Open();
  for (const char* key : {"a", "b", "c", "d"}) Put(key, key);
  ASSERT_TRUE(db_->DeleteRange({}, "b", "d").ok());
  EXPECT_EQ(Compare(db_.get(), {{"a", "a"}, {"d", "d"}}), "");
  ASSERT_TRUE(db_->DeleteRange({}, "z", "a").ok());  // covers nothing
  Put("c", "again");
  const Rows want = {{"a", "a"}, {"c", "again"}, {"d", "d"}};
  EXPECT_EQ(Compare(db_.get(), want), "");
  ASSERT_TRUE(db_->Flush().ok());
  EXPECT_EQ(Compare(db_.get(), want), "");
  ASSERT_TRUE(db_->CompactRange({}, {}).ok());
  EXPECT_EQ(Compare(db_.get(), want), "");
  Open();
  EXPECT_EQ(Compare(db_.get(), want), "");
}

TEST_F(DbTest, MultiGetReadsOneState) {
  Open();
  Put("a", "1");
  ASSERT_TRUE(db_->Flush().ok());
  Put("b", "2");
  const std::array<std::string_view, 4> keys = {"b", "missing", "a", "b"};
  std::array<PinnedValue, 4> values;
  const auto found = db_->MultiGet({}, keys, values);
  ASSERT_EQ(found.size(), 4u);
  EXPECT_TRUE(*found[0] && !*found[1] && *found[2] && *found[3]);
  EXPECT_EQ(values[0].view(), "2");
  EXPECT_EQ(values[2].view(), "1");
  EXPECT_EQ(values[3].view(), "2");
}

TEST_F(DbTest, TryGetNeverTouchesTheDisk) {
  Open();
  Put("memory", "1");
  Put("table", "2");
  ASSERT_TRUE(db_->Flush().ok());
  Open();
  Put("memory", "3");
  const uint64_t calls = machine_.fs.CallCount();
  PinnedValue value;
  EXPECT_TRUE(*db_->TryGet({}, "memory", &value));
  EXPECT_EQ(value.view(), "3");
  Result<bool> cold = db_->TryGet({}, "table", &value);
  ASSERT_FALSE(cold.ok());
  EXPECT_TRUE(cold.status().Is(StatusCode::kWouldBlock)) << cold.status().ToString();
  EXPECT_EQ(machine_.fs.CallCount(), calls);
  EXPECT_EQ(Get("table"), "2");
  const uint64_t warm = machine_.fs.CallCount();
  EXPECT_TRUE(*db_->TryGet({}, "table", &value));
  EXPECT_EQ(value.view(), "2");
  EXPECT_EQ(machine_.fs.CallCount(), warm);
}

TEST_F(DbTest, SnapshotsSurviveFlushAndCompaction) {
  Open();
  Rows rows;
  std::vector<std::pair<std::unique_ptr<Snapshot>, Rows>> held;
  for (int i = 0; i < 8; ++i) {
    const std::string key = std::to_string(i % 3);
    rows[key] = std::to_string(i);
    Put(key, rows[key]);
    if (i == 4) {
      ASSERT_TRUE(db_->DeleteRange({}, "0", "2").ok());
      rows.erase("0");
      rows.erase("1");
    }
    held.emplace_back(db_->GetSnapshot(), rows);
    if (i % 3 == 2) {
      ASSERT_TRUE(db_->Flush().ok());
    }
  }
  ASSERT_TRUE(db_->CompactRange({}, {}).ok());
  for (const auto& [snapshot, then] : held) {
    ReadOptions options;
    options.snapshot = snapshot.get();
    EXPECT_EQ(Compare(db_.get(), then, options), "");
  }
  // Once the snapshots are gone, compaction drops what only they saw.
  held.clear();
  Put("0", "last");
  ASSERT_TRUE(db_->CompactRange({}, {}).ok());
  Result<VerifyReport> report = db_->Verify();
  ASSERT_TRUE(report.ok());
  rows["0"] = "last";
  EXPECT_EQ(report->entries, rows.size());
  EXPECT_EQ(Compare(db_.get(), rows), "");
}

// While one memtable is written to a table a second one fills up. Its log is needed until it is in a table, too.
TEST_F(DbTest, AFlushLeavesTheLogOfYoungerMemtables) {
  Options options;
  options.memtable_size = 16 * 1024;
  options.background_threads = 1;
  Open(options);
  std::unique_ptr<MemoryFileSystem> left;
  int tables = 0, filled = 0;
  const auto fill_one = [&] {
    Fill(filled, filled + 40, 'v', 500);
    filled += 40;
  };
  machine_.fs.SetHook([&](const FileCall& call) {
    if (call.op != FileOp::kCreate || call.path_class != PathClass::kTable || ++tables > 2) return;
    fill_one();  // the second time into the file of a segment that was given up
    if (tables == 2) left = machine_.disk->CrashClone(CrashPlan::KeepAll());
  });
  fill_one();
  fill_one();
  machine_.Rest();
  machine_.fs.SetHook(nullptr);
  ASSERT_NE(left, nullptr);
  Machine after(1, std::move(left));
  auto db = Db::Open(kDir, after.Setup(options));
  ASSERT_TRUE(db.ok()) << db.status().ToString();
  EXPECT_EQ(ReadAll(db->get())->size(), static_cast<size_t>(filled));
}

// The flush of the one before has begun its log segment.
TEST_F(DbTest, AWriterWhoSealsAMemTableWaitsForNoDirectory) {
  Options options;
  options.memtable_size = 16 * 1024;
  Open(options);
  Fill(0, 40, 'v', 500);
  Fill(40, 80, 'v', 500);
  machine_.Rest();
  ASSERT_EQ(db_->Stats().flushes, 1u);
  FaultRule rule;
  rule.ops = {FileOp::kSyncDir, FileOp::kCreate, FileOp::kOpenForWrite, FileOp::kRename};
  machine_.fs.AddRule(rule);
  Fill(80, 120, 'v', 500);
  machine_.fs.ClearRules();
  machine_.Rest();
  EXPECT_EQ(db_->Stats().flushes, 2u) << "it was sealed";
  EXPECT_EQ(ReadAll(db_.get())->size(), 120u);
}

// A flush makes room; nobody knows what else a failing disk has kept.
TEST_F(DbTest, ASegmentThatCannotBeBegunForLaterStopsWritingUnlessSpaceIsShort) {
  Options options;
  options.memtable_size = 16 * 1024;
  for (const StatusCode code : {StatusCode::kNoSpace, StatusCode::kIoError}) {
    Open(options);
    Fill(0, 20, 'v', 500);
    FaultRule rule;
    rule.ops = {FileOp::kCreate, FileOp::kRename};
    rule.path_classes = {PathClass::kWal};
    rule.code = code;
    rule.times_max = 1;
    // The flush's, for the one of the memtable that is sealed has been begun.
    machine_.fs.SetHook([&](const FileCall& call) {
      if (call.op == FileOp::kSyncDir) machine_.fs.AddRule(rule);
    });
    const uint64_t faults = machine_.fs.FaultCount();
    const Status flushed = db_->Flush();
    machine_.fs.SetHook(nullptr);
    machine_.fs.ClearRules();
    EXPECT_GT(machine_.fs.FaultCount(), faults);
    const Status written = db_->Put({}, "after", "it");
    if (code == StatusCode::kNoSpace) {
      EXPECT_TRUE(flushed.ok()) << flushed.ToString();
      EXPECT_TRUE(written.ok()) << written.ToString();
      EXPECT_EQ(db_->Stats().flushes, 1u);
    } else {
      EXPECT_TRUE(written.Is(StatusCode::kFenced)) << written.ToString();
    }
    db_.reset();
    Open(options);
    EXPECT_GE(ReadAll(db_.get())->size(), 20u);
  }
}

TEST_F(DbTest, LargestKeysAndLargeValues) {
  Open();
  const std::string key(64 * 1024, 'k'), largest(kKeySizeMax, 'k'), value(100 << 20, 'v');
  Put(key, "64 KiB");
  Put(largest, "largest");
  Put("large", value);
  EXPECT_EQ(Get(key), "64 KiB");
  EXPECT_TRUE(Get("large") == value);
  ASSERT_TRUE(db_->Flush().ok());
  Open();
  EXPECT_EQ(Get(key), "64 KiB");
  EXPECT_EQ(Get(largest), "largest");
  EXPECT_TRUE(Get("large") == value);
  ASSERT_TRUE(db_->CompactRange({}, {}).ok());
  Iterator it = db_->NewIterator({});
  it.SeekToLast();
  ASSERT_TRUE(it.Valid()) << it.status().ToString();
  EXPECT_TRUE(it.key() == "large" && it.value() == value);
  it.Prev();
  ASSERT_TRUE(it.Valid());
  EXPECT_TRUE(it.key() == largest);
}

TEST_F(DbTest, LimitsAreCheckedAndNothingIsWritten) {
  Open();
  const SequenceNumber before = db_->Stats().last_sequence;
  EXPECT_TRUE(db_->Put({}, std::string(kKeySizeMax + 1, 'k'), "v").Is(StatusCode::kInvalidArgument));
  EXPECT_TRUE(db_->DeleteRange({}, "a", std::string(kKeySizeMax + 1, 'k')).Is(StatusCode::kInvalidArgument));
  {
    const std::string huge(kValueSizeMax + 1, 'v');
    EXPECT_TRUE(db_->Put({}, "k", huge).Is(StatusCode::kInvalidArgument));
  }
  WriteBatch batch;
  batch.Put("fits", "v");
  batch.Put(std::string(kKeySizeMax + 1, 'k'), "does not");
  EXPECT_TRUE(db_->Write({}, batch).Is(StatusCode::kInvalidArgument));
  EXPECT_TRUE(db_->WriteAsync(batch, nullptr).status().Is(StatusCode::kInvalidArgument));
  EXPECT_EQ(Compare(db_.get(), {}), "");
  EXPECT_EQ(db_->Stats().last_sequence, before);
}

// A batch whose very first operation broke a limit has no index; reads through it see the database.
TEST_F(DbTest, ReadingThroughABatchThatBrokeALimit) {
  Open();
  Put("k", "v");
  IndexedBatch batch;
  batch.Put(std::string(kKeySizeMax + 1, 'k'), "too large");
  ReadOptions options;
  options.batch = &batch;
  EXPECT_EQ(Compare(db_.get(), {{"k", "v"}}, options), "");
}

TEST_F(DbTest, ABatchIsStampedAndCounted) {
  Open();
  WriteBatch batch;
  EXPECT_TRUE(db_->Write({}, batch).ok());  // empty: nothing happens
  EXPECT_EQ(db_->Stats().last_sequence, 0u);
  batch.Put("a", "1");
  batch.Delete("b");
  batch.DeleteRange("c", "d");
  ASSERT_TRUE(db_->Write({}, batch).ok());
  EXPECT_EQ(batch.sequence(), 1u);
  ASSERT_TRUE(db_->Write({}, batch).ok());
  EXPECT_EQ(batch.sequence(), 4u);
  EXPECT_EQ(db_->Stats().last_sequence, 6u);
  EXPECT_EQ(db_->Stats().writes, 6u);
}

TEST_F(DbTest, TinyMemtablesTakeABatchEach) {
  Options options;
  options.memtable_size = 1;
  Open(options);
  Rows rows;
  for (int i = 0; i < 50; ++i) {
    rows["key" + std::to_string(i)] = std::to_string(i);
    Put("key" + std::to_string(i), std::to_string(i));
  }
  EXPECT_EQ(Compare(db_.get(), rows), "");
  EXPECT_GT(db_->Stats().flushes, 10u);
}

TEST_F(DbTest, DurableCallbacksComeInOrderAfterTheSync) {
  Options options;
  options.wal_sync = WalSync::kNever;
  Open(options);
  std::vector<int> called;
  for (int i = 0; i < 5; ++i) {
    WriteBatch batch;
    batch.Put("key", std::to_string(i));
    Result<SequenceNumber> sequence = db_->WriteAsync(batch, [&called, i](const Status& s) {
      EXPECT_TRUE(s.ok()) << s.ToString();
      called.push_back(i);
    });
    ASSERT_TRUE(sequence.ok());
    EXPECT_EQ(*sequence, static_cast<SequenceNumber>(i) + 1);
    EXPECT_EQ(Get("key"), std::to_string(i));  // visible at once
  }
  EXPECT_TRUE(called.empty());  // never inside the call
  const uint64_t syncs = db_->Stats().wal_syncs;
  machine_.executor.RunAll();
  EXPECT_EQ(called, (std::vector<int>{0, 1, 2, 3, 4}));
  EXPECT_EQ(db_->Stats().wal_syncs, syncs + 1);  // one sync for all
  Machine after(1, machine_.disk->CrashClone(CrashPlan::DropUnsynced()));
  auto db = Db::Open(kDir, after.Setup());
  ASSERT_TRUE(db.ok());
  EXPECT_EQ(Compare(db->get(), {{"key", "4"}}), "");
}

TEST_F(DbTest, DurableCallbacksHearOfAFailedSync) {
  Options options;
  options.wal_sync = WalSync::kNever;
  Open(options);
  FaultRule rule;
  rule.ops = {FileOp::kSync};
  rule.path_classes = {PathClass::kWal};
  machine_.fs.AddRule(rule);
  Status told;
  WriteBatch batch;
  batch.Put("k", "v");
  ASSERT_TRUE(db_->WriteAsync(batch, [&](const Status& s) { told = s; }).ok());
  machine_.executor.RunAll();
  EXPECT_TRUE(told.Is(StatusCode::kFenced)) << told.ToString();
  machine_.fs.ClearRules();  // too late: a sync is never tried again
  EXPECT_TRUE(db_->Put({}, "a", "b").Is(StatusCode::kFenced));
  EXPECT_TRUE(db_->WriteAsync(batch, nullptr).status().Is(StatusCode::kFenced));
  EXPECT_TRUE(db_->SyncWal().Is(StatusCode::kFenced));
  EXPECT_TRUE(db_->Flush().Is(StatusCode::kFenced));
  EXPECT_TRUE(db_->Stats().fenced);
  EXPECT_EQ(Get("k"), "v");  // reads go on
  Open();
  EXPECT_TRUE(db_->Put({}, "a", "b").ok());
}

TEST_F(DbTest, CallbacksOfAClosedDatabaseAreCalled) {
  Open();
  int called = 0;
  WriteBatch batch;
  batch.Put("k", "v");
  ASSERT_TRUE(db_->WriteAsync(batch, [&](const Status&) { ++called; }).ok());
  ASSERT_TRUE(db_->Close().ok());
  EXPECT_EQ(called, 1);
}

TEST_F(DbTest, ModesOfSync) {
  Options options;
  options.wal_sync = WalSync::kAlways;
  Open(options);
  Put("a", "1");
  EXPECT_EQ(db_->Stats().wal_syncs, 1u);
  db_->SetWalSync(WalSync::kNever);
  Put("b", "2");
  machine_.Rest(5'000'000);
  EXPECT_EQ(db_->Stats().wal_syncs, 1u);
  db_->SetWalSync(WalSync::kEverySecond);
  Put("c", "3");
  EXPECT_EQ(db_->Stats().wal_syncs, 1u);
  machine_.Rest();
  EXPECT_EQ(db_->Stats().wal_syncs, 2u);
  machine_.Rest();
  EXPECT_EQ(db_->Stats().wal_syncs, 2u);  // nothing new
  ASSERT_TRUE(db_->Put({.sync = true}, "d", "4").ok());
  EXPECT_EQ(db_->Stats().wal_syncs, 3u);
}

// At most two seconds of writes are unsynced, however long the disk takes: one to the sync, and one while it lasts.
TEST_F(DbTest, ASyncThatHangsTurnsWritersAway) {
  Options options;
  options.wal_sync = WalSync::kEverySecond;
  Open(options);
  const auto write = [&](const char* key) {
    WriteBatch batch;
    batch.Put(key, "v");
    return db_->WriteAsync(batch, nullptr).status();
  };
  ASSERT_TRUE(write("before").ok());
  int syncs = 0;
  machine_.fs.SetHook([&](const FileCall& call) {
    if (call.op != FileOp::kSync || call.path_class != PathClass::kWal || ++syncs > 1) return;
    EXPECT_TRUE(write("beside").ok());
    machine_.clock.AdvanceMicros(1'000'000);
    EXPECT_TRUE(write("at the limit").ok());
    machine_.clock.AdvanceMicros(1);
    const Status status = write("too late");
    EXPECT_TRUE(status.Is(StatusCode::kBusy)) << status.ToString();
  });
  machine_.Rest();
  machine_.fs.SetHook(nullptr);
  EXPECT_EQ(syncs, 1);
  EXPECT_TRUE(write("after").ok());
  EXPECT_EQ(Compare(db_.get(), {{"after", "v"}, {"at the limit", "v"}, {"before", "v"}, {"beside", "v"}}), "");
}

// Nobody runs flushes: WriteAsync turns writers away before it would have to wait, and writes nothing then.
TEST_F(DbTest, PressureAndBusy) {
  Options options;
  options.memtable_size = 16 * 1024;
  Open(options);
  EXPECT_EQ(db_->Pressure().level, 0);
  Rows rows;
  Status status;
  for (int i = 0; i < 1000 && status.ok(); ++i) {
    WriteBatch batch;
    const std::string key = "key" + std::to_string(i);
    batch.Put(key, std::string(500, 'v'));
    status = db_->WriteAsync(batch, nullptr).status();
    if (status.ok()) rows[key] = std::string(500, 'v');
  }
  EXPECT_TRUE(status.Is(StatusCode::kBusy)) << status.ToString();
  EXPECT_EQ(db_->Pressure().level, 2);
  EXPECT_GT(db_->Pressure().suggested_delay_us, 0u);
  EXPECT_EQ(Compare(db_.get(), rows), "");
  machine_.executor.RunAll();
  EXPECT_EQ(db_->Pressure().level, 0);
  WriteBatch batch;
  batch.Put("now", "it works");
  EXPECT_TRUE(db_->WriteAsync(batch, nullptr).ok());
}

// Level 0 grows because every compaction fails: writers are slowed, then held, never for ever.
TEST_F(DbTest, WritersDoNotHangWhenCompactionFails) {
  Options options;
  options.memtable_size = 4096;
  options.wal_sync = WalSync::kNever;
  Open(options);
  FaultRule rule;  // tables can be written, but not read
  rule.ops = {FileOp::kReadAt};
  rule.path_classes = {PathClass::kTable};
  machine_.fs.AddRule(rule);
  Status status;
  bool slowed = false;
  for (int i = 0; i < 400 && status.ok(); ++i) {
    status = db_->Put({}, "key" + std::to_string(i), std::string(500, 'v'));
    slowed |= db_->Pressure().level == 1;
    machine_.Rest();
  }
  EXPECT_TRUE(slowed);
  EXPECT_TRUE(status.Is(StatusCode::kIoError)) << status.ToString();
  EXPECT_NE(db_->Stats().background_error, "");
  machine_.fs.ClearRules();
  machine_.Rest();
  machine_.Rest();
  EXPECT_TRUE(db_->Put({}, "k", "v").ok());
  EXPECT_EQ(db_->Stats().background_error, "");
}

TEST_F(DbTest, CheckpointOpensAndEquals) {
  Open();
  Dice dice(3);
  Rows rows;
  for (int i = 0; i < 10; ++i) {
    const Changes changes = RandomChanges(&dice, 20);
    WriteBatch batch;
    AddTo(changes, &batch);
    Apply(changes, &rows);
    ASSERT_TRUE(db_->Write({}, batch).ok());
    if (i == 5) {
      ASSERT_TRUE(db_->CompactRange({}, {}).ok());
    }
  }
  ASSERT_TRUE(db_->Checkpoint("/copy").ok());
  EXPECT_TRUE(db_->Checkpoint("/copy").Is(StatusCode::kInvalidArgument));
  ASSERT_TRUE(db_->DeleteRange({}, "", "\xff\xff\xff").ok());
  ASSERT_TRUE(db_->CompactRange({}, {}).ok());
  auto copy = Db::Open("/copy", machine_.Setup());
  ASSERT_TRUE(copy.ok()) << copy.status().ToString();
  EXPECT_EQ(Compare(copy->get(), rows), "");
  EXPECT_EQ(Problems(copy->get()), "");
  ASSERT_TRUE((*copy)->Put({}, "only", "in the copy").ok());
  EXPECT_EQ(Get("only"), "(none)");
}

// An attempt that a crash ended leaves a directory that the next attempt clears away; somebody's own is left alone.
TEST_F(DbTest, CheckpointOverAnUnfinishedOne) {
  Open();
  Put("k", "v");
  const std::string unfinished = "/.copy.varve-unfinished", other = "/.other.varve-unfinished";
  ASSERT_TRUE(machine_.disk->CreateDir(unfinished).ok());
  ASSERT_TRUE(machine_.disk->Create(unfinished + "/000004.sst").ok());
  ASSERT_TRUE(machine_.disk->Create(unfinished + "/MANIFEST-000005").ok());
  ASSERT_TRUE(machine_.disk->Create(unfinished + "/filling.tmp").ok());
  ASSERT_TRUE(db_->Checkpoint("/copy").ok());
  EXPECT_FALSE(*machine_.disk->Exists(unfinished));
  EXPECT_TRUE(FilesEnding(machine_.disk.get(), "/copy", ".tmp").empty());
  for (const char* name : {"thesis.txt", "LOCK", "000002.wal"}) {
    ASSERT_TRUE(machine_.disk->CreateDir(other).ok());
    ASSERT_TRUE(machine_.disk->Create(other + "/" + name).ok());
    const Status s = db_->Checkpoint("/other");
    EXPECT_TRUE(s.Is(StatusCode::kInvalidArgument)) << s.ToString();
    EXPECT_TRUE(*machine_.disk->Exists(other + "/" + name));
    ASSERT_TRUE(machine_.disk->Remove(other + "/" + name).ok());
  }
  ASSERT_TRUE(db_->Checkpoint("/other").ok());
}

// It was once built as "<target>.tmp", and a database that somebody had called so was emptied first.
TEST_F(DbTest, CheckpointBesideADatabaseWithTmpInItsName) {
  Open();
  Put("k", "v");
  auto mine = Db::Open("/copy.tmp", machine_.Setup());
  ASSERT_TRUE(mine.ok());
  ASSERT_TRUE((*mine)->Put({}, "precious", "row").ok());
  ASSERT_TRUE((*mine)->Close().ok());
  ASSERT_TRUE(db_->Checkpoint("/copy").ok());
  mine = Db::Open("/copy.tmp", machine_.Setup());
  ASSERT_TRUE(mine.ok()) << mine.status().ToString();
  EXPECT_EQ(Compare(mine->get(), {{"precious", "row"}}), "");
}

TEST_F(DbTest, OneFillsADirectoryAtATime) {
  Open();
  Put("k", "v");
  ASSERT_TRUE(machine_.disk->CreateDir("/.copy.varve-unfinished").ok());
  auto lock = machine_.disk->Lock("/.copy.varve-unfinished/filling.tmp");
  ASSERT_TRUE(lock.ok());
  ASSERT_TRUE(machine_.disk->Create("/.copy.varve-unfinished/000004.sst").ok());
  EXPECT_EQ(db_->Checkpoint("/copy").code(), StatusCode::kBusy);
  EXPECT_TRUE(*machine_.disk->Exists("/.copy.varve-unfinished/000004.sst"));
}

TEST_F(DbTest, CompactRangeEmptiesTheLevelsAbove) {
  Options options;
  options.memtable_size = 16 * 1024;
  Open(options);
  Dice dice(1);
  for (int i = 0; i < 300; ++i) Put(RandomKey(&dice), std::string(500, 'v'));
  ASSERT_TRUE(db_->WaitForBackgroundWork().ok());
  ASSERT_TRUE(db_->CompactRange({}, {}).ok());
  const DbStats stats = db_->Stats();
  int used = 0;
  for (const DbStats::Level& level : stats.levels) used += level.files > 0 ? 1 : 0;
  EXPECT_EQ(used, 1);
  EXPECT_EQ(stats.memtable_bytes < 16 * 1024, true);
  EXPECT_GT(db_->ApproximateSize({}, {}), 0u);
  ASSERT_TRUE(db_->DeleteRange({}, "", "\xff\xff\xff\xff").ok());
  ASSERT_TRUE(db_->CompactRange({}, {}).ok());
  EXPECT_EQ(db_->ApproximateSize({}, {}), 0u);  // not even tombstones are left
}

TEST_F(DbTest, VerifyFindsPlantedDamage) {
  Open();
  for (int i = 0; i < 1000; ++i) Put("key" + std::to_string(i), std::string(100, 'v'));
  ASSERT_TRUE(db_->CompactRange({}, {}).ok());
  EXPECT_EQ(Problems(db_.get()), "");
  auto names = machine_.disk->List(kDir);
  ASSERT_TRUE(names.ok());
  std::string table;
  for (const std::string& name : *names) {
    if (ParseFileName(name).kind == FileKind::kTable) table = std::string(kDir) + "/" + name;
  }
  ASSERT_FALSE(table.empty());
  const uint64_t size = *machine_.disk->FileSize(table);
  for (uint64_t at : {uint64_t{10}, size / 2, size - 60, size - 20}) {
    auto file = machine_.disk->OpenForRead(table);
    char byte;
    ASSERT_TRUE((*file)->ReadAt(at, 1, &byte).ok());
    const char changed = static_cast<char>(byte ^ 0x10);
    auto out = machine_.disk->OpenForWrite(table);
    ASSERT_TRUE((*out)->WriteAt(at, {&changed, 1}).ok());
    Open();
    const std::string problems = Problems(db_.get());
    EXPECT_NE(problems.find(table), std::string::npos) << "byte " << at << ": " << problems;
    ASSERT_TRUE((*out)->WriteAt(at, {&byte, 1}).ok());
  }
  Open();
  EXPECT_EQ(Problems(db_.get()), "");
}

TEST_F(DbTest, CloseIsIdempotentAndFinal) {
  Open();
  Put("k", "v");
  ASSERT_TRUE(db_->Close().ok());
  ASSERT_TRUE(db_->Close().ok());
  PinnedValue value;
  WriteBatch batch;
  batch.Put("a", "b");
  const std::array<std::string_view, 2> keys = {"k", "l"};
  std::array<PinnedValue, 2> values;
  const std::vector<Status> closed = {
      db_->Get({}, "k", &value).status(),
      db_->TryGet({}, "k", &value).status(),
      db_->NewIterator({}).status(),
      db_->Write({}, batch),
      db_->Put({}, "a", "b"),
      db_->WriteAsync(batch, nullptr).status(),
      db_->SyncWal(),
      db_->Flush(),
      db_->CompactRange({}, {}),
      db_->WaitForBackgroundWork(),
      db_->Checkpoint("/copy"),
      db_->Verify().status(),
      db_->CatchUp(),
      db_->MultiGet({}, keys, values)[1].status(),
  };
  for (size_t i = 0; i < closed.size(); ++i) EXPECT_TRUE(closed[i].Is(StatusCode::kClosed)) << i;
  EXPECT_FALSE(*machine_.disk->Exists("/copy"));
  EXPECT_EQ(db_->Stats().last_sequence, 1u);  // still tells
  db_.reset();
  EXPECT_EQ(machine_.disk->OpenHandleCount(), 0u);
}

TEST_F(DbTest, CloseMakesTheLogDurable) {
  Options options;
  options.wal_sync = WalSync::kNever;
  Open(options);
  Put("k", "v");
  ASSERT_TRUE(db_->Close().ok());
  Machine after(1, machine_.disk->CrashClone(CrashPlan::DropUnsynced()));
  auto db = Db::Open(kDir, after.Setup());
  ASSERT_TRUE(db.ok());
  EXPECT_EQ(Compare(db->get(), {{"k", "v"}}), "");
}

// memory_budget is kept: memtables, blocks, indexes and filters together.
TEST_F(DbTest, MemoryBudgetIsKept) {
  Options options;
  options.memory_budget = size_t{4} << 20;
  options.wal_sync = WalSync::kNever;
  options.block_size = 4096;
  options.table_size = 1 << 20;
  Open(options);
  Dice dice(1);
  uint64_t most = 0;
  for (int i = 0; i < 40'000; ++i) {
    Put("key" + std::to_string(dice.Below(60'000)), std::string(50 + dice.Below(500), 'v'));
    if (i % 3 == 0) (void)Get("key" + std::to_string(dice.Below(60'000)));
    if (i % 1000 == 0) {
      Iterator it = db_->NewIterator({});
      it.Seek("key" + std::to_string(dice.Below(60'000)));
      for (int n = 0; n < 500 && it.Valid(); ++n) it.Next();
    }
    if (i % 50 == 0) {
      const DbStats stats = db_->Stats();
      most = std::max(most, stats.cache_bytes + stats.table_memory_bytes + stats.memtable_bytes);
    }
  }
  EXPECT_LE(most, options.memory_budget * 105 / 100);
  EXPECT_GT(most, options.memory_budget / 2);  // and used
}

// Little memory, most of it the cache's.
Options CachedOptions() {
  Options options;
  options.memory_budget = size_t{4} << 20;
  options.memtable_size = size_t{512} << 10;
  options.wal_sync = WalSync::kNever;
  options.compression = Compression::kNone;
  return options;
}

// The room that sealed memtables took from the cache comes back when none have needed it for a while, not at each flush.
TEST_F(DbTest, TheCacheDoesNotBreatheWithTheMemtables) {
  const Options options = CachedOptions();
  Open(options);
  const std::string value(1000, 'v');
  auto put_some = [&, next = 0]() mutable { Put("key" + std::to_string(100'000 + next++ % 10'000), value); };
  for (int i = 0; i < 10'000; ++i) put_some();
  ASSERT_TRUE(db_->CompactRange({}, {}).ok());
  const auto cached_by_a_scan = [&] {
    Iterator it = db_->NewIterator({});
    for (it.SeekToFirst(); it.Valid(); it.Next()) continue;
    return db_->Stats().cache_bytes;
  };
  const auto rest = [&] {
    for (int i = 0; i < 3; ++i) machine_.Rest(30'000'000);
  };
  rest();
  const uint64_t calm = cached_by_a_scan();
  ASSERT_GT(calm, options.memory_budget - 2 * options.memtable_size);

  while (db_->Stats().memtable_bytes < 2 * options.memtable_size) put_some();
  const uint64_t pressed = db_->Stats().cache_bytes;
  EXPECT_LT(pressed, calm);
  machine_.executor.RunAll();
  ASSERT_LT(db_->Stats().memtable_bytes, options.memtable_size);
  EXPECT_LT(cached_by_a_scan(), (pressed + calm) / 2);
  rest();
  EXPECT_GT(cached_by_a_scan(), (pressed + 9 * calm) / 10);
}

// Nor does a memtable that was much larger than they are take the cache's room for longer than it lives.
TEST_F(DbTest, OneHugeMemTableDoesNotStarveTheCache) {
  const Options options = CachedOptions();
  Open(options);
  for (int i = 0; i < 10'000; ++i) Put("key" + std::to_string(100'000 + i), std::string(1000, 'v'));
  Put("huge", std::string(size_t{16} << 20, 'h'));
  ASSERT_TRUE(db_->Flush().ok());
  ASSERT_TRUE(db_->CompactRange({}, {}).ok());
  Iterator it = db_->NewIterator({});
  for (it.Seek("key"); it.Valid(); it.Next()) continue;
  EXPECT_GT(db_->Stats().cache_bytes, options.memory_budget / 3);
}

// A table that an edit found no space for is not removed before the manifest's end is known again, and not kept after.
TEST_F(DbTest, TablesOfAFailedEditGoWithTheNextOne) {
  Open();
  Put("k", "v");
  FaultRule rule = NoSpaceForManifest(FileOp::kWriteAt);
  rule.effect = FaultRule::Effect::kEverything;  // the edit arrives, and says that it did not
  machine_.fs.AddRule(rule);
  const Status s = db_->Flush();
  EXPECT_TRUE(s.Is(StatusCode::kNoSpace)) << s.ToString();
  {
    Machine after(1, machine_.disk->CrashClone(CrashPlan::KeepAll()));
    auto db = Db::Open(kDir, after.Setup());
    ASSERT_TRUE(db.ok()) << db.status().ToString();
    EXPECT_EQ(Compare(db->get(), {{"k", "v"}}), "");
  }
  machine_.fs.ClearRules();
  machine_.Rest();
  machine_.Rest();
  ASSERT_TRUE(db_->Flush().ok());
  Put("l", "w");
  ASSERT_TRUE(db_->Flush().ok());
  auto names = machine_.disk->List(kDir);
  ASSERT_TRUE(names.ok());
  const auto tables = std::count_if(names->begin(), names->end(),
                                    [](const auto& name) { return ParseFileName(name).kind == FileKind::kTable; });
  EXPECT_EQ(tables, 2);
}

// As long as the manifest has no space, retries of a flush do not leave one table after another behind.
TEST_F(DbTest, RetriesLeaveNoTablesBehind) {
  Open();
  Put("k", "v");
  machine_.fs.AddRule(NoSpaceForManifest(FileOp::kWriteAt));
  EXPECT_TRUE(db_->Flush().Is(StatusCode::kNoSpace));
  for (int i = 0; i < 20; ++i) machine_.Rest();
  EXPECT_LE(FilesEnding(machine_.disk.get(), kDir, ".sst").size(), 1u);
  machine_.fs.ClearRules();
  machine_.Rest();
  machine_.Rest();
  EXPECT_EQ(FilesEnding(machine_.disk.get(), kDir, ".sst").size(), 1u);
  EXPECT_EQ(db_->Stats().background_error, "");
  EXPECT_EQ(Compare(db_.get(), {{"k", "v"}}), "");
}

// No space at a sync is a failed sync as any other: what the kernel dropped is not asked for again.
TEST_F(DbTest, NoSpaceAtASyncOfTheManifestFences) {
  Open();
  Put("k", "v");
  machine_.fs.AddRule(NoSpaceForManifest(FileOp::kSync));
  EXPECT_FALSE(db_->Flush().ok());
  EXPECT_TRUE(db_->Stats().fenced);
  machine_.fs.ClearRules();
  EXPECT_TRUE(db_->Put({}, "a", "b").Is(StatusCode::kFenced));
  Open();
  EXPECT_EQ(Compare(db_.get(), {{"k", "v"}}), "");
}

}  // namespace
}  // namespace varve::lsm
