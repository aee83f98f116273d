// Repair: whatever is damaged, what is sound stays, what is lost is named, and nothing is thrown away.
#include "lsm/repair.h"

#include <array>

#include "lsm/table_writer.h"
#include "tests/lsm/db_test_util.h"

namespace varve::lsm {
namespace {

class RepairTest : public ::testing::Test {
 protected:
  Options Small() {
    Options options;
    options.memtable_size = 32 * 1024;
    options.table_size = 64 * 1024;
    options.block_size = 1024;
    options.wal_sync = WalSync::kAlways;
    return machine_->Setup(options);
  }
  // Tables in the last level and in level 0, one of them from outside, and a log.
  void Make() {
    auto opened = Db::Open(kDir, Small());
    ASSERT_TRUE(opened.ok()) << opened.status().ToString();
    Db* db = opened->get();
    for (int i = 0; i < 1000; ++i) Put(db, i, "bottom");
    ASSERT_TRUE(db->CompactRange({}, {}).ok());
    for (int i = 300; i < 400; ++i) Put(db, i, "middle");
    ASSERT_TRUE(db->DeleteRange({}, "k10310", "k10320").ok());
    rows_.erase(rows_.lower_bound("k10310"), rows_.lower_bound("k10320"));
    ASSERT_TRUE(db->Flush().ok());
    auto writer = TableWriter::Create("/load", Small());
    ASSERT_TRUE(writer.ok());
    for (int i = 350; i < 360; ++i) {
      rows_["k" + std::to_string(10'000 + i)] = "from outside";
      ASSERT_TRUE((*writer)->Put("k" + std::to_string(10'000 + i), "from outside").ok());
    }
    ASSERT_TRUE((*writer)->Finish().ok());
    ASSERT_TRUE(db->Ingest(std::array{std::string("/load")}, {}).ok());
    flushed_ = rows_;
    for (int i = 355; i < 375; ++i) Put(db, i, "logged");
    last_sequence_ = db->Stats().last_sequence;
    tables_ = db->TableFiles();
    ASSERT_TRUE(db->Close().ok());
  }
  void Put(Db* db, int i, const std::string& value) {
    const std::string key = "k" + std::to_string(10'000 + i);
    rows_[key] = value + std::string(100, 'v') + std::to_string(i);
    ASSERT_TRUE(db->Put({}, key, rows_[key]).ok());
  }
  void Ingest(Db* db, int from, int to) {
    auto writer = TableWriter::Create("/load", Small());
    ASSERT_TRUE(writer.ok());
    for (int i = from; i < to; ++i) {
      const std::string key = "k" + std::to_string(10'000 + i);
      rows_[key] = "from outside";
      ASSERT_TRUE((*writer)->Put(key, rows_[key]).ok());
    }
    ASSERT_TRUE((*writer)->Finish().ok());
    ASSERT_TRUE(db->Ingest(std::array{std::string("/load")}, {}).ok());
  }
  static std::string Losses(const RepairReport& report) {
    std::string text;
    for (const RepairLoss& loss : report.losses) text += loss.file + ": " + loss.problem + "\n";
    return text;
  }
  std::string First(std::string_view ending) { return Files(ending).front(); }
  std::vector<std::string> Files(std::string_view ending) { return FilesEnding(machine_->disk.get(), kDir, ending); }
  std::string Manifest() {
    for (const std::string& path : Files("")) {
      if (path.find("MANIFEST") != std::string::npos) return path;
    }
    return {};
  }
  void Remove(const std::string& path) { ASSERT_TRUE(machine_->disk->Remove(path).ok()); }
  // The segment of the log that holds such a value; the last may be one that was begun for later.
  std::string SegmentWith(std::string_view value) {
    for (const std::string& path : Files(".wal")) {
      if (FileBytes(machine_->disk.get(), path).find(value) != std::string::npos) return path;
    }
    ADD_FAILURE() << "no segment holds " << value;
    return {};
  }
  // As if the segment had not been used again yet.
  void Restore(const std::string& segment, const std::string& bytes) {
    auto file = machine_->disk->Create(segment);
    ASSERT_TRUE(file.ok());
    ASSERT_TRUE((*file)->WriteAt(0, bytes).ok());
  }
  void ExpectRefused() {
    auto db = Db::Open(kDir, Small());
    EXPECT_FALSE(db.ok());
  }
  RepairReport Repaired() {
    auto report = Repair(kDir, Small());
    EXPECT_TRUE(report.ok()) << report.status().ToString();
    EXPECT_EQ(machine_->disk->OpenHandleCount(), 0u);
    return report.ok() ? *report : RepairReport();
  }
  // Opens: sound, with these rows, writable, and still so when opened again.
  void ExpectRows(const Rows& rows) {
    auto db = Db::Open(kDir, Small());
    ASSERT_TRUE(db.ok()) << db.status().ToString();
    EXPECT_EQ(Compare(db->get(), rows), "");
    EXPECT_EQ(Problems(db->get()), "");
    EXPECT_GE((*db)->Stats().last_sequence, last_sequence_);
    ASSERT_TRUE((*db)->CompactRange({}, {}).ok());
    ASSERT_TRUE((*db)->Put({}, "k10355", "later").ok());
    db->reset();
    db = Db::Open(kDir, Small());
    ASSERT_TRUE(db.ok()) << db.status().ToString();
    Rows later = rows;
    later["k10355"] = "later";
    EXPECT_EQ(Compare(db->get(), later), "");
  }
  // Rows missing must have been named by key; those there must be right, or an older value where the newer was lost.
  void ExpectMissingOnly(const RepairReport& report) {
    auto db = Db::Open(kDir, Small());
    ASSERT_TRUE(db.ok()) << db.status().ToString();
    EXPECT_EQ(Problems(db->get()), "");
    auto rows = ReadAll(db->get());
    ASSERT_TRUE(rows.ok());
    const auto named = [&](const std::string& key) {
      for (const RepairLoss& loss : report.losses) {
        if (loss.smallest <= key && key <= loss.largest) return true;
      }
      return false;
    };
    for (const auto& [key, value] : rows_) {
      const auto found = rows->find(key);
      if (found != rows->end() && found->second == value) continue;
      EXPECT_TRUE(named(key)) << key;
    }
    for (const auto& [key, value] : *rows) {
      EXPECT_TRUE(rows_.contains(key) || named(key)) << key;
    }
  }

  std::unique_ptr<Machine> machine_ = std::make_unique<Machine>(1);
  Rows rows_, flushed_;
  std::vector<TableFileFacts> tables_;
  SequenceNumber last_sequence_ = 0;
};

TEST_F(RepairTest, OfASoundDatabaseLosesNothing) {
  Make();
  const RepairReport report = Repaired();
  EXPECT_TRUE(report.manifest_used);
  EXPECT_TRUE(report.losses.empty());
  EXPECT_EQ(report.tables_kept, tables_.size());
  EXPECT_EQ(report.log_records, 20u);
  EXPECT_EQ(report.last_sequence, last_sequence_);
  ExpectRows(rows_);
}

TEST_F(RepairTest, CurrentMissing) {
  Make();
  Remove("/db/CURRENT");
  ExpectRefused();
  const RepairReport report = Repaired();
  EXPECT_TRUE(report.manifest_used);
  EXPECT_TRUE(report.losses.empty());
  ExpectRows(rows_);
}

TEST_F(RepairTest, CurrentDamaged) {
  Make();
  FlipByte(machine_->disk.get(), "/db/CURRENT", 3);
  ExpectRefused();
  const RepairReport report = Repaired();
  EXPECT_TRUE(report.manifest_used);
  ASSERT_EQ(report.losses.size(), 1u);
  EXPECT_EQ(report.losses[0].file, "CURRENT");
  EXPECT_TRUE(*machine_->disk->Exists("/db/lost/CURRENT"));
  ExpectRows(rows_);
}

TEST_F(RepairTest, ManifestMissing) {
  Make();
  Remove(Manifest());
  ExpectRefused();
  const RepairReport report = Repaired();
  EXPECT_FALSE(report.manifest_used);
  ExpectRows(rows_);
}

TEST_F(RepairTest, ManifestDamagedAnywhere) {
  Make();
  const uint64_t size = machine_->disk->FileSize(Manifest()).value();
  for (uint64_t offset = 0; offset < size; offset += 1 + size / 40) {
    SCOPED_TRACE(offset);
    machine_ = std::make_unique<Machine>(1);
    rows_.clear();
    Make();
    const std::string manifest = Manifest();
    FlipByte(machine_->disk.get(), manifest, offset);
    Repaired();
    EXPECT_TRUE(*machine_->disk->Exists("/db/lost/" + manifest.substr(4)));
    ExpectRows(rows_);
  }
}

TEST_F(RepairTest, OnlyTheTablesAreLeft) {
  Make();
  Remove(Manifest());
  Remove("/db/CURRENT");
  for (const std::string& wal : Files(".wal")) Remove(wal);
  ExpectRefused();
  last_sequence_ -= 20;  // the log's
  const RepairReport report = Repaired();
  EXPECT_EQ(report.last_sequence, last_sequence_);
  ExpectRows(flushed_);
}

// Without a manifest it is the tables' numbers that tell which is newer. The file's number was once drawn before the
// memtable was flushed.
TEST_F(RepairTest, AnIngestedFileIsNewerThanWhatWasFlushedForIt) {
  auto db = Db::Open(kDir, Small());
  ASSERT_TRUE(db.ok());
  for (int i = 0; i < 20; ++i) Put(db->get(), i, "in the memtable");
  Ingest(db->get(), 5, 15);
  for (int i = 10; i < 12; ++i) Put(db->get(), i, "logged");
  db->reset();
  Remove(Manifest());
  Remove("/db/CURRENT");
  const RepairReport report = Repaired();
  EXPECT_EQ(Losses(report), "");
  ExpectRows(rows_);
}

TEST_F(RepairTest, WhereTheOrderOfAnIngestedFileIsAGuessItIsReported) {
  auto db = Db::Open(kDir, Small());
  ASSERT_TRUE(db.ok());
  Ingest(db->get(), 5, 15);
  Ingest(db->get(), 30, 40);
  for (int i = 0; i < 10; ++i) Put(db->get(), i, "flushed later");
  ASSERT_TRUE((*db)->Flush().ok());
  db->reset();
  Remove(Manifest());
  Remove("/db/CURRENT");
  const RepairReport report = Repaired();
  ASSERT_EQ(report.losses.size(), 1u) << Losses(report);
  EXPECT_NE(report.losses[0].problem.find("order unknown"), std::string::npos);
  EXPECT_EQ(report.losses[0].smallest, "k10005");
  EXPECT_EQ(report.losses[0].largest, "k10014");
  ExpectRows(rows_);
}

// Keys are written three times, so that the log's first segment is older than the tables, which compaction has made
// forget their sequences.
class StaleLogTest : public RepairTest {
 protected:
  void SetUp() override {
    auto db = Db::Open(kDir, Small());
    ASSERT_TRUE(db.ok());
    for (const char* value : {"first", "second"}) {
      for (int i = 0; i < 10; ++i) Put(db->get(), i, value);
      const std::string segment = SegmentWith(value);
      segments_.push_back(segment);
      bytes_.push_back(FileBytes(machine_->disk.get(), segment));
      ASSERT_TRUE((*db)->Flush().ok());
    }
    ASSERT_TRUE((*db)->CompactRange({}, {}).ok());
    for (int i = 5; i < 8; ++i) Put(db->get(), i, "third");
    db->reset();
    Remove("/db/CURRENT");
    Remove(Manifest());
    for (const std::string& segment : segments_) {
      if (*machine_->disk->Exists(segment)) Remove(segment);
    }
  }
  void Restore(size_t i) { RepairTest::Restore(segments_[i], bytes_[i]); }

  std::vector<std::string> segments_, bytes_;
};

TEST_F(StaleLogTest, IsNotReadBackOverNewerTables) {
  Restore(0);
  const RepairReport report = Repaired();
  EXPECT_EQ(report.log_records, 3u);
  ASSERT_EQ(report.losses.size(), 2u) << Losses(report);
  EXPECT_EQ("/db/" + report.losses[0].file, segments_[0]);
  EXPECT_EQ(report.losses[0].first_seq, 1u);
  EXPECT_EQ(report.losses[0].last_seq, 10u);
  EXPECT_NE(report.losses[1].problem.find("unless tables hold them"), std::string::npos) << Losses(report);
  EXPECT_TRUE(*machine_->disk->Exists("/db/lost/" + segments_[0].substr(4)));
  ExpectRows(rows_);
}

TEST_F(StaleLogTest, IsReadBackWhereItLeadsUpToTheNewestRecord) {
  Restore(0);
  Restore(1);
  const RepairReport report = Repaired();
  EXPECT_EQ(report.log_records, 23u);
  EXPECT_EQ(Losses(report), "");
  ExpectRows(rows_);
}

// Everything before an ingest was flushed for it, and compaction may have merged that with what was taken in.
TEST_F(RepairTest, TheLogBeforeAnIngestIsNotReadBackOverIt) {
  auto db = Db::Open(kDir, Small());
  ASSERT_TRUE(db.ok());
  for (int i = 0; i < 20; ++i) Put(db->get(), i, "old");
  const std::string segment = SegmentWith("old"), bytes = FileBytes(machine_->disk.get(), segment);
  Ingest(db->get(), 5, 15);
  ASSERT_TRUE((*db)->CompactRange({}, {}).ok());
  for (int i = 13; i < 22; ++i) Put(db->get(), i, "later");
  db->reset();
  ASSERT_EQ(Files(".wal").size(), 1u);
  Restore(segment, bytes);
  Remove(Manifest());
  Remove("/db/CURRENT");
  EXPECT_EQ(Repaired().log_records, 9u);
  ExpectRows(rows_);
}

TEST_F(RepairTest, ATableMissing) {
  Make();
  for (const TableFileFacts& table : std::vector<TableFileFacts>(tables_)) {
    SCOPED_TRACE(table.path);
    machine_ = std::make_unique<Machine>(1);
    rows_.clear();
    Make();
    Remove(table.path);
    ExpectRefused();
    const RepairReport report = Repaired();
    ASSERT_EQ(report.losses.size(), 1u);
    EXPECT_EQ("/db/" + report.losses[0].file, table.path);
    EXPECT_EQ(report.losses[0].smallest, table.smallest);
    EXPECT_EQ(report.losses[0].first_seq, table.smallest_sequence);
    ExpectMissingOnly(report);
  }
}

TEST_F(RepairTest, ATableDamagedAnywhere) {
  Make();
  for (const TableFileFacts& table : std::vector<TableFileFacts>(tables_)) {
    for (uint64_t offset = 7; offset < table.size; offset += 1 + table.size / 12) {
      SCOPED_TRACE(table.path + " " + std::to_string(offset));
      machine_ = std::make_unique<Machine>(1);
      rows_.clear();
      Make();
      const std::string before = FileBytes(machine_->disk.get(), table.path);
      FlipByte(machine_->disk.get(), table.path, offset);
      const RepairReport report = Repaired();
      EXPECT_TRUE(report.tables_rewritten == 1 || table.entries < 20);  // of one block nothing is left
      const std::string kept = FileBytes(machine_->disk.get(), "/db/lost/" + table.path.substr(4));
      EXPECT_EQ(kept.size(), before.size());
      for (const RepairLoss& loss : report.losses) {
        EXPECT_LT(loss.offset, table.size);
      }
      ExpectMissingOnly(report);
    }
  }
}

// What its first blocks hold takes the place of the dictionary in the tail.
TEST_F(RepairTest, ATableWithADictionaryThatHasLostItsTail) {
  Options options = Small();
  options.memtable_size = 1024 * 1024;
  auto opened = Db::Open(kDir, options);
  ASSERT_TRUE(opened.ok()) << opened.status().ToString();
  const std::string text = R"({"maintainer":"Debian Developers <devel@lists.debian.org>","section":"libdevel","id":")";
  for (int i = 0; i < 2000; ++i) Put(opened->get(), i, text);
  ASSERT_TRUE((*opened)->CompactRange({}, {}).ok());
  tables_ = (*opened)->TableFiles();
  ASSERT_TRUE((*opened)->Close().ok());
  opened->reset();
  const TableFileFacts& table = tables_.front();
  const std::string bytes = FileBytes(machine_->disk.get(), table.path);
  ASSERT_NE(bytes.find("dictionary"), std::string::npos) << "among its properties";
  FlipByte(machine_->disk.get(), table.path, table.size - 20);
  const RepairReport report = Repaired();
  EXPECT_EQ(report.tables_rewritten, 1u);
  ExpectRows(rows_);
}

TEST_F(RepairTest, TheLogDamagedAnywhere) {
  Make();
  std::string log;
  for (const std::string& path : Files(".wal")) {
    const std::string bytes = FileBytes(machine_->disk.get(), path);
    if (bytes.find("logged") != std::string::npos) log = path;
  }
  ASSERT_NE(log, "");
  const std::string bytes = FileBytes(machine_->disk.get(), log);
  const uint64_t end = bytes.rfind("logged") + 100;
  for (uint64_t offset = 1; offset < end; offset += 1 + end / 60) {
    SCOPED_TRACE(offset);
    machine_ = std::make_unique<Machine>(1);
    rows_.clear();
    Make();
    FlipByte(machine_->disk.get(), log, offset);
    const RepairReport report = Repaired();
    EXPECT_GE(report.log_records, 19u);
    auto db = Db::Open(kDir, Small());
    ASSERT_TRUE(db.ok());
    auto rows = ReadAll(db->get());
    ASSERT_TRUE(rows.ok());
    int differences = 0;
    for (const auto& [key, value] : rows_) differences += (*rows)[key] != value ? 1 : 0;
    EXPECT_LE(differences, 1);
    EXPECT_FALSE(report.losses.empty());
    EXPECT_TRUE(*machine_->disk->Exists("/db/lost/" + log.substr(4)));
  }
}

TEST_F(RepairTest, EverythingDamagedALittle) {
  Make();
  Remove("/db/CURRENT");
  FlipByte(machine_->disk.get(), Manifest(), 100);
  for (const TableFileFacts& table : tables_) FlipByte(machine_->disk.get(), table.path, 20);
  const RepairReport report = Repaired();
  EXPECT_FALSE(report.manifest_used);
  EXPECT_GE(report.losses.size(), tables_.size());
  ExpectMissingOnly(report);
}

TEST_F(RepairTest, TwiceIsAsGoodAsOnce) {
  Make();
  Remove(Manifest());
  Repaired();
  const RepairReport second = Repaired();
  EXPECT_TRUE(second.manifest_used);
  EXPECT_TRUE(second.losses.empty());
  ExpectRows(rows_);
}

TEST_F(RepairTest, RefusesWhatIsNotADatabaseAndWhatIsInUse) {
  EXPECT_EQ(Repair("/nowhere", Small()).status().code(), StatusCode::kNotFound);
  ASSERT_TRUE(machine_->fs.CreateDir("/empty").ok());
  EXPECT_EQ(Repair("/empty", Small()).status().code(), StatusCode::kNotFound);
  auto db = Db::Open(kDir, Small());
  ASSERT_TRUE(db.ok());
  EXPECT_EQ(Repair(kDir, Small()).status().code(), StatusCode::kBusy);
}

// Operands and expiries are kept as they are; the operator's name goes into the new manifest.
TEST_F(RepairTest, MergesAndValuesThatExpire) {
  const auto in = [&](int64_t ms) { return static_cast<uint64_t>(machine_->clock.WallMillis() + ms); };
  for (const bool with_manifest : {true, false}) {
    machine_ = std::make_unique<Machine>(1);
    {
      auto db = Db::Open(kDir, Small());
      ASSERT_TRUE(db.ok());
      ASSERT_TRUE((*db)->Put({}, "a", "1").ok());
      ASSERT_TRUE((*db)->PutWithExpiry({}, "b", "1", in(1000)).ok());
      ASSERT_TRUE((*db)->CompactRange({}, {}).ok());
      ASSERT_TRUE((*db)->Merge({}, "a", "2").ok());
      ASSERT_TRUE((*db)->Merge({}, "b", "2").ok());
      ASSERT_TRUE((*db)->Flush().ok());
      ASSERT_TRUE((*db)->Merge({}, "a", "3").ok());
      ASSERT_TRUE((*db)->PutWithExpiry({}, "c", "3", in(1000)).ok());
    }
    Remove(First("CURRENT"));
    if (with_manifest) {
      Options other = Small();
      other.merge_operator = CounterAddOperator();
      EXPECT_TRUE(Repair(kDir, other).status().Is(StatusCode::kInvalidArgument));
    } else {
      Remove(Manifest());
    }
    EXPECT_EQ(Repaired().manifest_used, with_manifest);
    Options unnamed = Small();
    unnamed.merge_operator = nullptr;  // found by its name
    auto db = Db::Open(kDir, unnamed);
    ASSERT_TRUE(db.ok()) << db.status().ToString();
    EXPECT_EQ(Compare(db->get(), {{"a", "123"}, {"b", "12"}, {"c", "3"}}), "");
    machine_->clock.AdvanceMillis(1000);
    EXPECT_EQ(Compare(db->get(), {{"a", "123"}, {"b", "2"}}), "");
    EXPECT_EQ(Problems(db->get()), "");
  }
}

// As many range deletes as one memtable holds, each within the last: what the log gives back is no square of them.
TEST_F(RepairTest, NestedRangeDeletesStaySmall) {
  auto db = Db::Open(kDir, Small());
  ASSERT_TRUE(db.ok());
  WriteBatch batch;
  for (int i = 0; i < 1000; ++i) batch.DeleteRange(std::to_string(10'000 + i), std::to_string(30'000 - i));
  ASSERT_TRUE((*db)->Write({}, batch).ok());
  ASSERT_TRUE((*db)->Put({}, "15000", "x").ok());
  db->reset();
  Remove(Manifest());
  Remove("/db/CURRENT");
  ExpectRefused();
  EXPECT_EQ(Losses(Repaired()), "");
  for (const std::string& path : Files(".sst")) EXPECT_LT(*machine_->disk->FileSize(path), 200'000u);
  ExpectRows({{"15000", "x"}});
}

}  // namespace
}  // namespace varve::lsm
