// MultiGet's steps, GetAsync, and what the filters save.
#include <algorithm>
#include <array>
#include <atomic>
#include <thread>

#include "lsm/version/file_names.h"
#include "tests/lsm/db_test_util.h"

namespace varve::lsm {
namespace {

std::string KeyOf(uint64_t n) {
  std::string digits = std::to_string(n);
  return "key" + std::string(9 - digits.size(), '0') + digits;
}

class DbReadsTest : public ::testing::Test {
 protected:
  static Options Small() {
    Options options;
    options.memtable_size = 256 * 1024;
    options.table_size = 64 * 1024;
    options.block_size = 1024;
    options.compression = Compression::kNone;
    options.wal_sync = WalSync::kNever;
    options.background_threads = 1;
    return options;
  }
  void Open(const Options& options) {
    db_.reset();
    auto db = Db::Open(kDir, options);
    ASSERT_TRUE(db.ok()) << db.status().ToString();
    db_ = std::move(db).value();
  }
  // Rows 0, step, 2 step ...; each value names its key.
  void Fill(uint64_t count, uint64_t step = 1) {
    WriteBatch batch;
    for (uint64_t i = 0; i < count; ++i) {
      batch.Clear();
      batch.Put(KeyOf(i * step), "value of " + KeyOf(i * step));
      ASSERT_TRUE(db_->Write({}, batch).ok());
    }
    ASSERT_TRUE(db_->Flush().ok());
  }
  uint64_t TableReads() {
    const auto trace = machine_.fs.Trace();
    return static_cast<uint64_t>(std::count_if(trace.begin(), trace.end(), [](const std::string& line) {
      return line.find(" read table ") != std::string::npos;
    }));
  }
  struct Answers {
    std::vector<std::string> keys;
    std::vector<PinnedValue> values;
    std::vector<Result<bool>> found;
  };
  Answers MultiGet(std::vector<std::string> keys, const ReadOptions& options = {}) {
    Answers answers{std::move(keys), {}, {}};
    answers.values.resize(answers.keys.size());
    const std::vector<std::string_view> views(answers.keys.begin(), answers.keys.end());
    answers.found = db_->MultiGet(options, views, answers.values);
    return answers;
  }

  Machine machine_{1};
  std::unique_ptr<Db> db_;
};

TEST_F(DbReadsTest, MultiGetReadsABlockOnceForAllKeysInIt) {
  Open(machine_.Setup(Small()));
  Fill(500);
  for (const bool fill_cache : {false, true}) {
    Open(machine_.Setup(Small()));
    ASSERT_TRUE(*MultiGet({KeyOf(499)}).found[0]);  // opens the table
    machine_.fs.SetTracing(true);
    std::vector<std::string> keys;
    for (uint64_t i = 20; i-- > 0;) keys.push_back(KeyOf(i));  // about 30 bytes each: one block, or two
    ReadOptions read;
    read.fill_cache = fill_cache;
    const Answers answers = MultiGet(keys, read);
    for (size_t i = 0; i < keys.size(); ++i) {
      ASSERT_TRUE(answers.found[i].ok() && *answers.found[i]);
      EXPECT_EQ(answers.values[i].view(), "value of " + keys[i]);
    }
    EXPECT_GE(TableReads(), 1u);
    EXPECT_LE(TableReads(), 2u);
    machine_.fs.SetTracing(false);
  }
}

// Keys of every place a Get may end in: memtable, table in memory, table not opened yet, absent, deleted.
TEST_F(DbReadsTest, PrefetchIsNotSeenInAnyAnswerNorByTheDisk) {
  Open(machine_.Setup(Small()));
  Fill(500);
  Open(machine_.Setup(Small()));
  std::vector<std::string> keys;
  for (uint64_t i = 0; i < 600; ++i) keys.push_back(KeyOf(i));
  keys.emplace_back();
  keys.emplace_back("absent");
  const std::vector<std::string_view> views(keys.begin(), keys.end());
  const auto prefetch_silently = [&] {
    const DbStats before = db_->Stats();
    machine_.fs.SetTracing(true);
    db_->Prefetch(views);
    db_->Prefetch({});
    EXPECT_EQ(TableReads(), 0u);
    machine_.fs.SetTracing(false);
    const DbStats after = db_->Stats();
    EXPECT_EQ(after.cache_hits, before.cache_hits);
    EXPECT_EQ(after.cache_misses, before.cache_misses);
    EXPECT_EQ(after.filter_useful, before.filter_useful);
    EXPECT_EQ(after.filter_false_positives, before.filter_false_positives);
  };
  const auto expect_all = [&](uint64_t deleted, uint64_t end) {
    for (uint64_t i = 0; i < 600; ++i) {
      PinnedValue value;
      const Result<bool> found = db_->Get({}, keys[i], &value);
      ASSERT_TRUE(found.ok());
      ASSERT_EQ(*found, i != deleted && i < end) << i;
      if (*found) {
        ASSERT_EQ(value.view(), "value of " + keys[i]);
      }
    }
  };
  prefetch_silently();  // no table is open
  expect_all(UINT64_MAX, 500);
  prefetch_silently();  // all is in memory
  expect_all(UINT64_MAX, 500);
  for (uint64_t i = 450; i < 550; ++i) ASSERT_TRUE(db_->Put({}, keys[i], "value of " + keys[i]).ok());
  ASSERT_TRUE(db_->Delete({}, keys[7]).ok());
  prefetch_silently();
  expect_all(7, 550);
  ASSERT_TRUE(db_->Close().ok());
  db_->Prefetch(views);
}

// So that the disk works on all of them together.
TEST_F(DbReadsTest, MultiGetAnnouncesEachBlockOnceBeforeItReadsTheFirst) {
  Open(machine_.Setup(Small()));
  Fill(1000);
  Open(machine_.Setup(Small()));
  ASSERT_TRUE(*MultiGet({KeyOf(0)}).found[0]);
  machine_.fs.SetTracing(true);
  const Answers answers = MultiGet({KeyOf(800), KeyOf(200), KeyOf(400), KeyOf(1), KeyOf(200), KeyOf(600)});
  for (const auto& found : answers.found) EXPECT_TRUE(found.ok() && *found);
  std::vector<std::string> announced, read;
  for (const std::string& line : machine_.fs.Trace()) {
    const std::string call = line.substr(line.find(' ') + 1);
    if (call.starts_with("will-read table ")) {
      EXPECT_TRUE(read.empty()) << line;
      announced.push_back(call.substr(std::string("will-read ").size()));
    } else if (call.starts_with("read table ")) {
      read.push_back(call.substr(std::string("read ").size()));
    }
  }
  EXPECT_EQ(announced.size(), 4u);
  EXPECT_EQ(read, announced);
}

// Values of the value log, too: the blocks that point to them first, then the values.
TEST_F(DbReadsTest, MultiGetAnnouncesLargeValuesBeforeItReadsTheFirst) {
  Options options = Small();
  options.value_log_threshold = 512;
  Open(machine_.Setup(options));
  for (uint64_t i = 0; i < 100; ++i) ASSERT_TRUE(db_->Put({}, KeyOf(i), std::string(1000 + i, 'v')).ok());
  ASSERT_TRUE(db_->Flush().ok());
  Open(machine_.Setup(options));
  ASSERT_TRUE(*MultiGet({KeyOf(0)}).found[0]);  // opens table and value log
  machine_.fs.SetTracing(true);
  const Answers answers = MultiGet({KeyOf(70), KeyOf(30), "absent", KeyOf(50), KeyOf(0)});
  EXPECT_EQ(answers.values[0].view(), std::string(1070, 'v'));
  EXPECT_EQ(answers.values[1].view(), std::string(1030, 'v'));
  EXPECT_EQ(answers.values[3].view(), std::string(1050, 'v'));
  EXPECT_EQ(answers.values[4].view(), std::string(1000, 'v'));
  std::string calls;
  for (const std::string& line : machine_.fs.Trace()) {
    if (line.find(" will-read value log ") != std::string::npos) calls += 'w';
    if (line.find(" read value log ") != std::string::npos) calls += 'r';
  }
  EXPECT_EQ(calls, "wwwrrr");
}

TEST_F(DbReadsTest, ABlockThatCannotBeReadFailsItsKeysOnly) {
  Open(machine_.Setup(Small()));
  Fill(1000);
  Open(machine_.Setup(Small()));
  ASSERT_TRUE(*MultiGet({KeyOf(0)}).found[0]);
  FaultRule rule;
  rule.ops = {FileOp::kReadAt};
  rule.path_classes = {PathClass::kTable};
  machine_.fs.AddRule(rule);
  const Answers answers = MultiGet({KeyOf(500), KeyOf(1), "absent", KeyOf(500)});
  EXPECT_TRUE(answers.found[0].status().Is(StatusCode::kIoError));
  EXPECT_TRUE(answers.found[1].ok() && *answers.found[1]);
  EXPECT_TRUE(answers.found[2].ok() && !*answers.found[2]);
  EXPECT_TRUE(answers.found[3].status().Is(StatusCode::kIoError));
  machine_.fs.ClearRules();
  EXPECT_TRUE(*MultiGet({KeyOf(500)}).found[0]);
}

// More keys than one step takes, over all levels, with deletes, range deletes and a snapshot between.
TEST_F(DbReadsTest, MultiGetAgreesWithGet) {
  Open(machine_.Setup(Small()));
  Fill(9000, 1);
  const auto snapshot = db_->GetSnapshot();
  Fill(500, 5);
  ASSERT_TRUE(db_->DeleteRange({}, KeyOf(600), KeyOf(700)).ok());
  for (uint64_t i = 0; i < 300; i += 7) ASSERT_TRUE(db_->Delete({}, KeyOf(i)).ok());
  machine_.executor.RunAll();
  Fill(30, 2);
  ASSERT_TRUE(db_->Put({}, KeyOf(1), std::string(3000, 'v')).ok());
  std::vector<std::string> keys;
  for (uint64_t i = 0; i < 3000; ++i) keys.push_back(KeyOf(i * 7 % 3000));
  std::array<ReadOptions, 3> all_options;
  all_options[1].snapshot = snapshot.get();
  all_options[2].fill_cache = false;
  for (const ReadOptions& options : all_options) {
    const Answers answers = MultiGet(keys, options);
    for (size_t i = 0; i < keys.size(); ++i) {
      PinnedValue value;
      const Result<bool> found = db_->Get(options, keys[i], &value);
      ASSERT_TRUE(answers.found[i].ok() && found.ok());
      ASSERT_EQ(*answers.found[i], *found) << keys[i];
      if (*found) {
        ASSERT_EQ(answers.values[i].view(), value.view()) << keys[i];
      }
    }
  }
}

TEST_F(DbReadsTest, GetAsyncAnswersAtOnceFromMemoryAndLaterFromTheDisk) {
  Open(machine_.Setup(Small()));
  Fill(1000);
  Open(machine_.Setup(Small()));
  ASSERT_TRUE(db_->Put({}, "new", "in memory").ok());
  std::string said;
  const GetCallback say = [&](Result<bool> found, PinnedValue value) {
    said += found.ok() ? (*found ? value.ToString() : "(none)") : found.status().ToString();
  };
  ASSERT_TRUE(db_->GetAsync({}, "new", say).ok());
  EXPECT_EQ(said, "in memory");
  said.clear();
  ASSERT_TRUE(db_->GetAsync({}, KeyOf(77), say).ok());
  EXPECT_EQ(said, "");
  while (machine_.executor.RunOne(Lane::kRead)) {
  }
  EXPECT_EQ(said, "value of " + KeyOf(77));
  said.clear();
  ASSERT_TRUE(db_->GetAsync({}, KeyOf(77), say).ok());
  EXPECT_EQ(said, "value of " + KeyOf(77));
  said.clear();
  ASSERT_TRUE(db_->GetAsync({}, KeyOf(900), say).ok());
  ASSERT_TRUE(db_->Close().ok());  // waits for it
  EXPECT_EQ(said, "value of " + KeyOf(900));
  said.clear();
  ASSERT_TRUE(db_->GetAsync({}, KeyOf(900), say).ok());
  EXPECT_NE(said.find("closed"), std::string::npos) << said;
}

// What a lost announcement costs is time.
TEST_F(DbReadsTest, AnnouncementsMayBeLost) {
  Open(machine_.Setup(Small()));
  Fill(1000);
  Open(machine_.Setup(Small()));
  FaultRule rule;
  rule.ops = {FileOp::kWillRead};
  machine_.fs.AddRule(rule);
  ASSERT_TRUE(*MultiGet({KeyOf(0)}).found[0]);
  const Answers answers = MultiGet({KeyOf(200), "absent", KeyOf(600)});
  EXPECT_EQ(answers.values[0].view(), "value of " + KeyOf(200));
  EXPECT_FALSE(*answers.found[1]);
  EXPECT_EQ(answers.values[2].view(), "value of " + KeyOf(600));
  EXPECT_GE(machine_.fs.FaultCount(), 2u);
}

// The disk has all of them to work on before the one thread there is answers the first. TryGet announces nothing: nobody
// may come.
TEST_F(DbReadsTest, GetAsyncAnnouncesWhatItWillRead) {
  Open(machine_.Setup(Small()));
  Fill(1000);
  Open(machine_.Setup(Small()));
  ASSERT_TRUE(*MultiGet({KeyOf(0)}).found[0]);
  machine_.fs.SetTracing(true);
  PinnedValue value;
  EXPECT_TRUE(db_->TryGet({}, KeyOf(500), &value).status().Is(StatusCode::kWouldBlock));
  EXPECT_TRUE(machine_.fs.Trace().empty());
  int answers = 0;
  const GetCallback count = [&](Result<bool> found, PinnedValue) { answers += found.ok() && *found; };
  for (const uint64_t n : {200, 400, 600}) ASSERT_TRUE(db_->GetAsync({}, KeyOf(n), count).ok());
  while (machine_.executor.RunOne(Lane::kRead)) {
  }
  EXPECT_EQ(answers, 3);
  std::string calls;
  for (const std::string& line : machine_.fs.Trace()) {
    calls += line.find(" will-read table ") != std::string::npos ? 'w' : 'r';
  }
  EXPECT_EQ(calls, "wwwrrr");
}

// More than one thread answers, each read once, and Close waits for them all.
TEST_F(DbReadsTest, GetAsyncAnswersManyThreads) {
  constexpr uint64_t kThreads = 4, kReads = 250;
  Options options = Small();
  options.file_system = &machine_.fs;
  Open(options);
  Fill(9000);
  Open(options);
  ASSERT_TRUE(*MultiGet({KeyOf(0)}).found[0]);
  std::vector<std::atomic<int>> answers(kThreads * kReads);
  std::vector<std::thread> threads;
  for (uint64_t t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      for (uint64_t i = t * kReads; i < (t + 1) * kReads; ++i) {
        const uint64_t row = i * 7919 % 9000;
        const Status accepted = db_->GetAsync({}, KeyOf(row), [&, i, row](Result<bool> found, PinnedValue value) {
          answers[i] += found.ok() && *found && value.view() == "value of " + KeyOf(row) ? 1 : 100;
        });
        EXPECT_TRUE(accepted.ok()) << accepted.ToString();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  ASSERT_TRUE(db_->Close().ok());
  for (const auto& answer : answers) EXPECT_EQ(answer, 1);
}

// As many as the disk can use at a time; the others once those before them are answered.
TEST_F(DbReadsTest, GetAsyncAnnouncesTheFirst128) {
  constexpr uint64_t kReads = 150, kStep = 60;  // rows; no two of them in one block
  Open(machine_.Setup(Small()));
  Fill(kReads * kStep);
  Open(machine_.Setup(Small()));
  std::vector<std::string> keys;
  for (uint64_t i = 0; i < kReads; ++i) keys.push_back(KeyOf(i * kStep));
  ReadOptions read;
  read.fill_cache = false;
  MultiGet(keys, read);  // opens all tables
  machine_.fs.SetTracing(true);
  const auto announced = [&] {
    const auto trace = machine_.fs.Trace();
    return std::count_if(trace.begin(), trace.end(), [](auto& line) { return line.find(" will-read ") != line.npos; });
  };
  uint64_t answers = 0;
  const GetCallback count = [&](Result<bool> found, PinnedValue) { answers += found.ok() && *found; };
  for (const std::string& key : keys) ASSERT_TRUE(db_->GetAsync({}, key, count).ok());
  EXPECT_EQ(announced(), 128);
  EXPECT_EQ(TableReads(), 0u);
  while (machine_.executor.RunOne(Lane::kRead)) {
  }
  EXPECT_EQ(answers, kReads);
  EXPECT_EQ(announced(), static_cast<int>(kReads));
  EXPECT_EQ(TableReads(), kReads);
}

TEST_F(DbReadsTest, GetAsyncIsBusyWhenTooManyReadsWait) {
  Open(machine_.Setup(Small()));
  Fill(1000);
  Open(machine_.Setup(Small()));
  int answers = 0;
  const GetCallback count = [&](Result<bool> found, PinnedValue) { answers += found.ok() && *found; };
  for (int i = 0; i < 1024; ++i) ASSERT_TRUE(db_->GetAsync({}, KeyOf(5), count).ok());
  EXPECT_TRUE(db_->GetAsync({}, KeyOf(5), count).Is(StatusCode::kBusy));
  EXPECT_EQ(answers, 0);
  machine_.executor.RunAll();
  EXPECT_EQ(answers, 1024);
  ASSERT_TRUE(db_->GetAsync({}, KeyOf(5), count).ok());
  EXPECT_EQ(answers, 1025);
}

// Walks with an executor between: whatever is in memory, the rows are the same, and only Resume reads.
TEST_F(DbReadsTest, AnIteratorParksWhereItWouldTouchTheDisk) {
  Open(machine_.Setup(Small()));
  Fill(9000);
  ASSERT_TRUE(db_->DeleteRange({}, KeyOf(2000), KeyOf(3000)).ok());
  for (uint64_t i = 4000; i < 4100; ++i) ASSERT_TRUE(db_->Delete({}, KeyOf(i)).ok());
  ASSERT_TRUE(db_->Flush().ok());
  ASSERT_TRUE(db_->WaitForBackgroundWork().ok());
  const Rows want = *ReadAll(db_.get());
  ASSERT_EQ(want.size(), 7900u);
  Open(machine_.Setup(Small()));
  Rows got;
  int parked = 0;
  Iterator it = db_->NewIterator({});
  const auto without_disk = [&](auto step) {
    const uint64_t calls = machine_.fs.CallCount();
    const bool moved = step();
    EXPECT_EQ(machine_.fs.CallCount(), calls);
    if (moved) return;
    EXPECT_FALSE(it.Valid());
    EXPECT_TRUE(it.status().Is(StatusCode::kWouldBlock));
    ++parked;
    it.Resume();
  };
  for (without_disk([&] { return it.TrySeek(KeyOf(100)); }); it.Valid(); without_disk([&] { return it.TryNext(); })) {
    got.emplace(it.key(), it.value());
  }
  ASSERT_TRUE(it.status().ok()) << it.status().ToString();
  EXPECT_EQ(Difference(got, {want.lower_bound(KeyOf(100)), want.end()}), "");
  EXPECT_GT(parked, 50);
  EXPECT_TRUE(it.TrySeek(KeyOf(100)));  // in memory by now
  EXPECT_EQ(it.key(), KeyOf(100));
}

// The promise of docs/engine.md: over a tree of several levels a missing key reads at most 0.02 blocks in vain.
// What was written last is read soon: where there are readers, it does not come from the disk.
TEST_F(DbReadsTest, AFlushIsCachedBeforeItIsRead) {
  Open(machine_.Setup(Small()));
  const auto write_and_read = [&](int from) {  // and what that missed in the cache
    for (int i = from; i < from + 200; ++i) EXPECT_TRUE(db_->Put({}, KeyOf(i), std::string(100, 'v')).ok());
    EXPECT_TRUE(db_->Flush().ok());
    const uint64_t before = db_->Stats().cache_misses;
    PinnedValue value;
    for (int i = from; i < from + 200; ++i) {
      const Result<bool> found = db_->Get({}, KeyOf(i), &value);
      EXPECT_TRUE(found.ok() && *found);
    }
    return db_->Stats().cache_misses - before;
  };
  EXPECT_GT(write_and_read(0), 0u) << "nobody had read yet";
  PinnedValue value;
  for (int i = 0; i < 100; ++i) EXPECT_FALSE(*db_->Get({}, KeyOf(i) + "x", &value));
  EXPECT_EQ(write_and_read(100), 0u);
  EXPECT_GT(write_and_read(200), 0u) << "nobody has read what is missing since";
}

TEST_F(DbReadsTest, FiltersOfAllLevelsTogetherFailRarely) {
  Options options = Small();
  options.memtable_size = 16 * 1024;
  options.compression = Compression::kNone;  // or it would be too little for three levels
  Open(machine_.Setup(options));
  Dice dice(7);
  constexpr uint64_t kKeys = 60'000, kMissing = 50'000;
  for (uint64_t i = 0; i < kKeys; ++i) {
    ASSERT_TRUE(db_->Put({}, KeyOf(2 * dice.Below(kKeys)), std::string(30, 'v')).ok());
  }
  ASSERT_TRUE(db_->Flush().ok());
  ASSERT_TRUE(db_->WaitForBackgroundWork().ok());
  for (uint64_t i = 0; i < kKeys; i += 100) ASSERT_TRUE(db_->Put({}, KeyOf(2 * i), "v").ok());
  ASSERT_TRUE(db_->Flush().ok());  // one table or a few in level 0
  const DbStats before = db_->Stats();
  ASSERT_GE(std::count_if(before.levels.begin(), before.levels.end(), [](auto& level) { return level.files > 0; }), 3);
  PinnedValue value;
  for (uint64_t i = 0; i < kMissing; ++i) {
    const Result<bool> found = db_->Get({}, KeyOf(2 * dice.Below(kKeys) + 1), &value);
    ASSERT_TRUE(found.ok() && !*found);
  }
  const DbStats after = db_->Stats();
  const double in_vain = static_cast<double>(after.filter_false_positives - before.filter_false_positives);
  EXPECT_LE(in_vain / kMissing, 0.02);
  EXPECT_GT(in_vain, 0);
  EXPECT_GE(after.filter_useful - before.filter_useful, kMissing);
}

}  // namespace
}  // namespace varve::lsm
