// Replay of logs longer than one thread's share: the same with and without a second thread, and the same refusals.
#include "lsm/recovery.h"

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "lsm/io/fault_file_system.h"
#include "lsm/io/memory_file_system.h"
#include "lsm/sync/manual_executor.h"
#include "lsm/version/file_names.h"
#include "lsm/wal/log_format.h"
#include "lsm/wal/log_writer.h"
#include "lsm/write_batch.h"
#include "tests/lsm/db_test_util.h"
#include "tests/lsm/fail_each_call.h"

namespace varve::lsm {
namespace {

using Versions = std::map<std::pair<std::string, uint64_t>, std::string>;  // (key, trailer) -> value

class RecoveryTest : public ::testing::Test {
 protected:
  static constexpr size_t kMemTableBytes = 512 * 1024;
  static constexpr uint32_t kBatch = 50;

  RecoveryTest() {
    EXPECT_TRUE(disk_.CreateDir(kDir).ok());
    BeginSegment();
  }
  void BeginSegment(bool earlier_durable = false) {
    const uint64_t number = segments_.size() + 1;
    auto writer = LogWriter::Open(&disk_, WalFileName(kDir, number),
                                  {.number = number, .salt = 7, .earlier_durable = earlier_durable});
    ASSERT_TRUE(writer.ok()) << writer.status().ToString();
    writer_ = std::move(writer).value();
    segments_.push_back(number);
  }
  void Append(WriteBatch* batch) {
    batch->SetSequence(next_sequence_);
    next_sequence_ += batch->count();
    ASSERT_TRUE(writer_->Append(batch->bytes()).ok());
  }
  // Puts, deletes and range deletes of keys that come again and again.
  void AppendMany(size_t operations) {
    for (size_t done = 0; done < operations; done += kBatch) {
      WriteBatch batch;
      for (SequenceNumber seq = next_sequence_; seq < next_sequence_ + kBatch; ++seq) {
        const std::string key = "key" + std::to_string(dice_.Below(20'000)), value = std::to_string(seq);
        if (dice_.OneIn(500)) {
          batch.DeleteRange(key, key + "0");
          ranges_[seq] = key;
        } else if (dice_.OneIn(10)) {
          batch.Delete(key);
          versions_[{key, PackTrailer(seq, ValueKind::kDelete)}] = "";
        } else {
          batch.Put(key, value);
          versions_[{key, PackTrailer(seq, ValueKind::kPut)}] = value;
        }
      }
      Append(&batch);
    }
  }
  // A batch whose header promises one operation more than there is.
  void AppendMalformed() {
    WriteBatch batch;
    batch.Put("a", "1");
    batch.SetSequence(next_sequence_);
    std::string bytes(batch.bytes());
    EncodeFixed32(bytes.data() + 8, 2);
    ASSERT_TRUE(writer_->Append(bytes).ok());
    next_sequence_ += 2;
  }
  Result<RecoveredLog> Replay(Executor* executor, size_t memtable_bytes = kMemTableBytes) {
    return ReplayLog(&disk_, kDir, state_, segments_, memtable_bytes, executor);
  }
  // The tables together hold what was appended, each what the one before does not, in order and by key.
  void ExpectAll(const RecoveredLog& log) {
    EXPECT_EQ(log.last_sequence, next_sequence_ - 1);
    Versions versions;
    std::map<SequenceNumber, std::string> ranges;
    SequenceNumber last = 0;
    uint64_t next_wal_number = 1;
    for (const RecoveredMemTable& memtable : log.memtables) {
      const MemTable& table = *memtable.table;
      EXPECT_GT(table.smallest_sequence(), last);
      const bool last_one = &memtable == &log.memtables.back();
      EXPECT_TRUE(memtable.next_wal_number >= next_wal_number || (last_one && memtable.next_wal_number == 0));
      next_wal_number = memtable.next_wal_number;
      std::string before;
      MemTable::Iterator it(&table);
      for (it.SeekToFirst(); it.Valid(); it.Next()) {
        const SequenceNumber seq = TrailerSequence(it.trailer());
        EXPECT_TRUE(seq > last && seq <= memtable.last_sequence);
        EXPECT_LE(before, it.key());
        if (before != it.key()) {  // the newest of its key
          uint64_t trailer;
          std::string_view value;
          ASSERT_TRUE(table.Get(it.key(), kSequenceMax, &trailer, &value));
          EXPECT_EQ(trailer, it.trailer());
        }
        before = it.key();
        versions[{before, it.trailer()}] = it.value();
      }
      for (const RangeTombstone& range : table.plain_range_tombstones()) ranges[range.seq] = range.begin;
      last = memtable.last_sequence;
    }
    EXPECT_TRUE(versions == versions_);
    EXPECT_TRUE(ranges == ranges_);
  }

  MemoryFileSystem disk_;
  ManualClock clock_;
  ManualExecutor manual_{&clock_};
  std::unique_ptr<Executor> threads_ = NewThreadExecutor(2);
  ManifestState state_ = [] {
    ManifestState state;
    state.wal_number = 1;
    return state;
  }();
  std::vector<uint64_t> segments_;
  std::unique_ptr<LogWriter> writer_;
  SequenceNumber next_sequence_ = 1;
  Versions versions_;
  std::map<SequenceNumber, std::string> ranges_;  // sequence -> begin
  Dice dice_{4711};
};

TEST_F(RecoveryTest, ALongLogComesBackWithThreadsAndWithout) {
  AppendMany(15'000);
  BeginSegment();
  AppendMany(25'000);
  std::vector<SequenceNumber> ends[2];
  for (Executor* executor : {threads_.get(), static_cast<Executor*>(&manual_)}) {
    auto log = Replay(executor);
    ASSERT_TRUE(log.ok()) << log.status().ToString();
    ExpectAll(*log);
    EXPECT_GT(log->memtables.size(), 4u);
    for (const auto& table : log->memtables) ends[executor == &manual_].push_back(table.last_sequence);
  }
  EXPECT_EQ(ends[0], ends[1]) << "where a memtable ends depends on no thread";
  manual_.RunAll();  // what was scheduled finds nothing to do
}

TEST_F(RecoveryTest, EveryRecordAMemTable) {
  AppendMany(2'000);
  for (Executor* executor : {threads_.get(), static_cast<Executor*>(&manual_)}) {
    auto log = Replay(executor, /*memtable_bytes=*/1);
    ASSERT_TRUE(log.ok()) << log.status().ToString();
    ExpectAll(*log);
    EXPECT_EQ(log->memtables.size(), 2'000 / kBatch);
  }
}

TEST_F(RecoveryTest, WhatIsFlushedIsLeftOut) {
  AppendMany(10'000);
  state_.flushed_sequence = 6'000;
  std::erase_if(versions_, [](const auto& row) { return TrailerSequence(row.first.second) <= 6'000; });
  std::erase_if(ranges_, [](const auto& row) { return row.first <= 6'000; });
  auto log = Replay(threads_.get());
  ASSERT_TRUE(log.ok()) << log.status().ToString();
  ExpectAll(*log);
}

// The first of two defects counts, however far apart they lie: what comes later is not looked at.
TEST_F(RecoveryTest, AMalformedRecordBeforeACut) {
  AppendMany(10'000);
  AppendMalformed();
  AppendMany(10'000);
  next_sequence_ += 5;  // the end of this segment is lost
  BeginSegment(/*earlier_durable=*/true);
  AppendMany(1'000);
  for (Executor* executor : {threads_.get(), static_cast<Executor*>(&manual_)}) {
    auto log = Replay(executor);
    ASSERT_TRUE(log.status().Is(StatusCode::kCorruption)) << log.status().ToString();
    EXPECT_EQ(log.status().message(), "operation 1 of the batch's 2 is malformed or cut short, 0 bytes before the end");
  }
}

TEST_F(RecoveryTest, AGapInsideASegmentNamesThePlace) {
  AppendMany(10'000);
  next_sequence_ += 5;
  AppendMany(kBatch);
  const std::string end = std::to_string(writer_->size());
  auto log = Replay(threads_.get());
  ASSERT_TRUE(log.status().Is(StatusCode::kCorruption)) << log.status().ToString();
  EXPECT_EQ(log.status().message(),
            WalFileName(kDir, 1) + ": record before offset " + end +
                ": batch begins with sequence 10006, want 10001: records are missing from the log");
}

TEST_F(RecoveryTest, ARecordThatIsNoBatch) {
  ASSERT_TRUE(writer_->Append("xy").ok());  // the first of its segment
  auto log = Replay(&manual_);
  EXPECT_TRUE(log.status().Is(StatusCode::kCorruption)) << log.status().ToString();
}

TEST_F(RecoveryTest, ALogThatEndsTooEarlyNamesThePlace) {
  state_.durable_sequence = 5;
  const auto refused = [&](const std::vector<uint64_t>& segments, const std::string& place, SequenceNumber last) {
    auto log = ReplayLog(&disk_, kDir, state_, segments, kMemTableBytes, &manual_);
    ASSERT_TRUE(log.status().Is(StatusCode::kCorruption)) << log.status().ToString();
    EXPECT_EQ(log.status().message(), place + ": the log ends with sequence " + std::to_string(last) +
                                          ", but the manifest says that all up to 5 was durable. Bytes of the log are "
                                          "lost or damaged; restore a backup");
  };
  refused({}, kDir, 0);
  ASSERT_TRUE(disk_.Create(WalFileName(kDir, 2)).ok());  // never begun
  refused({2}, WalFileName(kDir, 2) + ": offset 0", 0);
  WriteBatch batch;
  batch.Put("a", "1");
  Append(&batch);
  refused({1, 2}, WalFileName(kDir, 1) + ": offset " + std::to_string(writer_->size()), 1);
}

// Behind the end of the log: what does not claim to follow is cut, what does is refused, rot is rot.
TEST_F(RecoveryTest, SegmentsBehindAGap) {
  uint64_t second = 0;  // record
  const auto behind_a_gap = [&](bool earlier_durable) {
    next_sequence_ += 5;
    BeginSegment(earlier_durable);
    AppendMany(kBatch);
    second = writer_->size();
    AppendMany(kBatch);
    ASSERT_TRUE(!earlier_durable || writer_->Sync().ok());
    AppendMany(kBatch);
  };
  behind_a_gap(/*earlier_durable=*/true);
  const std::string missing = ": was written after all earlier records were durable, but sequence ";
  EXPECT_TRUE(Replay(&manual_).status().message().starts_with(
      WalFileName(kDir, 2) + missing + "1 is missing before it (" + WalFileName(kDir, 1) + " ends at offset "));
  segments_ = {2};
  EXPECT_TRUE(Replay(&manual_).status().message().starts_with(
      WalFileName(kDir, 2) + missing + "1 is missing before it (the segments before it are missing)"));
  FlipByte(&disk_, WalFileName(kDir, 2), second + kLogHeaderSize);
  EXPECT_TRUE(Replay(&manual_).status().message().starts_with(WalFileName(kDir, 2) + ": offset " +
                                                              std::to_string(second) + ": damaged log record"));

  segments_ = {1, 2};
  behind_a_gap(/*earlier_durable=*/false);
  segments_ = {1, 3};
  auto log = Replay(&manual_);
  ASSERT_TRUE(log.ok()) << log.status().ToString();
  EXPECT_EQ(log->last_sequence, 0u);
  EXPECT_EQ(log->cut_segments, std::vector<uint64_t>{3});
  EXPECT_EQ(log->cut_bytes, writer_->size());
}

// A log in four segments: sealed, torn, behind a gap, and never begun.
class RecoveryTailTest : public RecoveryTest {
 protected:
  RecoveryTailTest() {
    AppendMany(500);
    EXPECT_TRUE(writer_->Seal().ok());
    BeginSegment();
    AppendMany(500);
    const uint64_t end = writer_->size();
    last_sequence_ = next_sequence_ - 1;
    AppendMany(kBatch);
    EXPECT_TRUE((*disk_.OpenForWrite(WalFileName(kDir, 2)))->WriteAt(end, "torn").ok());
    BeginSegment();
    AppendMany(kBatch);
    EXPECT_TRUE(disk_.Create(WalFileName(kDir, 4)).ok());
    EXPECT_TRUE(disk_.SyncDir(kDir).ok() && disk_.SyncDir("/").ok());
  }
  Result<RecoveredLog> ReplayOn(FileSystem* fs) {
    auto listing = ListDirectory(fs, kDir);
    if (!listing.ok()) return listing.status();
    return ReplayLog(fs, kDir, state_, listing->wals, kMemTableBytes, &manual_);
  }

  FaultFileSystem fs_{&disk_};
  SequenceNumber last_sequence_ = 0;
};

TEST_F(RecoveryTailTest, ReplayFailsWithItsCalls) {
  FailEachCall(
      &fs_, [&] { return ReplayOn(&fs_); },
      [&](bool met, const Result<RecoveredLog>& log) {
        EXPECT_EQ(log.status().Is(StatusCode::kIoError), met) << log.status().ToString();
        ASSERT_TRUE(met || log.ok());
        if (!log.ok()) return;
        EXPECT_EQ(log->last_sequence, last_sequence_);
        EXPECT_EQ(log->cut_segments, (std::vector<uint64_t>{3, 4}));
      });
}

// Whatever fails, the next life reads the same; once all went well, so it does after a power loss.
TEST_F(RecoveryTailTest, ATailIsDurableAndFinalOrTheErrorIsSaid) {
  FailEachCall(
      &fs_,
      [&] {
        auto log = ReplayOn(&disk_);
        EXPECT_TRUE(log.ok()) << log.status().ToString();
        return CleanTail(&fs_, kDir, *log);
      },
      [&](bool met, const Status& status) {
        EXPECT_EQ(status.Is(StatusCode::kIoError), met) << status.ToString();
        const auto after = disk_.CrashClone(met ? CrashPlan::KeepAll() : CrashPlan::DropUnsynced());
        auto log = ReplayOn(after.get());
        ASSERT_TRUE(log.ok()) << log.status().ToString();
        EXPECT_EQ(log->last_sequence, last_sequence_);
        ASSERT_TRUE(disk_.Create(WalFileName(kDir, 4)).ok() && disk_.SyncDir(kDir).ok());  // one to be cut, each time
        if (met) return;
        EXPECT_TRUE(log->cut_segments.empty());
        ASSERT_EQ(log->replayed.size(), 2u);
        EXPECT_TRUE(log->replayed[0].sealed && log->replayed[1].sealed);
      });
}

TEST(DirectoryTest, FilesByKind) {
  MemoryFileSystem disk;
  ASSERT_TRUE(disk.CreateDir(kDir).ok());
  for (const char* name : {"CURRENT", "LOCK", "MANIFEST-000012", "000011.wal", "000009.wal", "000003.sst",
                           "000004.vlog", "CURRENT.tmp", "notes.txt"}) {
    ASSERT_TRUE(disk.Create(std::string(kDir) + "/" + name).ok());
  }
  const auto listing = ListDirectory(&disk, kDir);
  ASSERT_TRUE(listing.ok()) << listing.status().ToString();
  using Numbers = std::vector<uint64_t>;
  using Names = std::vector<std::string>;
  EXPECT_TRUE(listing->has_current);
  EXPECT_EQ(listing->manifests, Numbers{12});
  EXPECT_EQ(listing->wals, (Numbers{9, 11}));
  EXPECT_EQ(listing->tables, Numbers{3});
  EXPECT_EQ(listing->value_logs, Numbers{4});
  EXPECT_EQ(listing->temporaries, Names{"CURRENT.tmp"});
  EXPECT_EQ(listing->foreign, Names{"notes.txt"});
  EXPECT_EQ(listing->largest_number, 12u);
}

TEST(DirectoryTest, WithoutCurrentNothingMayBeThere) {
  DirectoryListing being_made;
  being_made.manifests = {1};
  being_made.foreign = {"notes.txt"};
  EXPECT_TRUE(CheckNotBeheaded(kDir, being_made).ok());
  for (const auto files : {&DirectoryListing::tables, &DirectoryListing::value_logs, &DirectoryListing::wals}) {
    DirectoryListing listing;
    listing.*files = {3};
    EXPECT_TRUE(CheckNotBeheaded(kDir, listing).Is(StatusCode::kCorruption));
    listing.has_current = true;
    EXPECT_TRUE(CheckNotBeheaded(kDir, listing).ok());
  }
}

}  // namespace
}  // namespace varve::lsm
