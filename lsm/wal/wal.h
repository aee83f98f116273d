// lsm/wal/wal.h - the write-ahead log of a database: a row of segments, the last of which is written.
//
// A segment begins with each memtable and is needed until that memtable is in a table. Rotate() seals the last segment
// and goes on in the next: one that Prepare() has begun, so that no writer waits for the directory, else one that it
// begins itself; in a recycled file where there is one. Sync() makes every record durable in order: an older segment
// before a newer, so that a record's sync mark speaks for all that came before it. Threads: Append and Rotate by one
// thread at a time (the commit leader); Prepare, Sync, Release and the getters by any, beside them.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "lsm/io/clock.h"
#include "lsm/io/file_system.h"
#include "lsm/sync/mutex.h"
#include "lsm/wal/group_sync.h"
#include "lsm/wal/log_writer.h"

namespace varve::lsm {

class Wal {
 public:
  struct Setup {
    FileSystem* file_system = nullptr;
    RandomSource* random = nullptr;
    std::string dir;
    std::function<std::string(uint64_t)> file_name;  // path of a segment by number
    std::function<uint64_t()> next_number;
    size_t write_ahead_bytes = 0;
  };
  // Begins the first segment. Segments of an earlier life are durable already and not this object's business.
  static Result<std::unique_ptr<Wal>> Create(Setup setup);

  Status Append(std::string_view payload);
  // On an error nothing has changed: the last segment goes on.
  Status Rotate();
  // Begins the next segment already, unless one is. On an error none is; of any but kNoSpace and kOutOfMemory nobody knows
  // what it left on the disk, and the database stops writing.
  Status Prepare();
  // The segment that no Rotate() has taken goes.
  void GiveUpPrepared();
  // Everything appended before the call is durable on return. After a failure nothing may be acknowledged any more (rule
  // R5): the segment that failed refuses everything, and the database stops writing.
  Status Sync();
  // Segments below `number` are not needed any more: kept for reuse, a few of at most `reuse_bytes_max` each, or removed.
  void Release(uint64_t number, uint64_t reuse_bytes_max);

  // Whether the segment that is written refuses everything since: what an Append that failed left there stays. The
  // appender's.
  bool fenced() const { return current_->fenced(); }
  uint64_t current_number() const;
  uint64_t appended_bytes() const { return appended_bytes_.load(std::memory_order_relaxed); }
  uint64_t syncs() const { return syncs_.load(std::memory_order_relaxed); }
  // Of all files of the log, those kept for reuse included.
  uint64_t disk_bytes() const;
  // False when everything appended is known to be durable.
  bool NeedsSync() const;

 private:
  static constexpr size_t kRecycledMax = 2;  // one for the next memtable, one for the one after

  explicit Wal(Setup setup) : setup_(std::move(setup)) { recycled_.reserve(kRecycledMax); }
  Result<std::shared_ptr<LogWriter>> Begin(bool earlier_durable);
  Status PrepareLocked() VARVE_REQUIRES(begin_mu_);
  // In the file of the segment `old_number`, unless that is 0.
  Result<std::shared_ptr<LogWriter>> BeginAt(const std::string& path, uint64_t old_number,
                                             LogWriter::Setup segment) const;
  void GiveUp(const std::string& path);
  Status SyncSegments();
  std::shared_ptr<LogWriter> SegmentBehind(uint64_t number) const;
  void NoteFailure(const Status& failure, const LogWriter& segment);
  void RemoveSegment(uint64_t number) const noexcept;

  const Setup setup_;
  std::atomic<uint64_t> appended_bytes_{0};
  std::atomic<uint64_t> syncs_{0};
  GroupSync group_sync_{appended_bytes_};  // one at a time: segments are synced in order
  Mutex begin_mu_;                         // one segment begins at a time; held for as long as that takes
  std::shared_ptr<LogWriter> prepared_ VARVE_GUARDED_BY(begin_mu_);         // the next segment, or null
  mutable Mutex mu_;                                                        // held for moments only; behind begin_mu_
  std::vector<std::shared_ptr<LogWriter>> segments_ VARVE_GUARDED_BY(mu_);  // oldest first; the last is written
  Status failure_ VARVE_GUARDED_BY(mu_);  // of a sync: every later one fails, and no file gets another use
  struct Recycled {
    uint64_t number;
    uint64_t bytes;
  };
  std::vector<Recycled> recycled_ VARVE_GUARDED_BY(mu_);
  uint64_t renewed_bytes_ VARVE_GUARDED_BY(mu_) = 0;  // of the next segment, and the old one that becomes it
  uint64_t removed_bytes_ VARVE_GUARDED_BY(mu_) = 0;  // of those being removed
  std::shared_ptr<LogWriter> current_;                // the appender's copy of segments_.back()
};

}  // namespace varve::lsm
