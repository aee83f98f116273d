// The change stream: what it yields, how long the log is kept for it, what it says when it was not.
#include "lsm/changes.h"

#include <array>

#include "lsm/table_writer.h"
#include "tests/lsm/db_test_util.h"

namespace varve::lsm {
namespace {

class ChangesTest : public DbFixture {
 protected:
  void SetUp() override { Open(); }
  Options Small() {
    Options options;
    options.memtable_size = 16 * 1024;
    options.wal_sync = WalSync::kNever;
    return machine_.Setup(options);
  }
  void Open() { DbFixture::Open(Small()); }
  void Write(size_t changes = 5, size_t typical = 100) {
    const Changes batch_changes = RandomChanges(&dice_, changes, 100, typical);
    WriteBatch batch;
    AddTo(batch_changes, &batch);
    ASSERT_TRUE(db_->Write({}, batch).ok());
    Apply(batch_changes, &rows_);
  }
  // Several memtables' worth, so that segments come and go.
  void WriteSegments() {
    for (int i = 0; i < 60; ++i) Write(5, 400);
    ASSERT_TRUE(db_->Flush().ok());
  }
  std::unique_ptr<ChangeIterator> Since(SequenceNumber sequence) {
    auto changes = db_->ChangesSince(sequence);
    EXPECT_TRUE(changes.ok()) << changes.status().ToString();
    return changes.ok() ? std::move(changes).value() : nullptr;
  }
  // Replays what there is now; how many batches that was.
  int Replay(ChangeIterator* changes, Rows* rows) {
    int batches = 0;
    while (changes->Next()) {
      ++batches;
      WriteBatch::Reader reader = changes->batch();
      EXPECT_EQ(reader.sequence() + reader.count() - 1, changes->sequence());
      WriteBatch::Operation op;
      Changes all;
      while (reader.Next(&op)) all.push_back({op.kind, std::string(op.key), std::string(op.value)});
      EXPECT_TRUE(reader.status().ok());
      Apply(all, rows);
    }
    EXPECT_TRUE(changes->status().ok()) << changes->status().ToString();
    return batches;
  }
  size_t Segments() { return FilesEnding(machine_.disk.get(), kDir, ".wal").size(); }

  Dice dice_{1};
  Rows rows_;
};

TEST_F(ChangesTest, YieldsBatchesAsTheyCome) {
  auto changes = Since(0);
  EXPECT_FALSE(changes->Next());
  EXPECT_TRUE(changes->status().ok());
  Rows copy;
  for (int i = 0; i < 10; ++i) {
    Write();
    Write();
    EXPECT_EQ(Replay(changes.get(), &copy), 2);
    EXPECT_EQ(Difference(copy, rows_), "");
    EXPECT_EQ(changes->sequence(), db_->Stats().last_sequence);
  }
  Rows again;
  EXPECT_EQ(Replay(Since(0).get(), &again), 20);
  EXPECT_EQ(Difference(again, rows_), "");
}

TEST_F(ChangesTest, BeginsBehindTheSequenceAsked) {
  for (int i = 0; i < 4; ++i) Write(5);
  auto changes = Since(10);
  ASSERT_TRUE(changes->Next());
  EXPECT_EQ(changes->batch().sequence(), 11u);
  changes = Since(12);  // inside a batch: it comes whole
  ASSERT_TRUE(changes->Next());
  EXPECT_EQ(changes->batch().sequence(), 11u);
  EXPECT_FALSE(Since(20)->Next());
  EXPECT_EQ(db_->ChangesSince(21).status().code(), StatusCode::kOutOfRange);
}

TEST_F(ChangesTest, AHoldKeepsTheLog) {
  auto hold = db_->HoldChanges(0, 0);
  ASSERT_TRUE(hold.ok());
  for (int i = 0; i < 5; ++i) WriteSegments();
  EXPECT_GT(Segments(), 5u);
  Rows copy;
  auto changes = Since(0);
  Replay(changes.get(), &copy);
  EXPECT_EQ(Difference(copy, rows_), "");
  (*hold)->Advance(changes->sequence());
  EXPECT_LE(Segments(), 3u) << "the written one and two to be used again";
  EXPECT_EQ(db_->ChangesSince(0).status().code(), StatusCode::kOutOfRange);
  WriteSegments();
  Replay(changes.get(), &copy);
  EXPECT_EQ(Difference(copy, rows_), "");
  hold->reset();
  WriteSegments();
  EXPECT_LE(Segments(), 4u);
}

TEST_F(ChangesTest, WithoutAHoldTheLogGoes) {
  auto changes = Since(0);
  Write();
  ASSERT_TRUE(changes->Next());
  for (int i = 0; i < 4; ++i) WriteSegments();
  Rows copy;
  while (changes->Next()) {
  }
  EXPECT_EQ(changes->status().code(), StatusCode::kOutOfRange) << changes->status().ToString();
  EXPECT_FALSE(changes->Next()) << "errors stay";
  EXPECT_EQ(db_->ChangesSince(0).status().code(), StatusCode::kOutOfRange);
  EXPECT_EQ(db_->HoldChanges(0, 0).status().code(), StatusCode::kOutOfRange);
  EXPECT_TRUE(db_->ChangesSince(db_->Stats().last_sequence).ok());
}

TEST_F(ChangesTest, AHoldOfTooManyBytesBreaks) {
  auto hold = db_->HoldChanges(0, 100'000);
  ASSERT_TRUE(hold.ok());
  auto second = db_->HoldChanges(0, 0);
  ASSERT_TRUE(second.ok());
  for (int i = 0; i < 5; ++i) WriteSegments();
  EXPECT_EQ((*hold)->status().code(), StatusCode::kOutOfRange);
  EXPECT_NE((*hold)->status().message().find("100000 bytes"), std::string_view::npos);
  EXPECT_TRUE((*second)->status().ok());
  EXPECT_TRUE(db_->ChangesSince(0).ok());
  second->reset();
  EXPECT_EQ(db_->ChangesSince(0).status().code(), StatusCode::kOutOfRange);
}

// What of the log is replayed at opening can be read as well.
TEST_F(ChangesTest, AfterReopening) {
  WriteSegments();
  const SequenceNumber flushed = db_->Stats().last_sequence;
  Rows copy = rows_;
  Write();
  Write();
  db_.reset();
  Open();
  auto changes = Since(flushed);
  auto hold = db_->HoldChanges(flushed, 0);
  ASSERT_TRUE(hold.ok());
  machine_.executor.RunAll();
  WriteSegments();
  Replay(changes.get(), &copy);
  EXPECT_EQ(Difference(copy, rows_), "");
}

TEST_F(ChangesTest, EndsAtTablesTakenIn) {
  auto hold = db_->HoldChanges(0, 0);
  Write();
  auto writer = TableWriter::Create("/load", Small());
  ASSERT_TRUE(writer.ok());
  ASSERT_TRUE((*writer)->Put("k", "v").ok());
  ASSERT_TRUE((*writer)->Finish().ok());
  ASSERT_TRUE(db_->Ingest(std::array{std::string("/load")}, {}).ok());
  const SequenceNumber behind = db_->Stats().last_sequence;
  Write();
  auto changes = Since(0);
  EXPECT_TRUE(changes->Next());
  EXPECT_FALSE(changes->Next());
  EXPECT_EQ(changes->status().code(), StatusCode::kOutOfRange);
  EXPECT_NE(changes->status().message().find("Ingest"), std::string_view::npos) << changes->status().ToString();
  EXPECT_TRUE(Since(behind)->Next());
}

TEST_F(ChangesTest, OfAClosedDatabase) {
  auto changes = Since(0);
  Write();
  ASSERT_TRUE(db_->Close().ok());
  EXPECT_FALSE(changes->Next());
  EXPECT_EQ(changes->status().code(), StatusCode::kClosed);
  EXPECT_EQ(db_->ChangesSince(0).status().code(), StatusCode::kClosed);
  EXPECT_EQ(db_->HoldChanges(0, 0).status().code(), StatusCode::kClosed);
}

// Merges and values that expire come as they were written, and mean the same when they are replayed later.
TEST_F(ChangesTest, MergesAndExpiriesComeAsTheyWere) {
  const uint64_t soon = static_cast<uint64_t>(machine_.clock.WallMillis()) + 1000;
  WriteBatch batch;
  batch.PutWithExpiry("expires", "v", soon);
  batch.Merge("expires", "+1");
  batch.Merge("counted", "+2");
  batch.PutWithExpiry("gone", "v", 1);
  ASSERT_TRUE(db_->Write({}, batch).ok());
  ASSERT_TRUE(db_->Merge({}, "counted", "+3").ok());
  auto copy = Db::Open("/copy", Small());
  ASSERT_TRUE(copy.ok());
  auto changes = Since(0);
  machine_.clock.AdvanceMillis(2000);
  while (changes->Next()) {
    WriteBatch replayed;
    WriteBatch::Reader reader = changes->batch();
    WriteBatch::Operation op;
    while (reader.Next(&op)) replayed.Add(op);
    if (changes->sequence() == 4) {
      EXPECT_EQ(replayed.bytes().substr(WriteBatch::kHeaderSize), batch.bytes().substr(WriteBatch::kHeaderSize));
    }
    ASSERT_TRUE((*copy)->Write({}, replayed).ok());
  }
  EXPECT_TRUE(changes->status().ok());
  const Rows rows = {{"counted", "+2+3"}, {"expires", "+1"}};
  EXPECT_EQ(Compare(db_.get(), rows), "");
  EXPECT_EQ(Compare(copy->get(), rows), "");
}

}  // namespace
}  // namespace varve::lsm
