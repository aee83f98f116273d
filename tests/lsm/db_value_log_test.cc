// Large values apart from their keys: every way to read them, what becomes of their garbage, and what is left after
// damage.
#include <atomic>
#include <thread>

#include "lsm/vlog/value_log_file.h"
#include "tests/lsm/db_test_util.h"

namespace varve::lsm {
namespace {

std::string Key(uint64_t n) {
  return "key" + std::to_string(10'000 + n);
}

// Bytes that do not compress, told apart by their seed.
std::string Noise(size_t size, uint64_t seed) {
  std::mt19937_64 random(seed);
  std::string value(size, '\0');
  for (char& c : value) c = static_cast<char>(random());
  return value;
}

class DbValueLogTest : public ::testing::Test {
 protected:
  static Options Small() {
    Options options;
    options.memory_budget = size_t{8} << 20;
    options.memtable_size = 64 * 1024;
    options.table_size = 128 * 1024;
    options.wal_sync = WalSync::kNever;
    options.value_log_threshold = 1000;
    return options;
  }
  void Open(const Options& options = Small(), const std::string& dir = kDir) {
    db_.reset();
    auto db = Db::Open(dir, machine_->Setup(options));
    ASSERT_TRUE(db.ok()) << db.status().ToString();
    db_ = std::move(db).value();
  }
  void Put(const std::string& key, const std::string& value) {
    ASSERT_TRUE(db_->Put({}, key, value).ok());
    rows_[key] = value;
  }
  void Fill(uint64_t count, size_t size, uint64_t seed) {
    for (uint64_t i = 0; i < count; ++i) Put(Key(i), Noise(size, seed * 1000 + i));
  }
  void Settle() {
    ASSERT_TRUE(db_->Flush().ok());
    ASSERT_TRUE(db_->CompactRange({}, {}).ok());
    ASSERT_TRUE(db_->WaitForBackgroundWork().ok());
  }
  std::vector<std::string> ValueLogs(const std::string& dir = kDir) {
    auto names = machine_->disk->List(dir);
    std::vector<std::string> logs;
    for (const std::string& name : *names) {
      if (name.ends_with(".vlog")) logs.push_back(dir + "/" + name);
    }
    std::sort(logs.begin(), logs.end());
    return logs;
  }
  uint64_t BytesOnDisk() {
    uint64_t bytes = 0;
    for (const std::string& path : ValueLogs()) bytes += *machine_->disk->FileSize(path);
    return bytes;
  }
  void Damage(const std::string& path, uint64_t offset) {
    char byte;
    ASSERT_EQ(*(*machine_->disk->OpenForRead(path))->ReadAt(offset, 1, &byte), 1u);
    byte = static_cast<char>(byte ^ 1);
    ASSERT_TRUE((*machine_->disk->OpenForWrite(path))->WriteAt(offset, {&byte, 1}).ok());
  }

  std::unique_ptr<Machine> machine_ = std::make_unique<Machine>(1);
  std::unique_ptr<Db> db_;
  Rows rows_;
};

TEST_F(DbValueLogTest, ValuesOfAllSizesInEveryWay) {
  Open();
  for (const size_t size : {0, 1, 999, 1000, 1001, 5000, 100'000, 3'000'000}) {
    Put("noise" + std::to_string(size), Noise(size, size));
    Put("even" + std::to_string(size), std::string(size, 'e'));
  }
  ASSERT_TRUE(db_->Flush().ok());
  ASSERT_FALSE(ValueLogs().empty());
  EXPECT_EQ(Compare(db_.get(), rows_), "");
  Settle();
  EXPECT_EQ(Compare(db_.get(), rows_), "");
  EXPECT_EQ(Problems(db_.get()), "");
  EXPECT_EQ(db_->Verify()->values, 10u);
  EXPECT_EQ(db_->Stats().value_log_files, ValueLogs().size());
  EXPECT_EQ(db_->Stats().value_log_garbage_bytes, 0u);
  EXPECT_GT(db_->ApproximateSize({}, {}), 3'000'000u);
  Open();
  EXPECT_EQ(Compare(db_.get(), rows_), "");
  std::vector<std::string_view> keys = {"noise5000", "nothing", "even3000000"};
  std::vector<PinnedValue> values(keys.size());
  auto found = db_->MultiGet({}, keys, values);
  EXPECT_TRUE(*found[0] && !*found[1] && *found[2]);
  EXPECT_EQ(values[2].view(), rows_["even3000000"]);
  EXPECT_EQ(values[0].view(), rows_["noise5000"]);
}

TEST_F(DbValueLogTest, ZeroTurnsItOff) {
  Options options = Small();
  options.value_log_threshold = 0;
  Open(options);
  Fill(20, 5000, 1);
  Settle();
  EXPECT_TRUE(ValueLogs().empty());
  Open();  // on again: the next compaction that writes the rows moves their values out
  Put(Key(0), Noise(5000, 77));
  Put(Key(19), Noise(5000, 78));
  Settle();
  EXPECT_FALSE(ValueLogs().empty());
  EXPECT_EQ(db_->Verify()->values, 20u);
  EXPECT_EQ(Compare(db_.get(), rows_), "");
}

TEST_F(DbValueLogTest, CompactionsCopyPointersNotValues) {
  Open();
  Fill(10, 10'000, 1);
  ASSERT_TRUE(db_->Flush().ok());
  const uint64_t before = db_->Stats().compaction_write_bytes;
  Settle();
  EXPECT_LT(db_->Stats().compaction_write_bytes - before, 10'000u);
  EXPECT_EQ(db_->Stats().value_log_moved_bytes, 0u);
}

TEST_F(DbValueLogTest, TryGetReadsNoFile) {
  Open();
  Fill(3, 5000, 1);
  Settle();
  Open();
  PinnedValue value;
  ASSERT_TRUE(*db_->Get({}, Key(1), &value));
  ASSERT_TRUE(*db_->TryGet({}, Key(1), &value));
  EXPECT_EQ(value.view(), rows_[Key(1)]);
  EXPECT_TRUE(db_->TryGet({}, Key(2), &value).status().Is(StatusCode::kWouldBlock));
  ASSERT_TRUE(*db_->Get({}, Key(2), &value));
  ASSERT_TRUE(*db_->TryGet({}, Key(2), &value));
  EXPECT_EQ(value.view(), rows_[Key(2)]);
}

TEST_F(DbValueLogTest, AWalkOverKeysReadsNoValues) {
  Open();
  Fill(20, 5000, 1);
  Settle();
  uint64_t reads = 0;
  machine_->fs.SetHook([&](const FileCall& call) {
    if (call.path_class == PathClass::kValueLog && call.op == FileOp::kReadAt) ++reads;
  });
  Iterator it = db_->NewIterator({});
  uint64_t count = 0;
  for (it.SeekToFirst(); it.Valid(); it.Next()) ++count;
  for (it.SeekToLast(); it.Valid(); it.Prev()) ++count;
  EXPECT_EQ(count, 40u);
  EXPECT_EQ(reads, 0u);
  it.Seek(Key(7));
  const std::string_view first = it.value();
  EXPECT_EQ(first, rows_[Key(7)]);
  const uint64_t once = reads;
  EXPECT_EQ(it.value().data(), first.data()) << "asked for twice, read once";
  EXPECT_EQ(reads, once);
  it.Prev();
  EXPECT_EQ(it.value(), rows_[Key(6)]);
  machine_->fs.SetHook(nullptr);
}

// Files before their directory, the directory before the manifest.
TEST_F(DbValueLogTest, SyncedBeforeTheManifestNamesThem) {
  Open();
  Fill(2, 5000, 1);
  machine_->fs.SetTracing(true);
  ASSERT_TRUE(db_->Flush().ok());
  std::vector<std::string> calls;
  for (const std::string& line : machine_->fs.Trace()) {
    const size_t op = line.find(' ') + 1;
    for (const char* call : {"sync value log", "sync table", "syncdir", "write manifest", "sync manifest"}) {
      if (line.compare(op, std::string_view(call).size(), call) != 0) continue;
      if (calls.empty() || calls.back() != call) calls.push_back(call);
    }
  }
  machine_->fs.SetTracing(false);
  const auto find = [&](auto from, std::string_view call) { return std::find(from, calls.end(), call); };
  const auto log = find(calls.begin(), "sync value log"), table = find(calls.begin(), "sync table");
  ASSERT_TRUE(log != calls.end() && table != calls.end());
  const auto manifest = find(calls.begin(), "write manifest");
  EXPECT_LT(find(std::max(log, table), "syncdir"), manifest) << "files, then their directory, then the edit";
  EXPECT_NE(find(manifest, "sync manifest"), calls.end());
}

TEST_F(DbValueLogTest, AFileWithoutLiveValuesGoes) {
  Open();
  Fill(20, 5000, 1);
  Settle();
  const std::vector<std::string> old = ValueLogs();
  Fill(20, 5000, 2);
  Settle();
  for (const std::string& path : old) EXPECT_FALSE(*machine_->disk->Exists(path)) << path;
  EXPECT_EQ(Compare(db_.get(), rows_), "");
  ASSERT_TRUE(db_->DeleteRange({}, "", "z").ok());
  rows_.clear();
  Settle();
  EXPECT_TRUE(ValueLogs().empty());
  EXPECT_EQ(db_->Stats().value_log_bytes, 0u);
}

// Whatever is overwritten, the files stay within 1.5 times what is live, and the slack of some memtables.
TEST_F(DbValueLogTest, SpaceStaysBounded) {
  constexpr uint64_t kCount = 600;
  constexpr size_t kSize = 4000;
  Open();
  Fill(kCount, kSize, 1);
  Dice dice(5);
  const uint64_t slack = 8 * Small().memtable_size;
  uint64_t worst = 0;
  for (uint64_t i = 0; i < 6 * kCount; ++i) {
    Put(Key(dice.OneIn(3) ? dice.Below(kCount) : dice.Below(kCount / 6)), Noise(kSize, 1'000'000 + i));
    if (dice.OneIn(4)) machine_->executor.RunOne();
    const DbStats stats = db_->Stats();
    const uint64_t live = stats.value_log_bytes - stats.value_log_garbage_bytes;
    ASSERT_LE(stats.value_log_bytes, live + live / 2 + slack) << "after " << i << " writes";
    worst = std::max(worst, 100 * stats.value_log_bytes / (kCount * kSize));
  }
  Settle();
  const DbStats stats = db_->Stats();
  EXPECT_GT(stats.value_log_moved_bytes, 0u);
  EXPECT_LE(BytesOnDisk(), kCount * kSize * 4 / 3 + 6 * Small().memtable_size);
  EXPECT_GT(worst, 100u);
  EXPECT_EQ(Compare(db_.get(), rows_), "");
  EXPECT_EQ(Problems(db_.get()), "");
  Open();
  EXPECT_EQ(Compare(db_.get(), rows_), "");
}

// Collection alone, with every level in shape: nothing is written, and still the garbage goes.
TEST_F(DbValueLogTest, CollectionNeedsNoWrites) {
  Open();
  Fill(400, 4000, 1);
  Settle();
  for (uint64_t i = 0; i < 400; i += 2) ASSERT_TRUE(db_->Delete({}, Key(i)).ok());
  for (uint64_t i = 0; i < 400; i += 2) rows_.erase(Key(i));
  ASSERT_TRUE(db_->CompactRange({}, {}).ok());
  EXPECT_GT(db_->Stats().value_log_garbage_bytes, 700'000u);
  ASSERT_TRUE(db_->WaitForBackgroundWork().ok());
  const DbStats stats = db_->Stats();
  EXPECT_LE(stats.value_log_garbage_bytes, stats.value_log_bytes / 4 + 4 * Small().memtable_size);
  EXPECT_GT(stats.value_log_moved_bytes, 0u);
  EXPECT_EQ(Compare(db_.get(), rows_), "");
  EXPECT_EQ(Problems(db_.get()), "");
}

TEST_F(DbValueLogTest, SnapshotsAndIteratorsKeepTheirValues) {
  Open();
  Fill(200, 4000, 1);
  Settle();
  const Rows then = rows_;
  auto snapshot = db_->GetSnapshot();
  Fill(200, 4000, 2);
  Settle();
  Iterator it = db_->NewIterator({});
  it.SeekToFirst();
  const Rows later = rows_;
  ReadOptions at;
  at.snapshot = snapshot.get();
  EXPECT_EQ(Compare(db_.get(), then, at), "");
  for (uint64_t round = 3; round < 7; ++round) {
    Fill(200, 4000, round);
    Settle();
    ASSERT_EQ(Compare(db_.get(), then, at), "") << round;
  }
  snapshot.reset();
  Fill(200, 4000, 7);
  Settle();
  EXPECT_LE(db_->Stats().value_log_bytes, 200 * 4100 * 4 / 3 + 4 * Small().memtable_size);
  auto want = later.begin();
  for (; it.Valid(); it.Next(), ++want) ASSERT_EQ(it.value(), want->second) << "an iterator holds its files";
  EXPECT_TRUE(it.status().ok()) << it.status().ToString();
  EXPECT_EQ(want, later.end());
}

TEST_F(DbValueLogTest, CheckpointsAndFollowersHoldTheirFiles) {
  Open();
  Fill(100, 4000, 1);
  ASSERT_TRUE(db_->Checkpoint("/copy").ok());
  const Rows then = rows_;
  Options follow = Small();
  follow.mode = OpenMode::kFollow;
  auto follower = Db::Open(kDir, machine_->Setup(follow));
  ASSERT_TRUE(follower.ok()) << follower.status().ToString();
  for (uint64_t round = 2; round < 5; ++round) {
    Fill(100, 4000, round);
    Settle();
  }
  EXPECT_EQ(Compare(follower->get(), then), "") << "files removed meanwhile stay open";
  EXPECT_EQ((*follower)->Stats().value_log_files > 0, true);
  ASSERT_TRUE((*follower)->CatchUp().ok());
  EXPECT_EQ(Compare(follower->get(), rows_), "");
  Options read_only = Small();
  read_only.mode = OpenMode::kReadOnly;
  auto copy = Db::Open("/copy", machine_->Setup(read_only));
  ASSERT_TRUE(copy.ok()) << copy.status().ToString();
  EXPECT_EQ(Compare(copy->get(), then), "");
  EXPECT_EQ(Problems(copy->get()), "");
  copy = Db::Open("/copy", machine_->Setup(Small()));
  ASSERT_TRUE(copy.ok()) << copy.status().ToString();
  EXPECT_EQ(Compare(copy->get(), then), "");
}

TEST_F(DbValueLogTest, OpeningRemovesOrphansAndMissesNoFile) {
  Open();
  Fill(20, 5000, 1);
  Settle();
  db_.reset();
  const std::string orphan = ValueLogFileName(kDir, 999'999);
  ASSERT_TRUE(machine_->disk->Create(orphan).ok());
  const size_t before = ValueLogs().size();
  Open();
  EXPECT_FALSE(*machine_->disk->Exists(orphan));
  EXPECT_EQ(ValueLogs().size(), before - 1);
  EXPECT_EQ(Compare(db_.get(), rows_), "");
  db_.reset();
  const std::string lost = ValueLogs().front();
  ASSERT_TRUE(machine_->disk->Remove(lost).ok());
  auto db = Db::Open(kDir, machine_->Setup(Small()));
  ASSERT_TRUE(db.status().Is(StatusCode::kCorruption));
  EXPECT_NE(db.status().message().find(lost), std::string::npos) << db.status().ToString();
}

TEST_F(DbValueLogTest, ADamagedValueIsReportedWhereItIsRead) {
  Open();
  Fill(3, 5000, 1);
  Settle();
  ASSERT_EQ(ValueLogs().size(), 1u);
  db_.reset();
  Damage(ValueLogs().front(), 20 + 5009 + 2000);  // inside the second value
  Open();
  const std::string where = ValueLogs().front() + ": block at offset 5033: checksum mismatch";
  PinnedValue value;
  EXPECT_TRUE(*db_->Get({}, Key(0), &value));
  const Status got = db_->Get({}, Key(1), &value).status();
  EXPECT_TRUE(got.Is(StatusCode::kCorruption));
  EXPECT_EQ(got.message(), where);
  EXPECT_TRUE(*db_->Get({}, Key(2), &value));
  Iterator it = db_->NewIterator({});
  it.SeekToFirst();
  EXPECT_EQ(it.value(), rows_[Key(0)]);
  it.Next();
  EXPECT_TRUE(it.Valid() && it.status().ok()) << "the key is there";
  EXPECT_EQ(it.value(), "");
  EXPECT_EQ(it.status().message(), where);
  it.Next();
  EXPECT_FALSE(it.Valid());
  EXPECT_TRUE(it.status().Is(StatusCode::kCorruption));
  it.Seek(Key(2));
  ASSERT_TRUE(it.Valid()) << "positioned anew, it goes on";
  EXPECT_EQ(it.value(), rows_[Key(2)]);
  EXPECT_TRUE(it.status().ok());
  it.SeekToLast();
  it.Prev();
  EXPECT_EQ(it.value(), "");
  it.Prev();
  EXPECT_FALSE(it.Valid());
  EXPECT_FALSE(it.status().ok());
  auto report = db_->Verify();
  ASSERT_TRUE(report.ok());
  ASSERT_EQ(report->problems.size(), 1u);
  EXPECT_TRUE(report->problems[0].starts_with(where)) << report->problems[0];
}

// A rotten value is no reason to keep the others' garbage, or to hold up compaction.
TEST_F(DbValueLogTest, ADamagedValueHoldsUpNothing) {
  Open();
  Fill(300, 4000, 1);
  Settle();
  db_.reset();
  Damage(ValueLogs().front(), 20 + 100);  // the value of the first key
  Open();
  for (uint64_t round = 2; round < 6; ++round) {
    for (uint64_t i = 1; i < 300; ++i) {
      if (i % 5 != 0) Put(Key(i), Noise(4000, round * 1000 + i));
    }
    Settle();
  }
  const DbStats stats = db_->Stats();
  EXPECT_EQ(stats.background_error, "");
  EXPECT_GT(stats.value_log_moved_bytes, 0u);
  EXPECT_LE(stats.value_log_bytes, 300 * 4100 * 3 / 2 + 8 * Small().memtable_size);
  PinnedValue value;
  EXPECT_TRUE(db_->Get({}, Key(0), &value).status().Is(StatusCode::kCorruption));
  for (uint64_t i = 1; i < 300; ++i) {
    ASSERT_TRUE(*db_->Get({}, Key(i), &value)) << i;
    ASSERT_EQ(value.view(), rows_[Key(i)]) << i;
  }
  EXPECT_EQ(db_->Verify()->problems.size(), 1u);
}

TEST_F(DbValueLogTest, TurnedOffLaterItsGarbageIsStillCollected) {
  Open();
  Fill(200, 4000, 1);
  Settle();
  Options off = Small();
  off.value_log_threshold = 0;
  Open(off);
  EXPECT_EQ(Compare(db_.get(), rows_), "");
  Fill(100, 4000, 2);
  Settle();
  const DbStats stats = db_->Stats();
  EXPECT_LE(stats.value_log_bytes, 100 * 4100 + 4 * Small().memtable_size);
  EXPECT_EQ(Compare(db_.get(), rows_), "");
  EXPECT_EQ(Problems(db_.get()), "");
}

TEST_F(DbValueLogTest, ReadersWhileFilesComeAndGo) {
  constexpr uint64_t kCount = 100;
  Options options = Small();
  options.file_system = machine_->disk.get();
  options.background_threads = 2;
  auto opened = Db::Open(kDir, options);
  ASSERT_TRUE(opened.ok()) << opened.status().ToString();
  Db* db = opened->get();
  auto value_of = [](uint64_t key, uint64_t round) {
    return std::to_string(key) + ":" + std::string(2000 + 10 * key, static_cast<char>('a' + round % 26));
  };
  for (uint64_t i = 0; i < kCount; ++i) ASSERT_TRUE(db->Put({}, Key(i), value_of(i, 0)).ok());
  std::atomic<bool> done{false};
  std::atomic<uint64_t> reads{0};
  auto whole = [&](uint64_t key, std::string_view value) {
    return value.starts_with(std::to_string(key) + ":") && value.find_first_not_of(value.back(), 4) >= value.size() &&
           value.size() == value_of(key, 0).size();
  };
  std::vector<std::thread> readers;
  for (uint64_t r = 0; r < 2; ++r) {
    readers.emplace_back([&, r] {
      Dice dice(r);
      PinnedValue value;
      while (!done.load()) {
        const uint64_t key = dice.Below(kCount);
        auto found = db->Get({}, Key(key), &value);
        ASSERT_TRUE(found.ok() && *found) << found.status().ToString();
        ASSERT_TRUE(whole(key, value.view()));
        if (dice.OneIn(20)) {
          Iterator it = db->NewIterator({});
          uint64_t n = 0;
          for (it.SeekToFirst(); it.Valid(); it.Next()) ASSERT_TRUE(whole(n++, it.value()));
          ASSERT_TRUE(it.status().ok()) << it.status().ToString();
          ASSERT_EQ(n, kCount);
        }
        reads.fetch_add(1);
      }
    });
  }
  for (uint64_t round = 1; round < 30; ++round) {
    for (uint64_t i = 0; i < kCount; ++i) ASSERT_TRUE(db->Put({}, Key(i), value_of(i, round)).ok());
  }
  while (reads.load() < 200) std::this_thread::yield();
  done = true;
  for (std::thread& reader : readers) reader.join();
  ASSERT_TRUE(db->WaitForBackgroundWork().ok());
  EXPECT_EQ(Problems(db), "");
}

}  // namespace
}  // namespace varve::lsm
