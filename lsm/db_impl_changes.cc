// The log as a stream of changes: which segments are kept for whom, and reading them.
#include <algorithm>
#include <limits>

#include "lsm/changes.h"
#include "lsm/db_impl.h"
#include "lsm/out_of_memory.h"
#include "lsm/version/file_names.h"
#include "lsm/wal/log_reader.h"

namespace varve::lsm {

namespace {
// Segments so large are used again. In memtables, and bytes for what is written ahead.
constexpr uint64_t kReuseMemTables = 2;
constexpr uint64_t kReuseSlack = uint64_t{1} << 20;

Status Gone(SequenceNumber wanted, const std::string& why) {
  return Status::OutOfRange("sequence " + std::to_string(wanted) + " is not in the log: " + why +
                            ". Take a Checkpoint and go on from its sequence");
}
}  // namespace

class DbImpl::Hold final : public ChangeHold {
 public:
  Hold(DbImpl* db, SequenceNumber sequence, uint64_t bytes_max)
      : db_(db), sequence_(sequence), bytes_max_(bytes_max == 0 ? std::numeric_limits<uint64_t>::max() : bytes_max) {}
  ~Hold() override {
    {
      MutexLock lock(&db_->mu_);
      std::erase(db_->holds_, this);
    }
    db_->ReleaseLog();
  }
  void Advance(SequenceNumber sequence) override {
    {
      MutexLock lock(&db_->mu_);
      sequence_ = std::max(sequence_, sequence);
    }
    db_->ReleaseLog();
  }
  SequenceNumber sequence() const override {
    MutexLock lock(&db_->mu_);
    return sequence_;
  }
  Status status() const override {
    MutexLock lock(&db_->mu_);
    if (!broken_) return Status::Ok();
    return Gone(sequence_ + 1, "the hold would have kept more than its " + std::to_string(bytes_max_) + " bytes");
  }

 private:
  friend class DbImpl;
  DbImpl* const db_;
  SequenceNumber sequence_;  // this and broken_ under the database's mutex
  const uint64_t bytes_max_;
  bool broken_ = false;
};

Result<std::unique_ptr<ChangeHold>> DbImpl::HoldChanges(SequenceNumber sequence, uint64_t bytes_max) {
  if (closed_.load(std::memory_order_acquire)) return Status::Closed();
  return OrOutOfMemory([&] { return HoldFrom(sequence, bytes_max); });
}

Result<std::unique_ptr<ChangeHold>> DbImpl::HoldFrom(SequenceNumber sequence, uint64_t bytes_max) {
  MutexLock lock(&mu_);
  if (auto segment = SegmentOfLocked(sequence + 1); !segment.ok()) return segment.status();
  holds_.reserve(holds_.size() + 1);
  auto hold = std::make_unique<Hold>(this, sequence, bytes_max);
  holds_.push_back(hold.get());
  return std::unique_ptr<ChangeHold>(std::move(hold));
}

// Where the change `sequence` is, or will be.
Result<uint64_t> DbImpl::SegmentOfLocked(SequenceNumber sequence) const {
  const SequenceNumber last = visible_.load(std::memory_order_acquire);
  if (sequence > last + 1) {
    return Gone(sequence, "the last one is " + std::to_string(last) + ", so what was read before was never durable");
  }
  const auto behind = std::find_if(log_segments_.begin(), log_segments_.end(),
                                   [&](const LogSegment& segment) { return segment.first_sequence > sequence; });
  if (behind == log_segments_.begin()) {
    return Gone(sequence, "it begins with " + std::to_string(log_segments_.front().first_sequence));
  }
  return std::prev(behind)->number;
}

// A segment begins, with the sequence behind the last.
void DbImpl::NoteSegmentLocked() {
  const uint64_t bytes = wal_->appended_bytes();
  if (!log_segments_.empty()) log_segments_.back().bytes += bytes - log_bytes_at_segment_;
  log_bytes_at_segment_ = bytes;
  log_segments_.push_back({wal_->current_number(), last_sequence_ + 1, 0});
}

// Lets go of the segments that neither the manifest nor a hold needs. What there is no memory for waits for the next
// flush.
void DbImpl::ReleaseLog() noexcept {
  uint64_t below;
  {
    MutexLock lock(&mu_);
    if (closed_.load(std::memory_order_acquire)) return;
    // From the newest that the manifest does not need to the oldest: what each hold keeps grows.
    uint64_t bytes = 0;
    for (size_t i = log_segments_.size(); i-- > 0;) {
      if (log_segments_[i].number >= state_.wal_number) continue;
      bytes += log_segments_[i].bytes;
      for (Hold* hold : holds_) {
        if (bytes > hold->bytes_max_ && log_segments_[i + 1].first_sequence > hold->sequence_ + 1) hold->broken_ = true;
      }
    }
    SequenceNumber needed = kSequenceMax;
    for (const Hold* hold : holds_) {
      if (!hold->broken_) needed = std::min(needed, hold->sequence_ + 1);
    }
    while (log_segments_.size() > 1 && log_segments_[0].number < state_.wal_number &&
           log_segments_[1].first_sequence <= needed) {
      log_segments_.pop_front();
    }
    below = std::min(state_.wal_number, log_segments_.front().number);
  }
  // One write larger than any memtable must not leave a segment of its size for ever.
  wal_->Release(below, kReuseMemTables * memtable_bytes_.load(std::memory_order_relaxed) + kReuseSlack);
  IfMemoryAllows([&] { RemoveReplayedWals(below); });
}

class DbImpl::Changes final : public ChangeIterator {
 public:
  Changes(DbImpl* db, SequenceNumber sequence) : db_(db), sequence_(sequence) {}

  bool Next() override {
    bool any = false;
    Status s = OrOutOfMemory([&] {
      any = Advance();
      return Status::Ok();
    });
    return s.ok() ? any : Fail(std::move(s));
  }
  WriteBatch::Reader batch() const override { return WriteBatch::Reader(payload_); }
  SequenceNumber sequence() const override { return sequence_; }
  const Status& status() const override { return status_; }

 private:
  bool Advance() {
    if (!status_.ok()) return false;
    if (db_->closed_.load(std::memory_order_acquire)) return Fail(Status::Closed());
    const SequenceNumber visible = db_->visible_.load(std::memory_order_acquire);
    if (sequence_ >= visible) return false;
    while (pending_ || ReadRecord()) {
      const WriteBatch::Reader record(payload_);
      if (!record.status().ok()) return Fail(record.status());
      const SequenceNumber last = record.sequence() + record.count() - 1;
      if (last > visible) {
        pending_ = true;  // not committed yet
        return false;
      }
      pending_ = false;
      if (last <= sequence_) continue;
      if (record.sequence() > sequence_ + 1) {
        return Fail(Status::Corruption(path_ + ": before offset " + std::to_string(reader_.offset()) + ": sequence " +
                                       std::to_string(sequence_ + 1) + " is missing from the log"));
      }
      WriteBatch::Reader operations(payload_);
      WriteBatch::Operation first;
      if (operations.Next(&first) && first.kind == ValueKind::kIngest) {
        return Fail(Gone(record.sequence(), "there tables were taken in by Ingest"));
      }
      sequence_ = last;
      return true;
    }
    return false;
  }
  bool Fail(Status status) {
    status_ = std::move(status);
    return false;
  }

  // The next record of the log, whether it is of interest or not. Nobody keeps the segments from being reused while they
  // are read: a record that checks is of the segment (its salt), and when none does the segment is looked for once more.
  bool ReadRecord() {
    for (;;) {
      if (number_ == 0 && !OpenSegment()) return false;
      if (reader_.Next(&payload_)) {
        looked_again_ = false;
        return true;
      }
      uint64_t next = 0;
      bool released = false;
      {
        DbImpl* const db = db_;
        MutexLock lock(&db->mu_);
        const auto here = std::find_if(db->log_segments_.begin(), db->log_segments_.end(),
                                       [this](const LogSegment& segment) { return segment.number == number_; });
        released = here == db->log_segments_.end();
        if (!released && std::next(here) != db->log_segments_.end()) next = std::next(here)->number;
      }
      if (released) {  // it was read to its end, or what follows is gone
        number_ = 0;
        continue;
      }
      if (!reader_.status().ok()) return Fail(reader_.status());
      const bool complete = reader_.end() == LogReader::End::kSealed || looked_again_;
      if (next != 0 && complete) {
        number_ = next;
        if (!OpenReader()) return false;
        continue;
      }
      // The segment may have grown, and have been sealed, since it was read to its end.
      if (next == 0 && looked_again_) {
        looked_again_ = false;
        return false;
      }
      looked_again_ = true;
      if (reader_.end() == LogReader::End::kEmpty) {
        if (!OpenReader()) return false;
      } else {
        reader_.Resume();
      }
    }
  }
  bool OpenSegment() {
    {
      MutexLock lock(&db_->mu_);
      auto segment = db_->SegmentOfLocked(sequence_ + 1);
      if (!segment.ok()) return Fail(segment.status());
      number_ = *segment;
    }
    return OpenReader();
  }
  bool OpenReader() {
    looked_again_ = false;
    path_ = WalFileName(db_->dir_, number_);
    Status s = reader_.Open(db_->env_.file_system, path_, number_);
    if (s.Is(StatusCode::kNotFound)) s = Gone(sequence_ + 1, "its segment was released");
    return s.ok() || Fail(std::move(s));
  }

  DbImpl* const db_;
  SequenceNumber sequence_;
  uint64_t number_ = 0;  // of the segment; 0: none opened yet
  std::string path_;
  LogReader reader_;
  bool looked_again_ = false;  // since the reader's last record
  bool pending_ = false;       // payload_ is the next record
  std::string_view payload_;   // in reader_
  Status status_;
};

Result<std::unique_ptr<ChangeIterator>> DbImpl::ChangesSince(SequenceNumber sequence) {
  if (closed_.load(std::memory_order_acquire)) return Status::Closed();
  return OrOutOfMemory([&]() -> Result<std::unique_ptr<ChangeIterator>> {
    {
      MutexLock lock(&mu_);
      if (auto segment = SegmentOfLocked(sequence + 1); !segment.ok()) return segment.status();
    }
    return std::unique_ptr<ChangeIterator>(std::make_unique<Changes>(this, sequence));
  });
}

}  // namespace varve::lsm
