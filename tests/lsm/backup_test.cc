// Backups: what they share, what they survive, what is found when they are damaged.
#include "lsm/backup.h"

#include <array>

#include "lsm/format/coding.h"
#include "lsm/io/copy_file.h"
#include "tests/lsm/db_test_util.h"

namespace varve::lsm {
namespace {

constexpr char kBackups[] = "/backups";

class BackupTest : public DbFixture {
 protected:
  void SetUp() override { Open(); }
  void Open() {
    Options options;
    options.memtable_size = 64 * 1024;
    options.table_size = 64 * 1024;
    DbFixture::Open(options);
  }
  BackupOptions Given() {
    BackupOptions options;
    options.file_system = &machine_.fs;
    options.clock = &machine_.clock;
    options.random = &machine_.random;
    options.on_progress = [this](const BackupProgress& progress) { progress_ = progress; };
    return options;
  }
  void Fill(const std::string& prefix, int count) {
    for (int i = 0; i < count; ++i) {
      const std::string key = prefix + std::to_string(1000 + i);
      rows_[key] = std::string(200, static_cast<char>('a' + i % 26));
      ASSERT_TRUE(db_->Put({}, key, rows_[key]).ok());
    }
  }
  uint64_t Create() {
    auto id = Backup::Create(db_.get(), kBackups, Given());
    EXPECT_TRUE(id.ok()) << id.status().ToString();
    return id.ok() ? *id : 0;
  }
  std::vector<BackupInfo> List() {
    auto list = Backup::List(kBackups, Given());
    EXPECT_TRUE(list.ok()) << list.status().ToString();
    return list.ok() ? *list : std::vector<BackupInfo>();
  }
  // Restores backup `id` and compares.
  void ExpectRestores(uint64_t id, const Rows& rows) {
    const std::string target = "/restored" + std::to_string(++restored_);
    Status s = Backup::Restore(kBackups, id, target, Given());
    ASSERT_TRUE(s.ok()) << s.ToString();
    auto db = Db::Open(target, machine_.Setup());
    ASSERT_TRUE(db.ok()) << db.status().ToString();
    EXPECT_EQ(Compare(db->get(), rows), "");
    EXPECT_EQ(Problems(db->get()), "");
    EXPECT_TRUE((*db)->Put({.sync = true}, "another", "write").ok());
    EXPECT_TRUE((*db)->CompactRange({}, {}).ok());
  }
  std::vector<std::string> Stored() { return FilesEnding(machine_.disk.get(), "/backups/files", ""); }

  Rows rows_;
  BackupProgress progress_;
  int restored_ = 0;
};

TEST_F(BackupTest, HoldsWhatWasAcknowledgedAndOnlyThat) {
  Fill("a", 100);
  const Rows then = rows_;
  const uint64_t id = Create();
  Fill("b", 100);
  EXPECT_EQ(id, 1u);
  ExpectRestores(id, then);
  const auto list = List();
  ASSERT_EQ(list.size(), 1u);
  EXPECT_EQ(list[0].sequence, 100u);
  EXPECT_EQ(list[0].wall_ms, ManualClock::kWallStartMillis);
  EXPECT_EQ(list[0].new_bytes, list[0].bytes);
  EXPECT_GT(list[0].bytes, 1000u);
  EXPECT_EQ(list[0].problem, "");
}

TEST_F(BackupTest, OfAnEmptyDatabase) {
  ExpectRestores(Create(), {});
}

TEST_F(BackupTest, StoresOnlyWhatIsNew) {
  Fill("a", 1000);
  const uint64_t first = Create();
  const Rows then = rows_;
  Fill("b", 10);
  const uint64_t second = Create();
  const auto list = List();
  ASSERT_EQ(list.size(), 2u);
  EXPECT_LT(list[1].new_bytes, list[0].bytes / 4);
  EXPECT_GT(list[1].new_bytes, 0u);
  EXPECT_EQ(list[1].bytes, list[0].bytes + list[1].new_bytes);
  EXPECT_EQ(Stored().size(), list[1].files);
  ExpectRestores(first, then);
  ExpectRestores(second, rows_);
}

TEST_F(BackupTest, SurvivesTheDatabase) {
  Fill("a", 300);
  const uint64_t id = Create();
  db_.reset();
  for (const std::string& path : FilesEnding(machine_.disk.get(), kDir, "")) {
    ASSERT_TRUE(machine_.fs.Remove(path).ok());
  }
  ExpectRestores(id, rows_);
}

// What another file system would do: no links.
TEST_F(BackupTest, CopiesWhereItCannotLink) {
  FaultRule rule;
  rule.ops = {FileOp::kLink};
  machine_.fs.AddRule(rule);
  Fill("a", 300);
  const uint64_t id = Create();
  for (const std::string& path : FilesEnding(machine_.disk.get(), kDir, ".sst")) FlipByte(machine_.disk.get(), path, 9);
  ExpectRestores(id, rows_);
}

// A link that was made although its answer was an error: a copy into it would truncate the database's own file.
TEST_F(BackupTest, NeverWritesIntoALink) {
  FaultRule rule;
  rule.ops = {FileOp::kLink};
  rule.effect = FaultRule::Effect::kEverything;
  machine_.fs.AddRule(rule);
  Fill("a", 300);
  const uint64_t id = Create();
  machine_.fs.ClearRules();
  EXPECT_EQ(Problems(db_.get()), "");
  EXPECT_EQ(Compare(db_.get(), rows_), "");
  ExpectRestores(id, rows_);
}

TEST_F(BackupTest, DeletingKeepsWhatOthersHold) {
  Fill("a", 500);
  const uint64_t first = Create();
  const Rows then = rows_;
  Fill("b", 500);
  ASSERT_TRUE(db_->CompactRange({}, {}).ok());  // other files from here on
  const uint64_t second = Create();
  Fill("c", 10);
  const uint64_t third = Create();
  ASSERT_TRUE(Backup::Delete(kBackups, second, Given()).ok());
  ExpectRestores(third, rows_);
  ExpectRestores(first, then);
  ASSERT_TRUE(Backup::Delete(kBackups, first, Given()).ok());
  ASSERT_TRUE(Backup::Delete(kBackups, third, Given()).ok());
  EXPECT_TRUE(Stored().empty());
  EXPECT_TRUE(List().empty());
  EXPECT_EQ(Backup::Delete(kBackups, 2, Given()).code(), StatusCode::kNotFound);
  EXPECT_EQ(Backup::Restore(kBackups, 2, "/x", Given()).code(), StatusCode::kNotFound);
}

TEST_F(BackupTest, DamageIsFoundAndNamed) {
  Fill("a", 500);
  const uint64_t id = Create();
  for (const std::string& path : Stored()) {
    for (const uint64_t offset : {uint64_t{0}, *machine_.disk->FileSize(path) - 1}) {
      FlipByte(machine_.disk.get(), path, offset);
      const Status s = Backup::Restore(kBackups, id, "/target", Given());
      EXPECT_EQ(s.code(), StatusCode::kCorruption);
      EXPECT_NE(s.message().find(path), std::string_view::npos) << s.ToString();
      EXPECT_FALSE(*machine_.disk->Exists("/target"));
      EXPECT_FALSE(*machine_.disk->Exists("/.target.varve-unfinished"));
      auto report = Backup::Verify(kBackups, id, Given());
      ASSERT_TRUE(report.ok());
      ASSERT_EQ(report->problems.size(), 1u);
      EXPECT_NE(report->problems[0].find(path), std::string::npos) << report->problems[0];
      ASSERT_TRUE(machine_.disk->Rename(path + ".damaged", path).ok());
      FlipByte(machine_.disk.get(), path, offset);
    }
  }
  auto report = Backup::Verify(kBackups, id, Given());
  ASSERT_TRUE(report.ok());
  EXPECT_TRUE(report->problems.empty());
  EXPECT_EQ(report->tables, Stored().size());
  EXPECT_EQ(progress_.files, progress_.files_total);
  EXPECT_EQ(progress_.bytes, progress_.bytes_total);
}

TEST_F(BackupTest, AMissingFileIsStoredAgainByTheNextBackup) {
  Fill("a", 500);
  const uint64_t first = Create();
  ASSERT_TRUE(machine_.fs.Remove(Stored().front()).ok());
  auto report = Backup::Verify(kBackups, first, Given());
  ASSERT_TRUE(report.ok());
  ASSERT_EQ(report->problems.size(), 1u);
  EXPECT_NE(report->problems[0].find("missing"), std::string::npos);
  ExpectRestores(Create(), rows_);
  ExpectRestores(first, rows_);
}

// It was present by its size, so every later backup shared the rot.
TEST_F(BackupTest, ADamagedFileIsStoredAgainOnceVerifyHasFoundIt) {
  FaultRule no_links;  // else the database would share the damage
  no_links.ops = {FileOp::kLink};
  machine_.fs.AddRule(no_links);
  Fill("a", 500);
  const uint64_t first = Create();
  const std::string rotten = Stored().front();
  FlipByte(machine_.disk.get(), rotten, 30);
  {
    auto lock = machine_.fs.Lock("/backups/LOCK");  // a backup is being made
    ASSERT_TRUE(lock.ok());
    EXPECT_EQ(Backup::Verify(kBackups, first, Given())->problems.size(), 1u);
    EXPECT_TRUE(*machine_.disk->Exists(rotten));
  }
  EXPECT_EQ(Backup::Verify(kBackups, first, Given())->problems.size(), 1u);
  EXPECT_FALSE(*machine_.disk->Exists(rotten));
  EXPECT_TRUE(*machine_.disk->Exists(rotten + ".damaged"));
  ExpectRestores(Create(), rows_);
  ExpectRestores(first, rows_);
  EXPECT_TRUE(Backup::Verify(kBackups, first, Given())->problems.empty());
  ASSERT_TRUE(Backup::Delete(kBackups, 1, Given()).ok());
  ASSERT_TRUE(Backup::Delete(kBackups, 2, Given()).ok());
  EXPECT_TRUE(Stored().empty()) << "the damaged one too";
}

TEST_F(BackupTest, ADamagedTableIsNotBackedUp) {
  Fill("a", 500);
  ASSERT_TRUE(db_->Flush().ok());
  const std::string table = FilesEnding(machine_.disk.get(), kDir, ".sst").front();
  FlipByte(machine_.disk.get(), table, 50);
  auto id = Backup::Create(db_.get(), kBackups, Given());
  ASSERT_FALSE(id.ok());
  EXPECT_EQ(id.status().code(), StatusCode::kCorruption);
  EXPECT_NE(id.status().message().find(table), std::string_view::npos) << id.status().ToString();
  EXPECT_TRUE(List().empty());
}

TEST_F(BackupTest, ADamagedRecordHidesNoOther) {
  Fill("a", 100);
  const uint64_t first = Create();
  Fill("b", 100);
  const uint64_t second = Create();
  FlipByte(machine_.disk.get(), "/backups/000001.backup", 60);
  auto list = List();
  ASSERT_EQ(list.size(), 2u);
  EXPECT_NE(list[0].problem.find("000001.backup"), std::string::npos) << list[0].problem;
  EXPECT_EQ(list[1].problem, "");
  EXPECT_EQ(Backup::Restore(kBackups, first, "/x", Given()).code(), StatusCode::kCorruption);
  const Rows then = rows_;
  Fill("c", 10);
  const uint64_t third = Create();
  const size_t files = Stored().size();
  ASSERT_TRUE(Backup::Delete(kBackups, third, Given()).ok());
  EXPECT_EQ(Stored().size(), files) << "the damaged record may name any file";
  ASSERT_TRUE(Backup::Delete(kBackups, first, Given()).ok());
  EXPECT_LT(Stored().size(), files);
  ExpectRestores(second, then);
}

TEST_F(BackupTest, TargetsMustBeNew) {
  Fill("a", 10);
  const uint64_t id = Create();
  const Status s = Backup::Restore(kBackups, id, kDir, Given());
  EXPECT_EQ(s.code(), StatusCode::kInvalidArgument) << s.ToString();
  EXPECT_EQ(Compare(db_.get(), rows_), "");
}

// Every regular file in /srv/app/files was once deleted, and every *.tmp above.
TEST_F(BackupTest, SomebodyElsesDirectoryIsRefused) {
  Fill("a", 10);
  for (const char* dir : {"/srv", "/srv/app", "/srv/app/files"}) ASSERT_TRUE(machine_.fs.CreateDir(dir).ok());
  for (const char* path : {"/srv/app/draft.tmp", "/srv/app/files/photo.jpg"})
    ASSERT_TRUE(machine_.fs.Create(path).ok());
  auto id = Backup::Create(db_.get(), "/srv/app", Given());
  EXPECT_EQ(id.status().code(), StatusCode::kInvalidArgument) << id.status().ToString();
  EXPECT_NE(id.status().message().find("/srv/app: is no directory of backups"), std::string_view::npos);
  EXPECT_TRUE(*machine_.disk->Exists("/srv/app/draft.tmp"));
  EXPECT_TRUE(*machine_.disk->Exists("/srv/app/files/photo.jpg"));
  EXPECT_FALSE(*machine_.disk->Exists("/srv/app/LOCK"));
  auto other = Db::Open("/other", machine_.Setup());
  ASSERT_TRUE(other.ok());
  ASSERT_TRUE((*other)->Close().ok());
  EXPECT_EQ(Backup::Create(db_.get(), "/other", Given()).status().code(), StatusCode::kInvalidArgument);
}

TEST_F(BackupTest, WhatIsNotABackupsStaysWhereItIs) {
  Fill("a", 10);
  Create();
  const std::array foreign{"/backups/draft.tmp",
                           "/backups/README",
                           "/backups/files/photo.jpg",
                           "/backups/files/0123456789abcdef-01234567.txt",
                           "/backups/files/0123456789ABCDEF-01234567.sst",
                           "/backups/files/0123456789abcdef-012345678.sst",
                           "/backups/files/0123456789abcde--01234567.sst",
                           "/backups/files/.tmp"};
  const std::array ours{"/backups/files/new.tmp", "/backups/files/0123456789abcdef-01234567.sst",
                        "/backups/files/0123456789abcdef-01234567.vlog", "/backups/000007.backup.tmp"};
  for (const char* path : foreign) ASSERT_TRUE(machine_.fs.Create(path).ok());
  for (const char* path : ours) ASSERT_TRUE(machine_.fs.Create(path).ok());
  Create();
  for (const char* path : foreign) EXPECT_TRUE(*machine_.disk->Exists(path)) << path;
  for (const char* path : ours) EXPECT_FALSE(*machine_.disk->Exists(path)) << path;
}

// What a crash in the first Create leaves.
TEST_F(BackupTest, AnInterruptedFirstBackupIsNotInTheWay) {
  Fill("a", 10);
  ASSERT_TRUE(machine_.fs.CreateDir(kBackups).ok());
  ASSERT_TRUE(machine_.fs.CreateDir("/backups/files").ok());
  for (const char* name : {"LOCK", "000001.backup.tmp", "files/new.tmp"})
    ASSERT_TRUE(machine_.fs.Create(std::string(kBackups) + "/" + name).ok());
  ExpectRestores(Create(), rows_);
}

TEST_F(BackupTest, OneWriterAtATime) {
  ASSERT_TRUE(machine_.fs.CreateDir(kBackups).ok());
  auto lock = machine_.fs.Lock("/backups/LOCK");
  ASSERT_TRUE(lock.ok());
  EXPECT_EQ(Backup::Create(db_.get(), kBackups, Given()).status().code(), StatusCode::kBusy);
}

TEST_F(BackupTest, OfAClosedDatabase) {
  ASSERT_TRUE(db_->Close().ok());
  EXPECT_EQ(Backup::Create(db_.get(), kBackups, Given()).status().code(), StatusCode::kClosed);
}

// Pins the record's layout (lsm/backup.h): a change needs a new format name.
TEST_F(BackupTest, RecordLayout) {
  ASSERT_TRUE(db_->Put({}, "k", "v").ok());
  Create();
  const std::string record = FileBytes(machine_.disk.get(), "/backups/000001.backup");
  const std::string stored = Stored().front();
  const std::string table = FilesEnding(machine_.disk.get(), kDir, ".sst").front();
  std::string want;
  PutLengthPrefixed(&want, "varve.backup.1");
  PutVarint64(&want, ManualClock::kWallStartMillis);
  want.push_back(1);                                          // sequence
  want.push_back(1);                                          // files
  PutLengthPrefixed(&want, table.substr(table.size() - 10));  // "000003.sst"
  const size_t id_at = stored.size() - std::string("0123456789abcdef-01234567.sst").size();
  PutFixed64(&want, std::stoull(stored.substr(id_at, 16), nullptr, 16));
  PutVarint64(&want, *machine_.disk->FileSize(stored));
  PutFixed32(&want, static_cast<uint32_t>(std::stoul(stored.substr(id_at + 17, 8), nullptr, 16)));
  want.push_back(1);                        // new
  const size_t payload_at = 16 + 512 + 16;  // identity and header: lsm/wal/log_format.h
  EXPECT_EQ(Printable(record.substr(payload_at, want.size())), Printable(want));
}

}  // namespace
}  // namespace varve::lsm
