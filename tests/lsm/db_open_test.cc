// Opening: what is refused, with which words, and that a refusal writes nothing.
#include <algorithm>

#include "lsm/format/coding.h"
#include "lsm/format/crc32c.h"
#include "lsm/mem/memtable.h"
#include "lsm/sync/mutex.h"
#include "lsm/version/file_names.h"
#include "lsm/version/version_edit.h"
#include "lsm/wal/log_format.h"
#include "lsm/wal/log_writer.h"
#include "tests/lsm/db_test_util.h"

namespace varve::lsm {
namespace {

using Image = std::map<std::string, std::string>;  // names and bytes of a directory

class DbOpenTest : public ::testing::Test {
 protected:
  std::string Bytes(const std::string& path) {
    auto file = machine_.disk->OpenForRead(path);
    EXPECT_TRUE(file.ok()) << path;
    if (!file.ok()) return {};
    std::string bytes(*(*file)->Size(), '\0');
    EXPECT_EQ(*(*file)->ReadAt(0, bytes.size(), bytes.data()), bytes.size());
    return bytes;
  }
  void SetBytes(const std::string& path, std::string_view bytes) {
    auto file = machine_.disk->Create(path);
    ASSERT_TRUE(file.ok());
    ASSERT_TRUE((*file)->WriteAt(0, bytes).ok());
  }
  Image Look(const std::string& dir = kDir) {
    Image image;
    auto names = machine_.disk->List(dir);
    if (!names.ok()) return image;
    for (const std::string& name : *names) image[name] = Bytes(dir + "/" + name);
    return image;
  }
  std::string FirstOf(FileKind kind) {
    for (const auto& [name, bytes] : Look()) {
      if (ParseFileName(name).kind == kind) return std::string(kDir) + "/" + name;
    }
    ADD_FAILURE() << "no such file";
    return {};
  }
  Result<std::unique_ptr<Db>> Open(OpenMode mode = OpenMode::kOwner) {
    Options options;
    options.mode = mode;
    return Db::Open(kDir, machine_.Setup(options));
  }
  // A database with one table, and with `logged` writes in the log.
  void Make(int logged = 3) {
    auto db = Open();
    ASSERT_TRUE(db.ok()) << db.status().ToString();
    ASSERT_TRUE((*db)->Put({}, "in", "a table").ok());
    ASSERT_TRUE((*db)->Flush().ok());
    for (int i = 0; i < logged; ++i) {
      ASSERT_TRUE((*db)->Put({.sync = true}, "key" + std::to_string(i), std::string(100, 'v')).ok());
    }
    ASSERT_TRUE((*db)->Close().ok());
  }
  // Opening is refused with this code and a message with all of these parts, and changes nothing.
  void ExpectRefused(StatusCode code, std::vector<std::string> parts, OpenMode mode = OpenMode::kOwner) {
    const Image before = Look();
    auto db = Open(mode);
    ASSERT_FALSE(db.ok());
    EXPECT_EQ(StatusCodeName(db.status().code()), StatusCodeName(code)) << db.status().ToString();
    for (const std::string& part : parts) {
      EXPECT_NE(db.status().message().find(part), std::string_view::npos)
          << "'" << db.status().message() << "' does not say '" << part << "'";
    }
    EXPECT_TRUE(Look() == before) << "something was written";
    EXPECT_EQ(machine_.disk->OpenHandleCount(), 0u);
  }

  Machine machine_{1};
};

TEST_F(DbOpenTest, ForeignDirectoryIsLeftAlone) {
  ASSERT_TRUE(machine_.disk->CreateDir(kDir).ok());
  SetBytes("/db/thesis.txt", "years of work");
  ExpectRefused(StatusCode::kInvalidArgument, {"/db", "thesis.txt"});
  EXPECT_EQ(Look().size(), 1u);  // not even a LOCK
  ExpectRefused(StatusCode::kNotFound, {"/db"}, OpenMode::kReadOnly);
  ExpectRefused(StatusCode::kNotFound, {"/db"}, OpenMode::kFollow);
}

TEST_F(DbOpenTest, MissingDatabase) {
  Options options;
  options.create_if_missing = false;
  auto db = Db::Open(kDir, machine_.Setup(options));
  ASSERT_FALSE(db.ok());
  EXPECT_TRUE(db.status().Is(StatusCode::kNotFound)) << db.status().ToString();
  EXPECT_FALSE(*machine_.disk->Exists(kDir));
  ExpectRefused(StatusCode::kNotFound, {"/db"}, OpenMode::kReadOnly);
  EXPECT_FALSE(*machine_.disk->Exists(kDir));
}

TEST_F(DbOpenTest, ErrorIfExists) {
  Make();
  const Image before = Look();
  Options options;
  options.error_if_exists = true;
  auto db = Db::Open(kDir, machine_.Setup(options));
  ASSERT_FALSE(db.ok());
  EXPECT_TRUE(db.status().Is(StatusCode::kInvalidArgument)) << db.status().ToString();
  EXPECT_TRUE(Look() == before);
}

TEST_F(DbOpenTest, BadOptions) {
  auto refused = [&](Options options) {
    auto db = Db::Open(kDir, machine_.Setup(options));
    return !db.ok() && db.status().Is(StatusCode::kInvalidArgument);
  };
  Options options;
  options.memory_budget = (size_t{4} << 20) - 1;
  EXPECT_TRUE(refused(options));
  options = {};
  options.block_size = 255;
  EXPECT_TRUE(refused(options));
  options = {};
  options.table_size = 1000;
  EXPECT_TRUE(refused(options));
  options = {};
  options.filter_bits_per_key = -1;
  EXPECT_TRUE(refused(options));
  EXPECT_FALSE(*machine_.disk->Exists(kDir));
}

TEST_F(DbOpenTest, SecondOwnerIsBusyAndReadersAreNot) {
  auto first = Open();
  ASSERT_TRUE(first.ok());
  ASSERT_TRUE((*first)->Put({}, "k", "v").ok());
  const Image before = Look();
  auto second = Open();
  ASSERT_FALSE(second.ok());
  EXPECT_TRUE(second.status().Is(StatusCode::kBusy)) << second.status().ToString();
  EXPECT_NE(second.status().message().find("/db/LOCK"), std::string_view::npos) << second.status().ToString();
  EXPECT_TRUE(Look() == before);
  for (OpenMode mode : {OpenMode::kReadOnly, OpenMode::kFollow}) {
    auto reader = Open(mode);
    ASSERT_TRUE(reader.ok()) << reader.status().ToString();
    EXPECT_EQ(Compare(reader->get(), {{"k", "v"}}), "");
  }
  ASSERT_TRUE((*first)->Close().ok());
  EXPECT_TRUE(Open().ok());  // the lock went with the close, not with the object
}

TEST_F(DbOpenTest, CurrentWithGarbage) {
  Make();
  for (const std::string_view bad :
       {"", "MANIFEST-000001", "\n", " \n", "garbage 1\n", "../MANIFEST-000001 1\n", "MANIFEST-00000x 1\n",
        "MANIFEST-000001\n", "MANIFEST-000001 \n", "MANIFEST-000001 1", "MANIFEST-000001 -1\n", "MANIFEST-000001 1 \n",
        "MANIFEST-000001  1\n", "MANIFEST-000001 99999999999999999999\n", "MANIFEST-000001 1\nMANIFEST-000002 1\n"}) {
    SetBytes("/db/CURRENT", bad);
    ExpectRefused(StatusCode::kCorruption, {"/db/CURRENT", "does not name a manifest"});
    ExpectRefused(StatusCode::kCorruption, {"/db/CURRENT"}, OpenMode::kFollow);
  }
  SetBytes("/db/CURRENT", std::string(100'000, 'M'));
  ExpectRefused(StatusCode::kCorruption, {"/db/CURRENT"});
}

TEST_F(DbOpenTest, CurrentNamesAMissingManifest) {
  Make();
  SetBytes("/db/CURRENT", "MANIFEST-000099 1\n");
  ExpectRefused(StatusCode::kCorruption, {"/db/CURRENT", "MANIFEST-000099", "missing"});
  ExpectRefused(StatusCode::kCorruption, {"/db/CURRENT", "MANIFEST-000099"}, OpenMode::kReadOnly);
}

TEST_F(DbOpenTest, CurrentMissing) {
  Make();
  ASSERT_TRUE(machine_.disk->Remove("/db/CURRENT").ok());
  ExpectRefused(StatusCode::kCorruption, {"/db/CURRENT", "missing"});
}

TEST_F(DbOpenTest, TableMissing) {
  Make();
  const std::string table = FirstOf(FileKind::kTable);
  ASSERT_TRUE(machine_.disk->Remove(table).ok());
  ExpectRefused(StatusCode::kCorruption, {table, "missing", "MANIFEST-"});
  ExpectRefused(StatusCode::kCorruption, {table}, OpenMode::kReadOnly);
}

TEST_F(DbOpenTest, ManifestOfAnUnknownFormat) {
  Make();
  std::string edit("\x01\x0bvarve.lsm.9", 13);
  {
    LogWriter::Setup setup;
    setup.number = 77;
    setup.salt = 5;
    auto log = LogWriter::Open(machine_.disk.get(), "/db/MANIFEST-000077", setup);
    ASSERT_TRUE(log.ok());
    ASSERT_TRUE((*log)->Append(edit).ok());
  }
  SetBytes("/db/CURRENT", "MANIFEST-000077 1\n");
  ExpectRefused(StatusCode::kUnsupported, {"/db/MANIFEST-000077", "offset", "varve.lsm.9", "varve.lsm.1"});
}

TEST_F(DbOpenTest, ManifestFromANewerVarve) {
  Make();
  VersionEdit known;
  known.names_format = true;
  std::string edit = known.Encode();
  edit += std::string("\x63\x01", 2);  // field 99
  {
    LogWriter::Setup setup;
    setup.number = 77;
    auto log = LogWriter::Open(machine_.disk.get(), "/db/MANIFEST-000077", setup);
    ASSERT_TRUE(log.ok());
    ASSERT_TRUE((*log)->Append(edit).ok());
  }
  SetBytes("/db/CURRENT", "MANIFEST-000077 1\n");
  ExpectRefused(StatusCode::kUnsupported, {"/db/MANIFEST-000077", "99"});
}

// Gives the log in `path` another format version, with a checksum that fits.
std::string WithLogVersion(std::string log, uint32_t version) {
  EncodeFixed32(log.data() + kLogHeaderSize + 8, version);
  const uint32_t length = DecodeFixed32(log.data() + 4);
  EncodeFixed32(log.data(), MaskCrc(Crc32c(0, std::string_view(log).substr(4, kLogHeaderSize - 4 + length))));
  return log;
}

TEST_F(DbOpenTest, LogOfAnUnknownVersion) {
  Make();
  for (const auto& [name, bytes] : Look()) {
    if (ParseFileName(name).kind == FileKind::kWal) SetBytes("/db/" + name, WithLogVersion(bytes, 9));
  }
  ExpectRefused(StatusCode::kUnsupported, {".wal", "version 9"});
  ExpectRefused(StatusCode::kUnsupported, {".wal", "version 9"}, OpenMode::kFollow);
}

TEST_F(DbOpenTest, ManifestOfAnUnknownVersion) {
  Make();
  const std::string manifest = FirstOf(FileKind::kManifest);
  SetBytes(manifest, WithLogVersion(Bytes(manifest), 9));
  ExpectRefused(StatusCode::kUnsupported, {manifest, "version 9"});
}

// Tables are opened when they are first needed: the read says what is wrong, and only for what lies in that table.
TEST_F(DbOpenTest, TableOfAnUnknownVersion) {
  Make();
  const std::string table = FirstOf(FileKind::kTable);
  std::string bytes = Bytes(table);
  bytes.back() = 9;
  SetBytes(table, bytes);
  auto db = Open();
  ASSERT_TRUE(db.ok()) << db.status().ToString();
  PinnedValue value;
  Result<bool> found = (*db)->Get({}, "in", &value);
  ASSERT_FALSE(found.ok());
  EXPECT_TRUE(found.status().Is(StatusCode::kUnsupported)) << found.status().ToString();
  EXPECT_NE(found.status().message().find(table), std::string_view::npos) << found.status().ToString();
  EXPECT_TRUE(*(*db)->Get({}, "key1", &value));
  EXPECT_NE(Problems(db->get()).find(table), std::string::npos);
}

TEST_F(DbOpenTest, RotInTheManifest) {
  Make();
  const std::string manifest = FirstOf(FileKind::kManifest);
  std::string bytes = Bytes(manifest);
  bytes[65] ^= 1;  // in the first edit; later ones say that it was durable
  SetBytes(manifest, bytes);
  ExpectRefused(StatusCode::kCorruption, {manifest, "offset"});
}

// The last edit names a table whose log segment may be in use again: it must not be taken for a torn one.
TEST_F(DbOpenTest, RotInTheLastEditOfTheManifest) {
  Make();
  const std::string manifest = FirstOf(FileKind::kManifest);
  const std::string good = Bytes(manifest);
  const size_t table_key = good.rfind("in");  // the bounds of the one table
  ASSERT_NE(table_key, std::string::npos);
  std::string bytes = good;
  bytes[table_key] ^= 1;
  SetBytes(manifest, bytes);
  ExpectRefused(StatusCode::kCorruption, {manifest, "offset"});
  // A torn mark behind it is nothing.
  bytes = good;
  bytes.back() ^= 1;
  SetBytes(manifest, bytes);
  auto db = Open();
  ASSERT_TRUE(db.ok()) << db.status().ToString();
  EXPECT_EQ(ReadAll(db->get())->size(), 4u);
}

TEST_F(DbOpenTest, RotInTheLogBeforeDurableRecords) {
  Make(5);
  std::string bytes, path;
  for (const auto& [name, content] : Look()) {  // the segment with the records
    if (ParseFileName(name).kind == FileKind::kWal && content.find("key0") != std::string::npos) {
      path = "/db/" + name;
      bytes = content;
    }
  }
  ASSERT_FALSE(path.empty());
  bytes[bytes.find("key1")] ^= 0x20;
  SetBytes(path, bytes);
  ExpectRefused(StatusCode::kCorruption, {path, "offset"});
}

// Damages the last of five records in the log.
void TearTail(MemoryFileSystem* disk) {
  for (const std::string& path : FilesEnding(disk, kDir, ".wal")) {
    std::string bytes = FileBytes(disk, path);
    const size_t last = bytes.find("key4");
    if (last == std::string::npos) continue;
    bytes[last] ^= 1;
    auto file = disk->OpenForWrite(path);
    ASSERT_TRUE(file.ok() && (*file)->WriteAt(0, bytes).ok());
  }
}

TEST_F(DbOpenTest, TornTailIsCutAndCounted) {
  std::unique_ptr<MemoryFileSystem> left;
  {
    auto db = Open();
    for (int i = 0; i < 5; ++i) ASSERT_TRUE((*db)->Put({.sync = true}, "key" + std::to_string(i), "v").ok());
    left = machine_.disk->CrashClone(CrashPlan::KeepAll());
  }
  Machine after(1, std::move(left));
  TearTail(after.disk.get());
  auto db = Db::Open(kDir, after.Setup());
  ASSERT_TRUE(db.ok()) << db.status().ToString();
  EXPECT_GT((*db)->Stats().wal_tail_cut_bytes, 0u);
  PinnedValue value;
  EXPECT_TRUE(*(*db)->Get({}, "key3", &value));
  EXPECT_FALSE(*(*db)->Get({}, "key4", &value));
}

// Whoever closed it has left word of where the log ended.
TEST_F(DbOpenTest, NoTailIsCutOffAClosedLog) {
  Make(5);
  TearTail(machine_.disk.get());
  for (const OpenMode mode : {OpenMode::kOwner, OpenMode::kReadOnly, OpenMode::kFollow}) {
    ExpectRefused(StatusCode::kCorruption, {".wal", "ends with sequence 5", "up to 6 was durable"}, mode);
  }
}

// So has one that recovered what it found, and died.
TEST_F(DbOpenTest, ARecoveredLogThatIsGoneIsMissed) {
  Make(5);
  std::unique_ptr<MemoryFileSystem> left;
  {
    auto db = Open();
    ASSERT_TRUE(db.ok()) << db.status().ToString();
    left = machine_.disk->CrashClone(CrashPlan::DropUnsynced());
  }
  Machine after(1, std::move(left));
  for (const std::string& path : FilesEnding(after.disk.get(), kDir, ".wal"))
    ASSERT_TRUE(after.disk->Remove(path).ok());
  auto db = Db::Open(kDir, after.Setup());
  ASSERT_FALSE(db.ok());
  EXPECT_NE(db.status().message().find("ends with sequence 1, but"), std::string_view::npos) << db.status().ToString();
}

// The process dies with two full memtables not flushed; then a log segment in the middle gets lost.
TEST_F(DbOpenTest, MissingSegmentIsNoticed) {
  Options options;
  options.memtable_size = 8192;
  std::unique_ptr<MemoryFileSystem> left;
  {
    auto db = Db::Open(kDir, machine_.Setup(options));
    ASSERT_TRUE(db.ok());
    for (int i = 0; i < 20; ++i) ASSERT_TRUE((*db)->Put({.sync = true}, std::to_string(i), std::string(900, 'v')).ok());
    left = machine_.disk->CrashClone(CrashPlan::KeepAll());
  }
  Machine after(1, std::move(left));
  std::vector<std::string> segments;
  const auto names = after.disk->List(kDir);
  ASSERT_TRUE(names.ok());
  for (const std::string& name : *names) {
    if (ParseFileName(name).kind == FileKind::kWal) segments.push_back(name);
  }
  std::sort(segments.begin(), segments.end());
  ASSERT_EQ(segments.size(), 3u);
  ASSERT_TRUE(after.disk->Remove("/db/" + segments[1]).ok());
  auto db = Db::Open(kDir, after.Setup(options));
  ASSERT_FALSE(db.ok());
  EXPECT_TRUE(db.status().Is(StatusCode::kCorruption)) << db.status().ToString();
  EXPECT_NE(db.status().message().find(segments[2]), std::string_view::npos) << db.status().ToString();
}

TEST_F(DbOpenTest, ReadersWriteNothing) {
  Make();
  const Image before = Look();
  for (OpenMode mode : {OpenMode::kReadOnly, OpenMode::kFollow}) {
    const uint64_t first_call = machine_.fs.CallCount();
    machine_.fs.SetHook([&](const FileCall& call) {
      EXPECT_TRUE(call.op == FileOp::kOpenForRead || call.op == FileOp::kReadAt || call.op == FileOp::kSize ||
                  call.op == FileOp::kList || call.op == FileOp::kExists || call.op == FileOp::kFileSize)
          << FileOpName(call.op) << " " << call.path;
    });
    auto db = Open(mode);
    ASSERT_TRUE(db.ok()) << db.status().ToString();
    EXPECT_GT(machine_.fs.CallCount(), first_call);
    EXPECT_EQ(Problems(db->get()), "");
    EXPECT_EQ(ReadAll(db->get())->size(), 4u);
    WriteBatch batch;
    batch.Put("a", "b");
    const std::vector<Status> refused = {
        (*db)->Write({}, batch),    (*db)->Flush(),
        (*db)->SyncWal(),           (*db)->CompactRange({}, {}),
        (*db)->Checkpoint("/copy"), (*db)->WriteAsync(batch, nullptr).status(),
    };
    for (const Status& s : refused) {
      EXPECT_TRUE(s.Is(StatusCode::kReadOnly)) << s.ToString();
    }
    EXPECT_TRUE((*db)->CatchUp().ok());
    EXPECT_TRUE((*db)->Close().ok());
    machine_.fs.SetHook(nullptr);
  }
  EXPECT_TRUE(Look() == before);
}

// A log that ends with an operation without effect: its sequence counts all the same.
TEST_F(DbOpenTest, EmptyRangesAtTheEndOfTheLogCount) {
  Options options;
  options.memtable_size = 1;  // every record a memtable of its own when replayed
  options.wal_sync = WalSync::kNever;
  Rows rows;
  auto machine = std::make_unique<Machine>(1);
  for (int life = 0; life < 4; ++life) {
    auto db = Db::Open(kDir, machine->Setup(options));
    ASSERT_TRUE(db.ok()) << "life " << life << ": " << db.status().ToString();
    ASSERT_EQ(Compare(db->get(), rows), "") << "life " << life;
    if (life != 1) {
      const std::string key = "key" + std::to_string(life);
      ASSERT_TRUE((*db)->Put({}, key, "v").ok());
      rows[key] = "v";
    }
    ASSERT_TRUE((*db)->DeleteRange({}, "z", "a").ok());
    auto left = machine->disk->CrashClone(CrashPlan::KeepAll());  // the process dies before any background work
    db->reset();
    machine = std::make_unique<Machine>(static_cast<uint64_t>(life) + 2, std::move(left));
  }
}

// A replay fills small memtables; one flush takes as many as make one of the usual size.
TEST_F(DbOpenTest, WhatAReplayFilledIsFlushedTogether) {
  Options options;
  options.memtable_size = 64 << 20;
  options.wal_sync = WalSync::kNever;
  auto db = Db::Open(kDir, machine_.Setup(options));
  ASSERT_TRUE(db.ok());
  Rows rows;
  const auto put = [&](int i, char fill) {
    const std::string key = "key" + std::to_string(i);
    ASSERT_TRUE((*db)->Put({}, key, std::string(1000, fill)).ok());
    rows[key] = std::string(1000, fill);
  };
  for (int i = 0; i < 20'000; ++i) put(i, 'a');
  ASSERT_TRUE((*db)->DeleteRange({}, "key1", "key15").ok());
  rows.erase(rows.lower_bound("key1"), rows.lower_bound("key15"));
  for (int i = 10'000; i < 30'000; ++i) put(i, 'b');
  ASSERT_TRUE((*db)->Delete({}, "key7").ok());
  rows.erase("key7");
  ASSERT_EQ((*db)->Stats().flushes, 0u);

  Machine next(2, machine_.disk->CrashClone(CrashPlan::KeepAll()));
  auto reopened = Db::Open(kDir, next.Setup(options));
  ASSERT_TRUE(reopened.ok()) << reopened.status().ToString();
  EXPECT_EQ(Compare(reopened->get(), rows), "") << "before the flush";
  next.executor.RunAll();
  EXPECT_EQ((*reopened)->Stats().flushes, 1u);
  EXPECT_EQ((*reopened)->Stats().levels[0].files, 1u);
  EXPECT_EQ(Compare(reopened->get(), rows), "");
  // The log is needed no more: with all of it gone nothing is missing.
  Machine last(3, next.disk->CrashClone(CrashPlan::KeepAll()));
  auto again = Db::Open(kDir, last.Setup(options));
  ASSERT_TRUE(again.ok()) << again.status().ToString();
  EXPECT_EQ((*again)->Stats().memtable_bytes, MemTable().memory_bytes());
  EXPECT_EQ(Compare(again->get(), rows), "");
}

TEST_F(DbOpenTest, TrailingSlashesDoNotMatter) {
  auto db = Db::Open("/db///", machine_.Setup());
  ASSERT_TRUE(db.ok());
  EXPECT_EQ((*db)->dir(), "/db");
  ASSERT_TRUE((*db)->Put({}, "k", "v").ok());
  ASSERT_TRUE((*db)->Checkpoint("/copy/").ok());
  Options options;
  options.mode = OpenMode::kReadOnly;
  auto copy = Db::Open("/copy/", machine_.Setup(options));
  ASSERT_TRUE(copy.ok()) << copy.status().ToString();
  EXPECT_EQ(Compare(copy->get(), {{"k", "v"}}), "");
}

#ifdef NDEBUG
// With Abseil's deadlock detector, as Debian builds it, this ends the process: two locks taken in both orders.
TEST_F(DbOpenTest, NoLockPaysForADeadlockDetector) {
  auto db = Db::Open(kDir, machine_.Setup());
  ASSERT_TRUE(db.ok());
  Mutex first, second;
  for (Mutex* outer : {&first, &second}) {
    MutexLock lock(outer);
    MutexLock inner(outer == &first ? &second : &first);
  }
}
#endif

}  // namespace
}  // namespace varve::lsm
