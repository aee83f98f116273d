// Many threads on one database. Build it with VARVE_SANITIZE=thread.
#include <atomic>
#include <thread>

#include "lsm/io/fault_file_system.h"
#include "tests/lsm/db_test_util.h"

namespace varve::lsm {
namespace {

constexpr int kPairs = 40;

std::string Left(uint64_t n) {
  return "left" + std::to_string(n % kPairs);
}
std::string Right(uint64_t n) {
  return "right" + std::to_string(n % kPairs);
}

Options SmallOptions() {
  Options options;
  options.memory_budget = size_t{4} << 20;
  options.memtable_size = 32 * 1024;
  options.table_size = 64 * 1024;
  options.block_size = 1024;
  options.background_threads = 2;
  return options;
}

class DbThreadsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    Options options = SmallOptions();
    options.file_system = &disk_;
    auto db = Db::Open(kDir, options);
    ASSERT_TRUE(db.ok()) << db.status().ToString();
    db_ = std::move(db).value();
  }
  // Both keys of a pair, or neither, with one value.
  void ExpectEqualPairs(Db* db, const ReadOptions& options) {
    Rows left, right;
    Iterator it = db->NewIterator(options);
    for (it.SeekToFirst(); it.Valid(); it.Next()) {
      const std::string key(it.key());
      if (key.starts_with("left")) left[key.substr(4)] = it.value();
      if (key.starts_with("right")) right[key.substr(5)] = it.value();
    }
    ASSERT_TRUE(it.status().ok()) << it.status().ToString();
    ASSERT_EQ(Difference(left, right), "");
  }

  MemoryFileSystem disk_;
  std::unique_ptr<Db> db_;
};

// While one thread's sync runs, seven others write; one more sync makes them all durable.
TEST(DbSyncTest, WhoeverComesWhileASyncRunsSharesTheNext) {
  constexpr uint64_t kThreads = 8;
  MemoryFileSystem disk;
  FaultFileSystem file_system(&disk);
  Options options = SmallOptions();
  options.file_system = &file_system;
  options.wal_sync = WalSync::kNever;
  auto db = Db::Open(kDir, options);
  ASSERT_TRUE(db.ok()) << db.status().ToString();
  std::atomic<uint64_t> syncs{0};
  file_system.SetHook([&](const FileCall& call) {
    if (call.op != FileOp::kSync || call.path_class != PathClass::kWal || syncs.fetch_add(1) != 0) return;
    while ((*db)->Stats().writes < kThreads) std::this_thread::yield();
  });
  std::vector<std::thread> threads;
  for (uint64_t t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] { EXPECT_TRUE((*db)->Put({.sync = true}, std::to_string(t), "v").ok()); });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(syncs.load(), 2u);
  file_system.SetHook(nullptr);

  std::unique_ptr<MemoryFileSystem> left = disk.CrashClone(CrashPlan::DropUnsynced());
  options.file_system = left.get();
  auto after = Db::Open(kDir, options);
  ASSERT_TRUE(after.ok()) << after.status().ToString();
  PinnedValue value;
  for (uint64_t t = 0; t < kThreads; ++t) EXPECT_TRUE(*(*after)->Get({}, std::to_string(t), &value)) << t;
}

// Each batch writes or deletes two keys alike. Nobody may ever see one without the other.
// The first key of a large batch is in the memtable long before the last one is.
TEST_F(DbThreadsTest, ALargeBatchIsSeenWhole) {
  std::atomic<bool> stop{false};
  std::thread reader([&] {
    for (uint64_t looks = 0; !stop.load(); ++looks) {
      auto snapshot = db_->GetSnapshot();
      ReadOptions options;
      options.snapshot = snapshot.get();
      PinnedValue first, last;
      const Result<bool> a = db_->Get(options, "0", &first), b = db_->Get(options, "999", &last);
      ASSERT_TRUE(a.ok() && b.ok());
      ASSERT_EQ(*a, *b);
      ASSERT_TRUE(!*a || first.view() == last.view()) << first.view() << ", " << last.view();
    }
  });
  for (int round = 0; round < 300; ++round) {
    WriteBatch batch;
    for (int key = 0; key < 1000; ++key) batch.Put(std::to_string(key), std::to_string(round));
    ASSERT_TRUE(db_->Write({}, batch).ok());
  }
  stop = true;
  reader.join();
}

TEST_F(DbThreadsTest, PairsAreAlwaysEqual) {
  std::atomic<bool> stop{false};
  std::vector<std::thread> threads;
  for (uint64_t t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      Dice dice(t);
      for (int i = 0; i < 1500; ++i) {
        const uint64_t n = dice.Below(kPairs);
        WriteBatch batch;
        if (dice.OneIn(10)) {
          batch.Delete(Left(n));
          batch.DeleteRange(Right(n), Right(n) + '\0');
        } else {
          const std::string value = std::to_string(t) + "." + std::to_string(i) + std::string(dice.Below(200), 'v');
          batch.Put(Left(n), value);
          batch.Put(Right(n), value);
        }
        if (dice.OneIn(3)) {
          Result<SequenceNumber> sequence = db_->WriteAsync(batch, nullptr);
          EXPECT_TRUE(sequence.ok() || sequence.status().Is(StatusCode::kBusy)) << sequence.status().ToString();
        } else {
          const Status s = db_->Write({.sync = dice.OneIn(20)}, batch);
          EXPECT_TRUE(s.ok()) << s.ToString();
        }
      }
    });
  }
  for (uint64_t t = 0; t < 2; ++t) {
    threads.emplace_back([&, t] {
      Dice dice(100 + t);
      while (!stop.load() && !HasFatalFailure()) {
        auto snapshot = db_->GetSnapshot();
        ReadOptions options;
        options.snapshot = snapshot.get();
        PinnedValue left, right;
        for (int i = 0; i < 20; ++i) {
          const uint64_t n = dice.Below(kPairs);
          Result<bool> a = db_->Get(options, Left(n), &left), b = db_->Get(options, Right(n), &right);
          ASSERT_TRUE(a.ok() && b.ok());
          ASSERT_EQ(*a, *b);
          ASSERT_TRUE(!*a || left.view() == right.view());
        }
        ExpectEqualPairs(db_.get(), options);
        ExpectEqualPairs(db_.get(), {});  // an iterator is a snapshot of its own
        const std::string one = Left(dice.Below(kPairs));
        const std::string other = "right" + one.substr(4);
        const std::string_view both[2] = {one, other};
        PinnedValue values[2];
        db_->Prefetch(both);
        const auto found = db_->MultiGet({}, both, values);
        ASSERT_TRUE(found[0].ok() && found[1].ok());
        ASSERT_EQ(*found[0], *found[1]);
        ASSERT_TRUE(!*found[0] || values[0].view() == values[1].view());
      }
    });
  }
  threads.emplace_back([&] {  // a follower in the same process
    Options options = SmallOptions();
    options.file_system = &disk_;
    options.mode = OpenMode::kFollow;
    auto follower = Db::Open(kDir, options);
    ASSERT_TRUE(follower.ok()) << follower.status().ToString();
    while (!stop.load()) {
      const Status s = (*follower)->CatchUp();
      ASSERT_TRUE(s.ok()) << s.ToString();
      ExpectEqualPairs(follower->get(), {});
    }
  });
  for (int i = 0; i < 4; ++i) threads[static_cast<size_t>(i)].join();
  stop.store(true);
  for (size_t i = 4; i < threads.size(); ++i) threads[i].join();
  EXPECT_TRUE(db_->WaitForBackgroundWork().ok());
  ExpectEqualPairs(db_.get(), {});
  EXPECT_EQ(Problems(db_.get()), "");
}

// Flush takes turns with writers: no leader may carry its turn off, or it waits for ever.
TEST_F(DbThreadsTest, AdministrationBesideWriters) {
  std::vector<std::thread> threads;
  std::atomic<int> writing{4};
  for (uint64_t t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 2000; ++i) {
        const Status s = db_->Put({}, std::to_string(t) + "." + std::to_string(i), std::string(100, 'v'));
        ASSERT_TRUE(s.ok()) << s.ToString();
      }
      writing.fetch_sub(1);
    });
  }
  for (int kind = 0; kind < 4; ++kind) {
    threads.emplace_back([&, kind] {
      for (int i = 0; writing.load() > 0; ++i) {
        Status s;
        switch (kind) {
          case 0: s = db_->Flush(); break;
          case 1: s = db_->CompactRange({}, i % 2 == 0 ? "2" : ""); break;
          case 2: s = db_->Checkpoint("/copy" + std::to_string(i)); break;
          default: s = db_->SyncWal();
        }
        ASSERT_TRUE(s.ok()) << s.ToString();
        (void)db_->Stats();
        (void)db_->Pressure();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  Result<Rows> rows = ReadAll(db_.get());
  ASSERT_TRUE(rows.ok());
  EXPECT_EQ(rows->size(), 8000u);
  EXPECT_EQ(Problems(db_.get()), "");
}

// Whoever has waited for work in the background finds what it replaced gone: plans of `varve size` counted old tables.
TEST_F(DbThreadsTest, WhatWasCompactedIsGoneWhenTheWorkIsDone) {
  for (int round = 0; round < 300; ++round) {
    WriteBatch batch;
    for (int i = 0; i < 100; ++i) batch.Put("key" + std::to_string(i * (round % 7 + 1)), std::string(50, 'v'));
    ASSERT_TRUE(db_->Write({}, batch).ok());
    ASSERT_TRUE(db_->Flush().ok());
    ASSERT_TRUE(db_->WaitForBackgroundWork().ok());
    ASSERT_EQ(FilesEnding(&disk_, kDir, ".sst").size(), db_->TableFiles().size()) << round;
  }
  EXPECT_GT(db_->Stats().compactions, 20u);
}

TEST_F(DbThreadsTest, CallbacksOfManyWriters) {
  std::atomic<int> called{0};
  std::vector<std::thread> threads;
  std::atomic<int> accepted{0};
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 500; ++i) {
        WriteBatch batch;
        batch.Put(std::to_string(t) + "." + std::to_string(i), "v");
        if (db_->WriteAsync(batch, [&](const Status& s) { called.fetch_add(s.ok() ? 1 : 1000); }).ok()) {
          accepted.fetch_add(1);
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  ASSERT_TRUE(db_->Close().ok());
  EXPECT_EQ(called.load(), accepted.load());
}

}  // namespace
}  // namespace varve::lsm
