// A second reader beside the owner: it sees what was written before CatchUp, whatever the owner did with its files.
#include "tests/lsm/db_test_util.h"

namespace varve::lsm {
namespace {

class DbFollowerTest : public ::testing::Test {
 protected:
  void SetUp() override {
    options_.memtable_size = 16 * 1024;
    options_.memory_budget = size_t{4} << 20;
    options_.table_size = 64 * 1024;
    options_.wal_sync = WalSync::kNever;
    OpenOwner();
    Options options = options_;
    options.mode = OpenMode::kFollow;
    auto follower = Db::Open(kDir, machine_.Setup(options));
    ASSERT_TRUE(follower.ok()) << follower.status().ToString();
    follower_ = std::move(follower).value();
  }
  void OpenOwner() {
    auto owner = Db::Open(kDir, machine_.Setup(options_));
    ASSERT_TRUE(owner.ok()) << owner.status().ToString();
    owner_ = std::move(owner).value();
  }
  void Write(size_t count = 5, size_t value_size = 100) {
    const Changes changes = RandomChanges(&dice_, count, 200, value_size);
    WriteBatch batch;
    AddTo(changes, &batch);
    Apply(changes, &rows_);
    ASSERT_TRUE(owner_->Write({}, batch).ok());
  }
  void ExpectCaughtUp(const char* when) {
    const Status s = follower_->CatchUp();
    ASSERT_TRUE(s.ok()) << when << ": " << s.ToString();
    ASSERT_EQ(Compare(follower_.get(), rows_), "") << when;
    ASSERT_EQ(follower_->Stats().last_sequence, owner_->Stats().last_sequence) << when;
  }

  Machine machine_{1};
  Dice dice_{2};
  Options options_;
  std::unique_ptr<Db> owner_, follower_;
  Rows rows_;
};

TEST_F(DbFollowerTest, SeesWritesOnlyAfterCatchUp) {
  Write();
  EXPECT_EQ(Compare(follower_.get(), {}), "");
  ExpectCaughtUp("log");
  Write();
  Write();
  ExpectCaughtUp("more log");
}

TEST_F(DbFollowerTest, AcrossFlushesAndCompactions) {
  for (int i = 0; i < 6; ++i) {
    Write(20);
    if (i % 2 == 0) ExpectCaughtUp("before the flush");
    ASSERT_TRUE(owner_->Flush().ok());
    ExpectCaughtUp("after the flush");
  }
  ASSERT_TRUE(owner_->CompactRange({}, {}).ok());
  ExpectCaughtUp("after the compaction");
  EXPECT_EQ(Problems(follower_.get()), "");
}

TEST_F(DbFollowerTest, AcrossManyRecycledSegments) {
  for (int i = 0; i < 200; ++i) {
    Write(3, 900);
    if (dice_.OneIn(2)) machine_.executor.RunOne();
    if (dice_.OneIn(10)) ExpectCaughtUp("now and then");
    if (HasFatalFailure()) return;
  }
  machine_.executor.RunAll();
  ExpectCaughtUp("at the end");
}

TEST_F(DbFollowerTest, AcrossRestartsOfTheOwner) {
  for (int i = 0; i < 6; ++i) {
    Write(10);
    if (i % 2 == 0) ExpectCaughtUp("before the restart");
    owner_.reset();
    ASSERT_TRUE(follower_->CatchUp().ok());  // nobody owns it now
    ASSERT_EQ(Compare(follower_.get(), rows_), "");
    OpenOwner();
    ExpectCaughtUp("after the restart");
    Write(10);
    if (i % 3 == 0) machine_.executor.RunAll();
    ExpectCaughtUp("after the restart, with writes");
    if (HasFatalFailure()) return;
  }
}

// The owner recovers the segment as many memtables and flushes one after the other. What is in tables already must not
// be seen in the log as well: merges would count twice.
TEST_F(DbFollowerTest, ASegmentInTablesInPart) {
  owner_.reset();
  options_.memtable_size = 1024 * 1024;
  OpenOwner();
  for (int i = 0; i < 60; ++i) Write(20);
  ExpectCaughtUp("one memtable");
  owner_.reset();
  options_.memtable_size = 16 * 1024;
  OpenOwner();
  ExpectCaughtUp("recovered");
  while (machine_.executor.RunOne()) ExpectCaughtUp("flushing");
}

TEST_F(DbFollowerTest, SnapshotsAndIteratorsStayAsTheyWere) {
  Write(50);
  ExpectCaughtUp("first");
  const Rows then = rows_;
  auto snapshot = follower_->GetSnapshot();
  Iterator it = follower_->NewIterator({});
  ReadOptions at;
  at.snapshot = snapshot.get();
  for (int i = 0; i < 10; ++i) {
    Write(20, 800);
    ASSERT_TRUE(owner_->CompactRange({}, {}).ok());  // the tables and segments of then are gone from the directory
    ExpectCaughtUp("later");
    ASSERT_EQ(Compare(follower_.get(), then, at), "");
  }
  Rows seen;
  for (it.SeekToFirst(); it.Valid(); it.Next()) seen.emplace(it.key(), it.value());
  ASSERT_TRUE(it.status().ok()) << it.status().ToString();
  EXPECT_EQ(Difference(seen, then), "");
}

TEST_F(DbFollowerTest, ReadOnlyNeverMoves) {
  Write(20);
  const Rows then = rows_;
  Options options = options_;
  options.mode = OpenMode::kReadOnly;
  auto reader = Db::Open(kDir, machine_.Setup(options));
  ASSERT_TRUE(reader.ok());
  Write(20, 800);
  ASSERT_TRUE(owner_->CompactRange({}, {}).ok());
  ASSERT_TRUE((*reader)->CatchUp().ok());
  EXPECT_EQ(Compare(reader->get(), then), "");
}

// The owner moves on at every call that the follower makes.
TEST_F(DbFollowerTest, OwnerMovesUnderItsEyes) {
  FaultFileSystem own(machine_.disk.get());
  owner_.reset();
  options_.memtable_size = 4096;
  Options options = machine_.Setup(options_);
  options.file_system = &own;
  auto owner = Db::Open(kDir, options);
  ASSERT_TRUE(owner.ok());
  owner_ = std::move(owner).value();
  bool inside = false;
  machine_.fs.SetHook([&](const FileCall&) {
    if (inside || !dice_.OneIn(20)) return;
    inside = true;
    Write(4, 600);
    if (dice_.OneIn(4)) machine_.executor.RunAll();
    if (dice_.OneIn(10)) (void)owner_->CompactRange({}, {}).ok();
    inside = false;
  });
  for (int i = 0; i < 30; ++i) {
    const SequenceNumber at_least = owner_->Stats().last_sequence;
    const Status s = follower_->CatchUp();
    ASSERT_TRUE(s.ok()) << s.ToString();
    ASSERT_GE(follower_->Stats().last_sequence, at_least);
    Result<Rows> rows = ReadAll(follower_.get());
    ASSERT_TRUE(rows.ok()) << rows.status().ToString();
    ASSERT_LE(follower_->Stats().last_sequence, owner_->Stats().last_sequence);
    if (follower_->Stats().last_sequence < owner_->Stats().last_sequence) continue;
    ASSERT_EQ(Difference(*rows, rows_), "");
  }
  machine_.fs.SetHook(nullptr);
  ExpectCaughtUp("at the end");
  follower_.reset();
  owner_.reset();
}

TEST_F(DbFollowerTest, ClosedFollowerSaysSo) {
  Write();
  EXPECT_TRUE(follower_->Close().ok());
  EXPECT_TRUE(follower_->Close().ok());
  PinnedValue value;
  WriteBatch batch;
  EXPECT_TRUE(follower_->Get({}, "k", &value).status().Is(StatusCode::kClosed));
  EXPECT_TRUE(follower_->NewIterator({}).status().Is(StatusCode::kClosed));
  EXPECT_TRUE(follower_->CatchUp().Is(StatusCode::kClosed));
  EXPECT_TRUE(follower_->Flush().Is(StatusCode::kClosed));
  EXPECT_TRUE(follower_->Write({}, batch).Is(StatusCode::kClosed));
}

}  // namespace
}  // namespace varve::lsm
