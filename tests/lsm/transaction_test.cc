// tests/lsm/transaction_test.cc - optimistic transactions: what they see, and which of two wins.
#include "lsm/transaction.h"

#include <array>
#include <atomic>
#include <thread>

#include "tests/lsm/db_test_util.h"

namespace varve::lsm {
namespace {

class TransactionTest : public DbFixture {
 protected:
  TransactionTest() : DbFixture(7) { Open(); }
  void Open() {
    Options options;
    options.memory_budget = size_t{8} << 20;
    options.memtable_size = 64 * 1024;
    DbFixture::Open(options);
  }
  std::string Read(const Transaction& txn, std::string_view key) {
    PinnedValue value;
    auto found = txn.Get(key, &value);
    EXPECT_TRUE(found.ok()) << found.status().ToString();
    return found.ok() && *found ? value.ToString() : "-";
  }
  std::string Read(std::string_view key) {
    PinnedValue value;
    auto found = db_->Get({}, key, &value);
    EXPECT_TRUE(found.ok()) << found.status().ToString();
    return found.ok() && *found ? value.ToString() : "-";
  }
  static bool Conflicts(const Status& status) {
    EXPECT_TRUE(status.ok() || status.Is(StatusCode::kConflict)) << status.ToString();
    return status.Is(StatusCode::kConflict);
  }
};

TEST_F(TransactionTest, ReadsItsOwnWritesAboveTheStateItBeganWith) {
  Put("a", "1");
  Put("b", "2");
  Transaction txn(db_.get());
  txn.Put("c", "mine");
  txn.Delete("a");
  Put("b", "later");
  EXPECT_EQ(Read(txn, "a"), "-");
  EXPECT_EQ(Read(txn, "b"), "2") << "as it was at the beginning";
  EXPECT_EQ(Read(txn, "c"), "mine");
  EXPECT_EQ(Read("c"), "-") << "nobody else sees it";
  std::string keys;
  Iterator it = txn.NewIterator();
  for (it.SeekToFirst(); it.Valid(); it.Next()) keys += std::string(it.key()) + std::string(it.value()) + " ";
  EXPECT_EQ(keys, "b2 cmine ");
  it = Iterator();
  EXPECT_TRUE(txn.Commit().ok());
  EXPECT_EQ(Read("a"), "-");
  EXPECT_EQ(Read("b"), "later");
  EXPECT_EQ(Read("c"), "mine");
  EXPECT_EQ(Read(txn, "b"), "later") << "the next transaction has begun";
}

TEST_F(TransactionTest, TheSecondWriterOfAKeyIsRefusedWhole) {
  Transaction first(db_.get()), second(db_.get());
  first.Put("k", "first");
  second.Put("other", "x");
  second.Put("k", "second");
  EXPECT_FALSE(Conflicts(first.Commit()));
  Status status = second.Commit();
  EXPECT_TRUE(status.Is(StatusCode::kConflict));
  EXPECT_NE(status.message().find("'k'"), std::string_view::npos) << status.ToString();
  EXPECT_EQ(Read("k"), "first");
  EXPECT_EQ(Read("other"), "-");
  second.Put("k", "second");  // begun anew by the refusal
  EXPECT_FALSE(Conflicts(second.Commit()));
  EXPECT_EQ(Read("k"), "second");
}

TEST_F(TransactionTest, EveryKindOfForeignWriteConflicts) {
  for (int kind = 0; kind < 4; ++kind) {
    Put("k", "old");
    Transaction txn(db_.get());
    txn.Put("k", "mine");
    switch (kind) {
      case 0: Put("k", "old"); break;  // the same value: still a write
      case 1: ASSERT_TRUE(db_->Delete({}, "k").ok()); break;
      case 2: ASSERT_TRUE(db_->DeleteRange({}, "j", "l").ok()); break;
      case 3: {
        WriteBatch batch;
        batch.Delete("k");
        ASSERT_TRUE(db_->WriteAsync(batch, nullptr).ok());
      }
    }
    EXPECT_TRUE(Conflicts(txn.Commit())) << kind;
  }
  Transaction txn(db_.get());
  txn.Put("k", "mine");
  ASSERT_TRUE(db_->DeleteRange({}, "l", "z").ok());
  EXPECT_FALSE(Conflicts(txn.Commit())) << "a range delete beside the key";
}

TEST_F(TransactionTest, ReadsConflictOnlyForUpdate) {
  Put("a", "1");
  PinnedValue value;
  Transaction plain(db_.get()), watching(db_.get()), absent(db_.get());
  EXPECT_EQ(Read(plain, "a"), "1");
  plain.Put("b", "from plain");
  ASSERT_TRUE(watching.GetForUpdate("a", &value).ok());
  watching.Put("c", "from watching");
  EXPECT_FALSE(*absent.GetForUpdate("new", &value));
  absent.Put("d", "from absent");
  Put("a", "2");
  Put("new", "here");
  EXPECT_FALSE(Conflicts(plain.Commit()));
  EXPECT_TRUE(Conflicts(watching.Commit()));
  EXPECT_TRUE(Conflicts(absent.Commit())) << "a key that was not there counts as read, too";
  EXPECT_EQ(Read("c"), "-");

  Transaction reader(db_.get());
  ASSERT_TRUE(reader.GetForUpdate("a", &value).ok());
  Put("a", "3");
  EXPECT_FALSE(Conflicts(reader.Commit())) << "without writes there is nothing to refuse";
}

// The foreign write may have moved: to a sealed memtable, to level 0, to the last level.
TEST_F(TransactionTest, ConflictsAreFoundInTables) {
  for (int depth = 0; depth < 3; ++depth) {
    for (const bool range : {false, true}) {
      Put("k", "old");
      Put("quiet", "old");
      ASSERT_TRUE(db_->Flush().ok());
      Transaction txn(db_.get()), quiet(db_.get());
      txn.Put("k", "mine");
      quiet.Put("quiet", "mine");
      if (range) {
        ASSERT_TRUE(db_->DeleteRange({}, "j", "l").ok());
      } else {
        Put("k", "theirs");
      }
      const Status flushed = depth >= 1 ? db_->Flush() : Status::Ok();
      ASSERT_TRUE(flushed.ok()) << flushed.ToString();
      const Status compacted = depth >= 2 ? db_->CompactRange({}, {}) : Status::Ok();
      ASSERT_TRUE(compacted.ok()) << compacted.ToString();
      EXPECT_TRUE(Conflicts(txn.Commit())) << "depth " << depth << " range " << range;
      EXPECT_FALSE(Conflicts(quiet.Commit())) << "depth " << depth << " range " << range;
    }
  }
}

TEST_F(TransactionTest, SavepointsNest) {
  Transaction txn(db_.get());
  EXPECT_TRUE(txn.RollbackToSavepoint().Is(StatusCode::kInvalidArgument));
  EXPECT_TRUE(txn.ReleaseSavepoint().Is(StatusCode::kInvalidArgument));
  txn.Put("a", "1");
  txn.SetSavepoint();
  txn.Put("a", "2");
  txn.Put("b", "2");
  txn.SetSavepoint();
  txn.DeleteRange("a", "z");
  EXPECT_EQ(Read(txn, "a"), "-");
  ASSERT_TRUE(txn.RollbackToSavepoint().ok());
  EXPECT_EQ(Read(txn, "a"), "2");
  ASSERT_TRUE(txn.ReleaseSavepoint().ok());
  ASSERT_TRUE(txn.RollbackToSavepoint().ok());
  ASSERT_TRUE(txn.RollbackToSavepoint().ok()) << "the savepoint stays";
  EXPECT_EQ(Read(txn, "a"), "1");
  EXPECT_EQ(Read(txn, "b"), "-");
  Put("b", "theirs");
  EXPECT_FALSE(Conflicts(txn.Commit())) << "a write that was rolled back is not watched";
  EXPECT_EQ(Read("a"), "1");
  EXPECT_EQ(Read("b"), "theirs");
}

TEST_F(TransactionTest, RollbackForgetsEverything) {
  Transaction txn(db_.get());
  txn.Put("a", "1");
  txn.Rollback();
  EXPECT_EQ(Read(txn, "a"), "-");
  Put("a", "theirs");
  EXPECT_FALSE(Conflicts(txn.Commit()));
  EXPECT_EQ(Read("a"), "theirs");
}

TEST_F(TransactionTest, WhatFailsOtherwiseKeepsTheTransaction) {
  Transaction txn(db_.get());
  txn.SetSavepoint();
  txn.Put(std::string(kKeySizeMax + 1, 'k'), "v");
  EXPECT_TRUE(txn.Commit().Is(StatusCode::kInvalidArgument));
  EXPECT_EQ(txn.batch().count(), 1u);
  ASSERT_TRUE(txn.RollbackToSavepoint().ok());
  txn.Put("k", "v");
  EXPECT_TRUE(txn.Commit().ok());
}

TEST_F(TransactionTest, ABatchThatWritesNothingIsCheckedToo) {
  Put("k", "v");
  const auto snapshot = db_->GetSnapshot();
  const std::array<std::string_view, 1> keys = {"k"};
  WriteBatch nothing;
  EXPECT_TRUE(db_->WriteIfUnchanged({}, nothing, keys, snapshot->sequence()).ok());
  Put("k", "theirs");
  EXPECT_TRUE(Conflicts(db_->WriteIfUnchanged({}, nothing, keys, snapshot->sequence())));
}

TEST_F(TransactionTest, AReadOnlyDatabaseRefuses) {
  Put("k", "v");
  db_.reset();
  Options options;
  options.mode = OpenMode::kReadOnly;
  auto db = Db::Open("/db", machine_.Setup(options));
  ASSERT_TRUE(db.ok());
  Transaction txn(db->get());
  EXPECT_EQ(Read(txn, "k"), "v");
  txn.Put("k", "w");
  EXPECT_EQ(Read(txn, "k"), "w");
  EXPECT_TRUE(txn.Commit().Is(StatusCode::kReadOnly));
}

// Threads on the real clock and executor: every increment that was acknowledged is in the sum, whatever is flushed and
// compacted meanwhile. A lost update would leave it short.
void CountTogether(size_t memtable_size) {
  constexpr int kThreads = 4, kIncrements = 400, kCounters = 3;
  MemoryFileSystem disk;
  Options options;
  options.file_system = &disk;
  options.memory_budget = size_t{8} << 20;
  options.memtable_size = memtable_size;
  auto opened = Db::Open("/db", options);
  ASSERT_TRUE(opened.ok());
  Db* db = opened->get();
  std::atomic<int> conflicts{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      Dice dice(static_cast<uint64_t>(t));
      PinnedValue value;
      for (int i = 0; i < kIncrements;) {
        // Moves on from one counter's value to another's too: half of the increments watch what they only read.
        const std::string key = "counter" + std::to_string(dice.Below(kCounters));
        Transaction txn(db);
        auto found = i % 2 == 0 ? txn.Get(key, &value) : txn.GetForUpdate(key, &value);
        ASSERT_TRUE(found.ok());
        const int count = *found ? std::stoi(value.ToString()) : 0;
        txn.Put(key, std::to_string(count + 1));
        txn.Put("padding" + std::to_string(t) + "-" + std::to_string(i), std::string(100, 'x'));
        const Status status = txn.Commit();
        if (status.Is(StatusCode::kConflict)) {
          ++conflicts;
          continue;
        }
        ASSERT_TRUE(status.ok()) << status.ToString();
        ++i;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  int sum = 0;
  PinnedValue value;
  for (int i = 0; i < kCounters; ++i) {
    auto found = db->Get({}, "counter" + std::to_string(i), &value);
    ASSERT_TRUE(found.ok());
    if (*found) sum += std::stoi(value.ToString());
  }
  EXPECT_EQ(sum, kThreads * kIncrements) << conflicts << " conflicts";
}

TEST(TransactionThreads, CountersLoseNoIncrement) {
  CountTogether(16 * 1024);
}

// A memtable for each batch: what the check looks at is replaced all the time.
TEST(TransactionThreads, CountersLoseNoIncrementInTinyMemTables) {
  CountTogether(1);
}

TEST_F(TransactionTest, ReadsItsOwnMergesAndValuesThatExpire) {
  Put("a", "1");
  Transaction txn(db_.get());
  txn.Merge("a", "2");
  txn.PutWithExpiry("b", "x", static_cast<uint64_t>(machine_.clock.WallMillis()) + 100);
  txn.SetSavepoint();
  txn.Merge("a", "3");
  txn.Merge("c", "4");
  EXPECT_EQ(Read(txn, "a"), "123");
  EXPECT_EQ(Read(txn, "c"), "4");
  EXPECT_TRUE(txn.RollbackToSavepoint().ok());
  EXPECT_EQ(Read(txn, "a"), "12");
  EXPECT_EQ(Read(txn, "b"), "x");
  std::string keys;
  Iterator it = txn.NewIterator();
  for (it.SeekToLast(); it.Valid(); it.Prev()) keys += std::string(it.key()) + std::string(it.value()) + " ";
  EXPECT_EQ(keys, "bx a12 ");
  it = Iterator();
  EXPECT_FALSE(Conflicts(txn.Commit()));
  EXPECT_EQ(Read("a"), "12");
  EXPECT_EQ(Read("b"), "x");
  machine_.clock.AdvanceMillis(100);
  EXPECT_EQ(Read("b"), "-");
  EXPECT_EQ(Read(txn, "b"), "-");
}

TEST_F(TransactionTest, MergesAndValuesThatExpireConflictAsOtherWritesDo) {
  Transaction txn(db_.get());
  txn.Merge("k", "mine");
  ASSERT_TRUE(db_->Merge({}, "k", "theirs").ok());
  EXPECT_TRUE(Conflicts(txn.Commit()));
  EXPECT_EQ(Read("k"), "theirs");
  PinnedValue value;
  ASSERT_TRUE(*txn.GetForUpdate("k", &value));
  txn.Put("other", "1");
  ASSERT_TRUE(db_->PutWithExpiry({}, "k", "theirs", 1).ok());  // gone already, and yet a write
  EXPECT_TRUE(Conflicts(txn.Commit()));
}

// The table with the other's write expires as a whole; as long as the transaction lasts it is not dropped.
TEST_F(TransactionTest, ATableThatExpiredIsStillAConflict) {
  const auto in = [&](int64_t ms) { return static_cast<uint64_t>(machine_.clock.WallMillis() + ms); };
  ASSERT_TRUE(db_->PutWithExpiry({}, "k", "old", in(10'000)).ok());
  PinnedValue value;
  {
    Transaction txn(db_.get());
    ASSERT_TRUE(*txn.GetForUpdate("k", &value));
    txn.Put("other", "1");
    ASSERT_TRUE(db_->PutWithExpiry({}, "k", "theirs", in(5'000)).ok());
    ASSERT_TRUE(db_->Flush().ok());
    machine_.Rest(61'000'000);
    machine_.Rest(61'000'000);
    EXPECT_EQ(db_->TableFiles().size(), 1u);
    EXPECT_TRUE(Conflicts(txn.Commit()));
  }
  machine_.Rest(61'000'000);
  EXPECT_EQ(db_->TableFiles().size(), 0u);
}

}  // namespace
}  // namespace varve::lsm
