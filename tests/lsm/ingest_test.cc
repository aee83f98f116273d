// Files made by TableWriter, and what becomes of them in a database.
#include <array>
#include <atomic>
#include <functional>
#include <thread>

#include "lsm/backup.h"
#include "lsm/format/value_pointer.h"
#include "lsm/table/table_builder.h"
#include "lsm/table_writer.h"
#include "tests/lsm/db_test_util.h"

namespace varve::lsm {
namespace {

class IngestTest : public DbFixture {
 protected:
  void SetUp() override { Open(); }
  Options Small(OpenMode mode = OpenMode::kOwner) {
    Options options;
    options.mode = mode;
    options.memtable_size = 32 * 1024;
    options.table_size = 64 * 1024;
    options.block_size = 512;
    return machine_.Setup(options);
  }
  void Open() { DbFixture::Open(Small()); }
  std::unique_ptr<TableWriter> Writer(const std::string& path) {
    auto writer = TableWriter::Create(path, Small());
    EXPECT_TRUE(writer.ok()) << writer.status().ToString();
    return std::move(writer).value();
  }
  // A file that puts `rows`, after deleting `ranges`.
  std::string File(const Rows& rows, const std::vector<std::pair<std::string, std::string>>& ranges = {}) {
    const std::string path = "/load" + std::to_string(++files_);
    auto writer = Writer(path);
    for (const auto& [begin, end] : ranges) {
      EXPECT_TRUE(writer->DeleteRange(begin, end).ok());
    }
    for (const auto& [key, value] : rows) {
      EXPECT_TRUE(writer->Put(key, value).ok());
    }
    auto facts = writer->Finish();
    EXPECT_TRUE(facts.ok()) << facts.status().ToString();
    return path;
  }
  std::string CompareAt(const Snapshot* snapshot, const Rows& rows) {
    ReadOptions at;
    at.snapshot = snapshot;
    return Compare(db_.get(), rows, at);
  }
  Rows Numbers(int from, int to, const std::string& value) {
    Rows rows;
    for (int i = from; i < to; ++i) rows["k" + std::to_string(10'000 + i)] = value + std::to_string(i);
    return rows;
  }
  void Ingest(const std::string& path, bool move_files = false) {
    const Status s = db_->Ingest(std::array{path}, {.move_files = move_files});
    ASSERT_TRUE(s.ok()) << s.ToString();
  }
  void Put(const Rows& rows) {
    for (const auto& [key, value] : rows) {
      ASSERT_TRUE(db_->Put({}, key, value).ok());
      rows_[key] = value;
    }
  }
  void Merge(const Rows& rows) {
    for (const auto& [key, value] : rows) rows_[key] = value;
  }
  void Check() {
    EXPECT_EQ(Compare(db_.get(), rows_), "");
    EXPECT_EQ(Problems(db_.get()), "");
  }

  Rows rows_;
  int files_ = 0;
};

TEST_F(IngestTest, GoesToTheBottomWhereNothingIsInItsWay) {
  Ingest(File(Numbers(0, 100, "a")));
  Merge(Numbers(0, 100, "a"));
  Ingest(File(Numbers(100, 200, "b")));
  Merge(Numbers(100, 200, "b"));
  EXPECT_EQ(FilesByLevel(), (std::vector<uint64_t>{0, 0, 0, 0, 0, 0, 2}));
  Check();
  Open();
  Check();
}

TEST_F(IngestTest, HidesWhatIsOlderAndIsHiddenByWhatIsNewer) {
  Put(Numbers(0, 100, "old"));
  ASSERT_TRUE(db_->Flush().ok());
  Put(Numbers(50, 150, "in the memtable"));
  Ingest(File(Numbers(20, 120, "ingested")));
  Merge(Numbers(20, 120, "ingested"));
  Check();
  Put(Numbers(40, 60, "newer"));
  Check();
  ASSERT_TRUE(db_->Flush().ok());
  Check();
  ASSERT_TRUE(db_->CompactRange({}, {}).ok());
  Check();
  Open();
  Check();
}

TEST_F(IngestTest, SnapshotsDoNotSeeIt) {
  Put(Numbers(0, 50, "old"));
  auto before = db_->GetSnapshot();
  const Rows then = rows_;
  Ingest(File(Numbers(25, 75, "new"), {{"k10000", "k10010"}}));
  rows_.erase(rows_.lower_bound("k10000"), rows_.lower_bound("k10010"));
  Merge(Numbers(25, 75, "new"));
  auto after = db_->GetSnapshot();
  const Rows now = rows_;
  Put(Numbers(25, 75, "newest"));
  for (int i = 0; i < 2; ++i) {
    Check();
    EXPECT_EQ(CompareAt(before.get(), then), "");
    EXPECT_EQ(CompareAt(after.get(), now), "");
    ASSERT_TRUE(db_->CompactRange({}, {}).ok());
  }
}

TEST_F(IngestTest, DeletesAndRangeDeletes) {
  Put(Numbers(0, 100, "old"));
  const std::string path = "/deletes";
  auto writer = Writer(path);
  ASSERT_TRUE(writer->Delete("k10001").ok());
  ASSERT_TRUE(writer->Put("k10055", "stays").ok());  // a range delete of the file spares its keys
  ASSERT_TRUE(writer->DeleteRange("k10050", "k10060").ok());
  ASSERT_TRUE(writer->DeleteRange("z", "a").ok());  // empty
  ASSERT_TRUE(writer->Finish().ok());
  Ingest(path);
  rows_.erase("k10001");
  rows_.erase(rows_.lower_bound("k10050"), rows_.lower_bound("k10060"));
  rows_["k10055"] = "stays";
  Check();
  Open();
  Check();
  ASSERT_TRUE(db_->CompactRange({}, {}).ok());
  Check();
}

TEST_F(IngestTest, OnlyARangeDelete) {
  Put(Numbers(0, 100, "old"));
  Ingest(File({}, {{"k10020", "k10090"}}));
  rows_.erase(rows_.lower_bound("k10020"), rows_.lower_bound("k10090"));
  Check();
}

TEST_F(IngestTest, SeveralFilesTheLaterWins) {
  const std::array files{File(Numbers(0, 50, "one")), File(Numbers(100, 150, "two")), File(Numbers(25, 125, "three"))};
  ASSERT_TRUE(db_->Ingest(files, {}).ok());
  Merge(Numbers(0, 50, "one"));
  Merge(Numbers(100, 150, "two"));
  Merge(Numbers(25, 125, "three"));
  Check();
  EXPECT_EQ(db_->Stats().last_sequence, 3u);
  Ingest(files[0]);  // once more: a file can be taken in again
  Merge(Numbers(0, 50, "one"));
  Check();
}

// Sequences go on behind those of the files, in the log and in the manifest.
TEST_F(IngestTest, SurvivesReopeningBetweenWrites) {
  for (int i = 0; i < 5; ++i) {
    Put(Numbers(10 * i, 10 * i + 20, "put" + std::to_string(i)));
    const Rows rows = Numbers(10 * i + 15, 10 * i + 18, "in" + std::to_string(i));
    Ingest(File(rows));
    Merge(rows);
    if (i % 2 == 0) Put(Numbers(10 * i + 16, 10 * i + 17, "late" + std::to_string(i)));
    Check();
    Open();
    Check();
  }
}

TEST_F(IngestTest, AFollowerSeesIt) {
  Put(Numbers(0, 50, "old"));
  auto follower = Db::Open(kDir, Small(OpenMode::kFollow));
  ASSERT_TRUE(follower.ok());
  for (int i = 0; i < 3; ++i) {
    const Rows rows = Numbers(20, 30, "in" + std::to_string(i));
    Ingest(File(rows));
    Merge(rows);
    if (i == 1) Put(Numbers(25, 26, "put"));
    ASSERT_TRUE((*follower)->CatchUp().ok());
    EXPECT_EQ(Compare(follower->get(), rows_), "");
  }
  EXPECT_EQ((*follower)->Ingest(std::array{File(rows_)}, {}).code(), StatusCode::kReadOnly);
}

TEST_F(IngestTest, MovedFilesAreGoneCopiedOnesStay) {
  const std::string copied = File(Numbers(0, 10, "a")), moved = File(Numbers(10, 20, "b"));
  Ingest(copied);
  Ingest(moved, true);
  EXPECT_TRUE(*machine_.disk->Exists(copied));
  EXPECT_FALSE(*machine_.disk->Exists(moved));
  Merge(Numbers(0, 20, "a"));
  Merge(Numbers(10, 20, "b"));
  Check();
  FlipByte(machine_.disk.get(), copied, 10);  // the database has bytes of its own
  Check();
}

TEST_F(IngestTest, ForeignAndDamagedFilesAreRefused) {
  Put(Numbers(0, 10, "a"));
  ASSERT_TRUE(db_->Flush().ok());
  const std::string good = File(Numbers(0, 100, "b"));
  const auto refused = [&](const std::string& path, StatusCode code) {
    const uint64_t tables = FilesEnding(machine_.disk.get(), kDir, ".sst").size();
    const Status s = db_->Ingest(std::array{good, path}, {.move_files = true});
    EXPECT_EQ(StatusCodeName(s.code()), StatusCodeName(code)) << s.ToString();
    EXPECT_NE(s.message().find(path), std::string_view::npos) << s.ToString();
    EXPECT_EQ(FilesEnding(machine_.disk.get(), kDir, ".sst").size(), tables);
    EXPECT_TRUE(*machine_.disk->Exists(good));
    EXPECT_TRUE(*machine_.disk->Exists(path) || code == StatusCode::kNotFound);
  };
  refused("/missing", StatusCode::kNotFound);
  refused(FilesEnding(machine_.disk.get(), kDir, ".sst").front(), StatusCode::kInvalidArgument);
  ASSERT_TRUE(machine_.disk->Create("/empty").ok());
  refused("/empty", StatusCode::kCorruption);
  const uint64_t size = *machine_.disk->FileSize(good);
  for (uint64_t offset = 0; offset < size; offset += 61) {
    const std::string bad = File(Numbers(0, 100, "b"));
    FlipByte(machine_.disk.get(), bad, offset);
    const Status s = db_->Ingest(std::array{bad}, {});
    EXPECT_FALSE(s.ok()) << "offset " << offset;
    EXPECT_NE(s.message().find(bad), std::string_view::npos) << s.ToString();
  }
  Check();
}

// With move_files they were once taken away from whoever lived on them.
TEST_F(IngestTest, WhatBelongsToADatabaseOrABackupIsRefused) {
  Ingest(File(Numbers(0, 100, "a")));
  Merge(Numbers(0, 100, "a"));
  BackupOptions backup;
  backup.file_system = &machine_.fs;
  ASSERT_TRUE(Backup::Create(db_.get(), "/backups", backup).ok());
  auto other = Db::Open("/other", machine_.Setup());
  ASSERT_TRUE(other.ok());
  ASSERT_TRUE((*other)->Ingest(std::array{File(Numbers(0, 10, "other"))}, {}).ok());
  for (const char* dir : {kDir, "/other", "/backups/files"}) {
    for (const std::string& path : FilesEnding(machine_.disk.get(), dir, ".sst")) {
      for (const bool move_files : {false, true}) {
        const Status s = db_->Ingest(std::array{path}, {.move_files = move_files});
        EXPECT_EQ(s.code(), StatusCode::kInvalidArgument) << s.ToString();
        EXPECT_NE(s.message().find(path), std::string_view::npos) << s.ToString();
        EXPECT_TRUE(*machine_.disk->Exists(path));
      }
    }
  }
  Check();
}

// They say that they come from TableWriter; what it never writes would break reads long after they were taken in.
TEST_F(IngestTest, CraftedFilesAreRefused) {
  const auto refused = [&](StatusCode code, const std::function<void(TableBuilder*)>& add) {
    const std::string path = "/crafted" + std::to_string(++files_);
    TableBuilderOptions options;
    options.external = true;
    options.table_id = 99;
    TableBuilder builder(std::move(machine_.fs.Create(path)).value(), options);
    add(&builder);
    ASSERT_TRUE(builder.Finish().ok());
    const Status s = db_->Ingest(std::array{path}, {});
    EXPECT_EQ(s.code(), code) << s.ToString();
    EXPECT_NE(s.message().find(path), std::string_view::npos) << s.ToString();
  };
  refused(StatusCode::kCorruption, [](TableBuilder* builder) {
    EXPECT_TRUE(builder->Add("a", PackTrailer(1, ValueKind::kPut), "sequence").ok());
  });
  for (const int kind : {2, 3, 4, 6, 200}) {  // a merge for nobody, and an expiry of half its size
    refused(StatusCode::kCorruption, [&](TableBuilder* builder) {
      EXPECT_TRUE(builder->Add("a", PackTrailer(0, static_cast<ValueKind>(kind)), "kind").ok());
    });
  }
  refused(StatusCode::kInvalidArgument, [](TableBuilder* builder) {
    const std::string pointer = ValuePointer{.file_number = 3, .ordinal = 0, .offset = 24, .size = 5}.Encode();
    EXPECT_TRUE(builder->Add("a", PackTrailer(0, ValueKind::kValuePointer), pointer).ok());
  });
  Check();
  EXPECT_TRUE(FilesEnding(machine_.disk.get(), kDir, ".sst").empty());
  EXPECT_TRUE(FilesEnding(machine_.disk.get(), kDir, ".tmp").empty());
}

TEST_F(IngestTest, TheWriterChecksItsInput) {
  auto writer = Writer("/w");
  ASSERT_TRUE(writer->Put("b", "1").ok());
  EXPECT_EQ(writer->Put("b", "2").code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(writer->Put("c", "2").code(), StatusCode::kInvalidArgument) << "errors stay";
  EXPECT_FALSE(writer->Finish().ok());
  writer.reset();
  EXPECT_FALSE(*machine_.disk->Exists("/w"));
  EXPECT_EQ(Writer("/w")->Finish().status().code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(Writer("/w")->Put(std::string(kKeySizeMax + 1, 'k'), "").code(), StatusCode::kInvalidArgument);
}

// A compaction that runs meanwhile must not find the file in its output's place.
// Each file deletes all that the one before it put: whoever looks sees exactly one file's rows, whatever is dropped.
TEST(IngestThreads, SnapshotsSeeOneFileWhole) {
  MemoryFileSystem disk;
  Options options;
  options.file_system = &disk;
  options.memtable_size = 32 * 1024;
  options.background_threads = 2;
  auto opened = Db::Open(kDir, options);
  ASSERT_TRUE(opened.ok());
  Db* db = opened->get();
  const auto ingest = [&](int round) {
    const std::string path = "/load" + std::to_string(round);
    auto writer = TableWriter::Create(path, options);
    ASSERT_TRUE(writer.ok());
    ASSERT_TRUE((*writer)->DeleteRange("a", "z").ok());
    for (const char* key : {"b", "k", "y"}) ASSERT_TRUE((*writer)->Put(key, std::to_string(round)).ok());
    ASSERT_TRUE((*writer)->Finish().ok());
    const Status s = db->Ingest(std::array{path}, {.move_files = true});
    ASSERT_TRUE(s.ok()) << s.ToString();
  };
  ingest(0);
  std::atomic<bool> done{false};
  std::vector<std::thread> readers;
  for (int reader = 0; reader < 2; ++reader) {
    readers.emplace_back([&] {
      PinnedValue value;
      while (!done) {
        const auto snapshot = db->GetSnapshot();
        ReadOptions at;
        at.snapshot = snapshot.get();
        std::vector<std::string> seen;
        for (const char* key : {"b", "k", "y"}) {
          auto found = db->Get(at, key, &value);
          ASSERT_TRUE(found.ok()) << found.status().ToString();
          seen.push_back(*found ? value.ToString() : "nothing");
        }
        ASSERT_NE(seen[0], "nothing");
        ASSERT_TRUE(seen[0] == seen[1] && seen[1] == seen[2]) << seen[0] << " " << seen[1] << " " << seen[2];
      }
    });
  }
  for (int round = 1; round <= 200; ++round) ingest(round);
  done = true;
  for (std::thread& reader : readers) reader.join();
}

TEST_F(IngestTest, BesideARunningCompaction) {
  for (int round = 0; round < 40; ++round) {
    Rows rows;  // every tenth key: the gaps are the files' places
    for (int i = 0; i < 100; ++i) rows["k" + std::to_string(10'000 + i * 10)] = std::string(300, 'x');
    Put(rows);
    if (round % 3 == 0) machine_.executor.RunOne();
    const int at = (round * 37) % 990 + 1;
    const Rows in = Numbers(at, at + 3, "in" + std::to_string(round));
    Ingest(File(in));
    Merge(in);
  }
  machine_.executor.RunAll();
  Check();
}

TEST_F(IngestTest, BetweenMergesAndValuesThatExpire) {
  const uint64_t soon = static_cast<uint64_t>(machine_.clock.WallMillis()) + 10'000;
  ASSERT_TRUE(db_->Put({}, "a", "old").ok());
  ASSERT_TRUE(db_->Merge({}, "a", "+1").ok());
  ASSERT_TRUE(db_->PutWithExpiry({}, "b", "old", soon).ok());
  ASSERT_TRUE(db_->PutWithExpiry({}, "c", "old", soon).ok());
  Ingest(File({{"a", "in"}, {"b", "in"}}));
  ASSERT_TRUE(db_->Merge({}, "a", "+2").ok());
  ASSERT_TRUE(db_->Merge({}, "b", "+2").ok());
  ASSERT_TRUE(db_->Flush().ok());
  rows_ = {{"a", "in+2"}, {"b", "in+2"}, {"c", "old"}};
  Check();
  machine_.Rest(61'000'000);
  rows_.erase("c");
  Check();
  ASSERT_TRUE(db_->CompactRange({}, {}).ok());
  Check();
  EXPECT_EQ(db_->Verify()->entries, 2u);
}

TEST_F(IngestTest, MergesAreLaidOnWhatLiesBeneath) {
  for (const char* key : {"in a table", "under a range delete", "expired"}) {
    ASSERT_TRUE(db_->PutWithExpiry({}, key, "old", *key == 'e' ? kLongExpired : kNeverExpires).ok());
  }
  ASSERT_TRUE(db_->CompactRange({}, {}).ok());
  ASSERT_TRUE(db_->Put({}, "in the memtable", "old").ok());
  ASSERT_TRUE(db_->Merge({}, "merged", "1").ok());
  ASSERT_TRUE(db_->Put({}, "deleted", "old").ok());
  ASSERT_TRUE(db_->Delete({}, "deleted").ok());
  const auto before = db_->GetSnapshot();
  const Rows then = *ReadAll(db_.get());
  const auto writer = Writer("/merges");
  ASSERT_TRUE(writer->DeleteRange("under", "v").ok());  // of what the database holds, not of the file's own
  for (const char* key : {"deleted", "expired", "in a table", "in the memtable", "merged", "under a range delete"}) {
    ASSERT_TRUE(writer->Merge(key, "+in").ok());
  }
  ASSERT_EQ(writer->Finish()->entries, 6u);
  Ingest("/merges");
  rows_ = {{"deleted", "+in"},       {"expired", "+in"},
           {"in a table", "old+in"}, {"in the memtable", "old+in"},
           {"merged", "1+in"},       {"under a range delete", "+in"}};
  Check();
  EXPECT_EQ(CompareAt(before.get(), then), "");
  ASSERT_TRUE(db_->Merge({}, "merged", "+2").ok());
  rows_["merged"] += "+2";
  for (int i = 0; i < 2; ++i) {
    ASSERT_TRUE(db_->CompactRange({}, {}).ok());
    Check();
    EXPECT_EQ(CompareAt(before.get(), then), "");
    ASSERT_TRUE(db_->Flush().ok());
  }
}

// At the bottom, with nothing beneath, and in two files of one call: each is laid on the one before.
TEST_F(IngestTest, MergesOfSeveralFilesInTheirOrder) {
  std::vector<std::string> paths;
  for (const char* operand : {"1", "2", "3"}) {
    paths.push_back("/merge" + std::string(operand));
    const auto writer = Writer(paths.back());
    ASSERT_TRUE(writer->Merge("k", operand).ok());
    ASSERT_TRUE(writer->Finish().ok());
  }
  ASSERT_TRUE(db_->Ingest(paths, {}).ok());
  rows_ = {{"k", "123"}};
  Check();
  Open();
  Check();
  ASSERT_TRUE(db_->CompactRange({}, {}).ok());
  Check();
  EXPECT_EQ(db_->Verify()->entries, 1u);
}

TEST_F(IngestTest, IngestedValuesExpire) {
  const auto now_ms = static_cast<uint64_t>(machine_.clock.WallMillis());
  Put({{"a", "old"}, {"b", "old"}});
  const auto writer = Writer("/expiring");
  ASSERT_TRUE(writer->PutWithExpiry("a", "in", now_ms + 10'000).ok());
  ASSERT_TRUE(writer->PutWithExpiry("b", "never seen", now_ms).ok());
  ASSERT_TRUE(writer->PutWithExpiry("c", "", now_ms + 10'000).ok());
  ASSERT_TRUE(writer->Finish().ok());
  Ingest("/expiring");
  EXPECT_EQ(db_->TableFiles().front().expires_ms, now_ms + 10'000);
  rows_ = {{"a", "in"}, {"c", ""}};
  Check();
  Open();
  Check();
  machine_.clock.AdvanceMicros(10'000'000);
  rows_.clear();
  Check();
  ASSERT_TRUE(db_->CompactRange({}, {}).ok());
  Check();
  EXPECT_TRUE(db_->TableFiles().empty());
}

// With nothing beneath it the file is given up unread once its last value has expired.
TEST_F(IngestTest, AFileAllOfWhichHasExpiredIsDropped) {
  const auto writer = Writer("/expiring");
  const auto now_ms = static_cast<uint64_t>(machine_.clock.WallMillis());
  ASSERT_TRUE(writer->PutWithExpiry("a", "in", now_ms + 1000).ok());
  ASSERT_TRUE(writer->Finish().ok());
  Ingest("/expiring");
  machine_.Rest(61'000'000);
  machine_.Rest(61'000'000);
  EXPECT_TRUE(db_->TableFiles().empty());
  EXPECT_EQ(db_->JobHistory().back().kind, JobKind::kDrop);
  Check();
}

TEST_F(IngestTest, IsAJobInTheHistory) {
  Put(Numbers(0, 100, "old"));
  ASSERT_TRUE(db_->Flush().ok());
  const std::array files{File(Numbers(50, 60, "in")), File(Numbers(500, 700, "in"))};
  const uint64_t bytes = *machine_.disk->FileSize(files[0]) + *machine_.disk->FileSize(files[1]);
  machine_.clock.AdvanceMillis(7);
  ASSERT_TRUE(db_->Ingest(files, {}).ok());
  EXPECT_FALSE(db_->Ingest(std::array{files[0], std::string("/missing")}, {}).ok());
  for (int i = 0; i < 2; ++i) {
    const Job job = db_->JobHistory().back();
    EXPECT_EQ(job.kind, JobKind::kIngest);
    EXPECT_EQ(job.from_level, -1);
    EXPECT_EQ(job.to_level, 6);
    EXPECT_TRUE(job.inputs.empty());
    ASSERT_EQ(job.outputs.size(), 2u);
    EXPECT_EQ(job.completed_ms, machine_.clock.WallMillis());
    EXPECT_EQ(job.bytes_read, bytes);
    EXPECT_EQ(job.bytes_written, bytes);
    EXPECT_EQ(job.entries_read, 210u);
    EXPECT_EQ(job.entries_dropped, 0u);
    EXPECT_EQ(job.reason, "2 files from outside");
    const std::vector<TableFileFacts> tables = db_->TableFiles();
    ASSERT_EQ(tables.size(), 3u);
    EXPECT_EQ(tables.front().number, job.outputs[0]) << "above what is older, at level 0";
    EXPECT_EQ(tables.back().number, job.outputs[1]);
    Open();
  }
}

// Operands mean something to one operator alone.
TEST_F(IngestTest, MergesForAnotherOperatorAreRefused) {
  Options options = Small();
  options.merge_operator = CounterAddOperator();
  auto writer = TableWriter::Create("/counts", options);
  ASSERT_TRUE(writer.ok());
  ASSERT_TRUE((*writer)->Merge("n", std::string("\1\0\0\0\0\0\0\0", 8)).ok());
  ASSERT_TRUE((*writer)->Finish().ok());
  const Status refused = db_->Ingest(std::array{std::string("/counts")}, {});
  EXPECT_EQ(refused.code(), StatusCode::kInvalidArgument);
  EXPECT_NE(refused.message().find("/counts: holds merges for operator 'varve.counter', and this database has "
                                   "'varve.append'"),
            std::string_view::npos)
      << refused.ToString();
  Check();
  options.merge_operator = nullptr;
  writer = TableWriter::Create("/none", options);
  ASSERT_TRUE(writer.ok());
  EXPECT_EQ((*writer)->Merge("n", "1").code(), StatusCode::kInvalidArgument);
  EXPECT_FALSE((*writer)->Finish().ok()) << "errors stay";
  auto without = Db::Open("/without", options);
  ASSERT_TRUE(without.ok()) << without.status().ToString();
  EXPECT_EQ((*without)->Ingest(std::array{std::string("/counts")}, {}).code(), StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace varve::lsm
