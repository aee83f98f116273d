// lsm/db.h - THE public header of the engine: an ordered map of byte strings in one directory.
//
//   auto db = lsm::Db::Open("data/db", {});
//   if (!db.ok()) die(db.status().ToString());
//   Status s = (*db)->Put({}, "key", "value");
//   PinnedValue value;
//   Result<bool> found = (*db)->Get({}, "key", &value);
//
// Keys are compared bytewise. What survives which accident: docs/reliability.md. How it works: lsm/README.md.
// Threads: every call may come from any thread, at any time until Close(). Ownership: the Db outlives its iterators and
// snapshots. Errors: see lsm/status.h; after a failed sync every write gives kFenced until the database is reopened.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "lsm/changes.h"
#include "lsm/indexed_batch.h"
#include "lsm/iterator.h"
#include "lsm/job.h"
#include "lsm/merge_operator.h"
#include "lsm/options.h"
#include "lsm/pinned_value.h"
#include "lsm/status.h"
#include "lsm/write_batch.h"

namespace varve::lsm {

inline constexpr int kLevelCount = 7;

// Keeps one state of the database readable until destroyed. Holds back compaction from dropping what it sees.
class Snapshot {
 public:
  virtual ~Snapshot() = default;
  virtual SequenceNumber sequence() const = 0;
};

// How close writers are to having to wait. `level` 0: free; 1: Write() has begun to delay; 2: WriteAsync() gives kBusy.
struct WritePressure {
  int level = 0;
  uint64_t suggested_delay_us = 0;
};

struct DbStats {
  struct Level {
    uint64_t files = 0;
    uint64_t bytes = 0;
  };
  std::array<Level, kLevelCount> levels{};
  SequenceNumber last_sequence = 0;
  uint64_t memtable_bytes = 0;      // active and waiting to be flushed
  uint64_t cache_bytes = 0;         // data blocks
  uint64_t table_memory_bytes = 0;  // indexes and filters of open tables
  uint64_t cache_hits = 0, cache_misses = 0;
  uint64_t filter_useful = 0;            // table lookups a filter saved
  uint64_t filter_false_positives = 0;   // blocks looked into in vain because a filter said "maybe"
  uint64_t writes = 0, write_bytes = 0;  // operations and batch bytes accepted
  uint64_t wal_bytes = 0, wal_syncs = 0;
  uint64_t flushes = 0, flush_bytes = 0;
  uint64_t compactions = 0, compaction_read_bytes = 0, compaction_write_bytes = 0;
  // Files that hold large values, the bytes of their records, how many of these no table refers to any more, and bytes
  // copied since opening to get rid of such (part of compaction_write_bytes).
  uint64_t value_log_files = 0, value_log_bytes = 0, value_log_garbage_bytes = 0, value_log_moved_bytes = 0;
  uint64_t stall_us = 0;            // time Write() callers were held
  uint64_t disk_bytes = 0;          // tables, log and manifest; what max_disk_bytes limits
  uint64_t wal_tail_cut_bytes = 0;  // torn bytes dropped by the last recovery
  bool fenced = false;
  std::string background_error;  // empty when none
  std::vector<RunningJob> jobs;  // flushes and compactions under way
};

// A table file, as the manifest knows it.
struct TableFileFacts {
  uint64_t number = 0;
  int level = 0;
  std::string path;
  std::string smallest, largest;   // keys, with range deletes included
  bool largest_exclusive = false;  // `largest` is the end of a range delete
  uint64_t size = 0;               // bytes
  uint64_t entries = 0;            // point versions
  uint64_t deletes = 0;            // of them
  uint64_t range_deletes = 0;
  double filter_bits_per_key = 0;  // 0: no filter
  double false_positive_rate = 1;  // of the filter, expected
  int64_t created_ms = 0;          // Unix time
  uint64_t expires_ms = 0;         // Unix time when the last of its values expires; 0: not all of them do
  SequenceNumber smallest_sequence = 0, largest_sequence = 0;
};

struct VerifyReport {
  uint64_t tables = 0, blocks = 0, entries = 0;
  uint64_t values = 0;                // in value-log files
  std::vector<std::string> problems;  // one line each, naming file and offset; empty means sound
};

// The answer of GetAsync: what Get gives, and the value when it was found.
using GetCallback = std::function<void(Result<bool> found, PinnedValue value)>;

// Called in the caller's thread before each table that is verified.
using VerifyProgress = std::function<void(uint64_t bytes_done, uint64_t bytes_total)>;

// The files that hold one state of the database, kept from being removed as long as `pin` is: what backups are made of.
// Close waits for it.
struct LiveFiles {
  struct File {
    std::string name;         // in the directory
    std::string path;         // with the directory
    uint64_t content_id = 0;  // the same id: the same bytes
    uint64_t size = 0;
  };
  SequenceNumber sequence = 0;  // of the last operation in them
  std::vector<File> files;
  std::string manifest;  // the first record of a manifest that names them
  std::shared_ptr<const void> pin;
};

// Called once, from a background thread, when the write is durable (OK) or never will be (kFenced, kClosed).
using DurableCallback = std::function<void(const Status&)>;

class Db {
 public:
  // Opens or creates the database in `dir` (its parent must exist). Recovers what a crash left. Errors, with nothing
  // written: kBusy when another owner holds it, kCorruption and kUnsupported naming file and offset, kInvalidArgument
  // for a directory with foreign files and no database in it, or for a merge operator that is not the database's.
  // In a release build it also switches off the process' deadlock detector of Abseil, where Abseil was built with one.
  static Result<std::unique_ptr<Db>> Open(const std::string& dir, const Options& options);
  virtual ~Db() = default;  // closes

  // True and the value, or false when the key is not there.
  virtual Result<bool> Get(const ReadOptions& options, std::string_view key, PinnedValue* value) = 0;
  // The same without waiting for the disk: kWouldBlock when the answer is neither in memory nor in the page cache.
  virtual Result<bool> TryGet(const ReadOptions& options, std::string_view key, PinnedValue* value) = 0;
  // Get for event loops: `callback` is called once, within this call when the answer is in memory, else from a thread
  // that reads for the database; what it says was true at some moment in between. Gives kBusy, without a callback, when
  // 1024 reads wait for the disk already. A callback that takes long holds up others. What `options` names outlives the callback; Close waits for the callbacks, so
  // none of them may close the database.
  virtual Status GetAsync(const ReadOptions& options, std::string_view key, GetCallback callback) = 0;
  // Get of every key against one state of the database; `values` is as long as `keys`. Blocks not
  // in memory are read side by side, each only once.
  virtual std::vector<Result<bool>> MultiGet(const ReadOptions& options, std::span<const std::string_view> keys,
                                             std::span<PinnedValue> values) = 0;
  // A hint: these keys will be asked for one by one. Brings near, for all of them together, what is in memory of their
  // way, so that each need not wait for what the one before did; at its best with some dozens. Reads nothing, changes
  // nothing.
  virtual void Prefetch(std::span<const std::string_view> keys) = 0;
  virtual Iterator NewIterator(const ReadOptions& options) = 0;
  virtual std::unique_ptr<Snapshot> GetSnapshot() = 0;

  // Logs, applies and makes visible all of `batch`, in that order; its sequence is stamped. Durable on return when
  // options.sync is set or Options::wal_sync is kAlways. May wait for the write controller.
  virtual Status Write(const WriteOptions& options, WriteBatch& batch) = 0;
  Status Put(const WriteOptions& options, std::string_view key, std::string_view value);
  // A put that reads no longer see from `expire_at_ms` on: Unix time of Options::clock, in milliseconds.
  Status PutWithExpiry(const WriteOptions& options, std::string_view key, std::string_view value,
                       uint64_t expire_at_ms);
  Status Delete(const WriteOptions& options, std::string_view key);
  // Lays an operand on what the key holds, without reading it: see Options::merge_operator. kInvalidArgument without one.
  Status Merge(const WriteOptions& options, std::string_view key, std::string_view operand);
  Status DeleteRange(const WriteOptions& options, std::string_view begin, std::string_view end);
  // Write, if no key of `keys` was written (or covered by a range delete) with a sequence above `since`; else kConflict
  // naming one of them, with nothing written. Nobody writes between check and write. The caller holds a snapshot at
  // `since` or older: without it compaction may have forgotten. See lsm/transaction.h.
  virtual Status WriteIfUnchanged(const WriteOptions& options, WriteBatch& batch,
                                  std::span<const std::string_view> keys, SequenceNumber since) = 0;
  // For event loops: the batch is logged and visible on return, and this call never waits for a sync, a flush or a
  // compaction, except behind an Ingest that waits for one. Gives kBusy, with nothing written, where Write would have to
  // wait. When `on_durable` is set it is called once after the log is synced past this write. Returns the sequence of
  // the last operation.
  virtual Result<SequenceNumber> WriteAsync(WriteBatch& batch, DurableCallback on_durable) = 0;
  virtual WritePressure Pressure() const = 0;
  // Makes every write acknowledged so far durable.
  virtual Status SyncWal() = 0;
  virtual void SetWalSync(WalSync mode) = 0;
  // Changes options while the database runs: all that are named, or none (kInvalidArgument says why). How soon each
  // takes effect: docs/options.md. They are not kept: the next open takes what it is given.
  virtual Status SetOptions(const OptionChanges& changes) = 0;
  // The options as they are now.
  virtual Options GetOptions() const = 0;

  // Takes in files written by TableWriter: all of them become visible together, as if written just now in the order
  // given (a key in two of them: the later file's); snapshots do not see them. They go as deep into the tree as nothing
  // of their key range lies; writers wait while the memtable is flushed, nothing else. Durable on return.
  // kInvalidArgument and kCorruption, with nothing changed, for files of another kind, with merges for another operator,
  // and damaged ones.
  virtual Status Ingest(std::span<const std::string> files, const IngestOptions& options) = 0;

  // The batches behind `sequence` (0: all there ever were), as the log holds them; a batch that `sequence` lies in comes
  // whole. kOutOfRange when the log does not reach back so far. See lsm/changes.h.
  virtual Result<std::unique_ptr<ChangeIterator>> ChangesSince(SequenceNumber sequence) = 0;
  // Keeps them in the log while the hold lives, or until it has kept `bytes_max` bytes (0: no limit) that nobody else
  // needs. The log of an earlier life of the database is kept only as far as it is still needed. kOutOfRange as above.
  virtual Result<std::unique_ptr<ChangeHold>> HoldChanges(SequenceNumber sequence, uint64_t bytes_max) = 0;

  // Writes the memtable to a table and waits for it.
  virtual Status Flush() = 0;
  // Compacts everything in [begin, end] (empty strings: from the first, to the last) down to the lowest level in use;
  // waits.
  virtual Status CompactRange(std::string_view begin, std::string_view end) = 0;
  // Gives back the space of what was deleted or overwritten in [begin, end] (as CompactRange): tables that range deletes
  // hide are dropped unread, the rest is compacted in steps, each of which removes its inputs before the next begins.
  // So it needs room for one step (JobHistory and Stats show them), not for the range. What snapshots see stays. Waits.
  virtual Status ReclaimSpace(std::string_view begin, std::string_view end) = 0;
  // Waits until no flush or compaction is due.
  virtual Status WaitForBackgroundWork() = 0;
  // A second database in `dir` (which must not exist) that shares the tables and value-log files by hard link: cheap, and writers go
  // on.
  virtual Status Checkpoint(const std::string& dir) = 0;
  // Everything acknowledged so far, after a flush; for Backup::Create (lsm/backup.h).
  virtual Result<LiveFiles> GetLiveFiles() = 0;
  // Reads every block of every table and every value they point to, checks checksums, order and the level invariants.
  virtual Result<VerifyReport> Verify(const VerifyProgress& on_progress = {}) = 0;
  virtual DbStats Stats() const = 0;
  // The last kJobHistoryMax jobs that changed the tables, oldest first; they are kept in the manifest.
  virtual std::vector<Job> JobHistory() const = 0;
  // Every live table file, level by level, in each as reads meet them.
  virtual std::vector<TableFileFacts> TableFiles() const = 0;
  // Approximate bytes of tables and of values in value-log files that hold keys in [begin, end) (empty end: to the
  // last).
  virtual uint64_t ApproximateSize(std::string_view begin, std::string_view end) const = 0;
  // Followers: moves the view to what the owner has written by now. Others: OK, nothing to do.
  virtual Status CatchUp() = 0;
  // Stops background work, syncs the log (unless fenced) and lets go of the directory. Later calls give kClosed.
  // Idempotent.
  virtual Status Close() = 0;
  virtual const std::string& dir() const = 0;
};

}  // namespace varve::lsm
