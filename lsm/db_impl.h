// lsm/db_impl.h - the owner's database: write path, background work, administration.
//
// Source files: db_impl.cc (open, close, reads, snapshots), db_impl_write.cc (commit), db_impl_background.cc (which
// work is due, its errors), db_impl_flush.cc, db_impl_compaction.cc, db_impl_manifest.cc (what a finished job changes),
// db_impl_reclaim.cc (tables given up, rot), db_impl_jobs.cc (what runs and ran, and how fast), db_impl_space.cc (the
// cap on the disk), db_impl_settings.cc (options that change), db_impl_admin.cc (verify, statistics), live_files.cc
// (checkpoints, and what backups are made of), db_impl_ingest.cc (tables from outside), db_impl_changes.cc (the log as a
// stream).
//
// Who owns what: the commit leader (one thread at a time, by commit queue) owns the active memtable's writing end,
// last_sequence_ and the log's appending end. mu_ guards the version, the sealed memtables and all scheduling. The
// manifest is written under manifest_mu_. Lock order: commit_mu_ alone; manifest_mu_, then mu_. mu_ and commit_mu_ are
// never held across file I/O.
#pragma once

#include <atomic>
#include <deque>
#include <list>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "lsm/compact/collection.h"
#include "lsm/compact/picker.h"
#include "lsm/compact/table_output.h"
#include "lsm/compact/tiers.h"
#include "lsm/compact/token_bucket.h"
#include "lsm/db.h"
#include "lsm/event_listener.h"
#include "lsm/io/clock.h"
#include "lsm/io/file_system.h"
#include "lsm/live_files.h"
#include "lsm/out_of_memory.h"
#include "lsm/read_view.h"
#include "lsm/recovery.h"
#include "lsm/sync/executor.h"
#include "lsm/sync/mutex.h"
#include "lsm/table/block_cache.h"
#include "lsm/version/manifest.h"
#include "lsm/wal/wal.h"

namespace varve::lsm {

// Options with every default filled in.
struct Environment {
  Options options;
  FileSystem* file_system;
  Clock* clock;
  RandomSource* random;
  size_t memtable_bytes;
  int compaction_threads;
};
Result<Environment> ResolveOptions(const Options& options);
// How the values of a database are read whose manifest says `state`. kInvalidArgument when the operator is not its own.
Result<ValueRules> ResolveRules(const Environment& environment, const std::string& dir, const ManifestState& state);

class DbImpl final : public Db {
 public:
  static constexpr size_t kSealedMax = 2;         // full memtables that may wait for their flush
  static constexpr uint64_t kValueLogTables = 2;  // a value-log file is as large as so many tables

  static Result<std::unique_ptr<Db>> Open(const std::string& dir, const Options& options);
  ~DbImpl() override;

  Result<bool> Get(const ReadOptions& options, std::string_view key, PinnedValue* value) override;
  Result<bool> TryGet(const ReadOptions& options, std::string_view key, PinnedValue* value) override;
  Status GetAsync(const ReadOptions& options, std::string_view key, GetCallback callback) override;
  void Prefetch(std::span<const std::string_view> keys) override;
  std::vector<Result<bool>> MultiGet(const ReadOptions& options, std::span<const std::string_view> keys,
                                     std::span<PinnedValue> values) override;
  Iterator NewIterator(const ReadOptions& options) override;
  std::unique_ptr<Snapshot> GetSnapshot() override;
  Status Write(const WriteOptions& options, WriteBatch& batch) override;
  Status WriteIfUnchanged(const WriteOptions& options, WriteBatch& batch, std::span<const std::string_view> keys,
                          SequenceNumber since) override;
  Result<SequenceNumber> WriteAsync(WriteBatch& batch, DurableCallback on_durable) override;
  WritePressure Pressure() const override;
  Status SyncWal() override;
  void SetWalSync(WalSync mode) override;
  Status Ingest(std::span<const std::string> files, const IngestOptions& options) override;
  Result<std::unique_ptr<ChangeIterator>> ChangesSince(SequenceNumber sequence) override;
  Result<std::unique_ptr<ChangeHold>> HoldChanges(SequenceNumber sequence, uint64_t bytes_max) override;
  Status SetOptions(const OptionChanges& changes) override;
  Options GetOptions() const override;
  Status Flush() override;
  Status CompactRange(std::string_view begin, std::string_view end) override;
  Status ReclaimSpace(std::string_view begin, std::string_view end) override;
  Status WaitForBackgroundWork() override;
  Status Checkpoint(const std::string& dir) override;
  Result<LiveFiles> GetLiveFiles() override;
  Result<VerifyReport> Verify(const VerifyProgress& on_progress) override;
  DbStats Stats() const override;
  std::vector<Job> JobHistory() const override;
  std::vector<TableFileFacts> TableFiles() const override;
  uint64_t ApproximateSize(std::string_view begin, std::string_view end) const override;
  Status CatchUp() override;
  Status Close() override;
  const std::string& dir() const override { return dir_; }

 private:
  class SnapshotHandle;
  // One caller of Write in the commit queue; lives on its stack.
  struct Writer {
    explicit Writer(WriteBatch* b) : batch(b) {}
    WriteBatch* const batch;
    // WriteIfUnchanged's condition: a writer that has one leads its commit itself.
    std::span<const std::string_view> unchanged_keys;
    SequenceNumber unchanged_since = 0;
    bool done = false;       // guarded by commit_mu_
    Writer* next = nullptr;  // behind it in the queue; likewise
    Status status;           // written by the leader before done
    CondVar wake;
  };
  // Allocates nothing, so that a writer can always leave.
  struct WriterQueue {
    Writer* front = nullptr;
    Writer* back = nullptr;
    bool empty() const { return front == nullptr; }
    void Push(Writer* writer) {
      (empty() ? front : back->next) = writer;
      back = writer;
    }
    void Pop() { front = front->next; }
  };
  // A turn at the head of the queue with nothing to write: while it lasts, whoever has it is the commit leader.
  class Turn {
   public:
    explicit Turn(DbImpl* db);
    ~Turn();
    Turn(const Turn&) = delete;
    Turn& operator=(const Turn&) = delete;

   private:
    DbImpl* const db_;
    WriteBatch nothing_;
    Writer writer_{&nothing_};
  };
  // A full memtable on its way to a table.
  struct Sealed {
    std::shared_ptr<MemTable> table;
    uint64_t next_wal_number;      // segments below it are not needed once the table is in the manifest
    SequenceNumber last_sequence;  // of the memtable
  };
  // What one flush takes: the oldest of them.
  struct Flushing {
    std::vector<std::shared_ptr<MemTable>> tables;
    size_t bytes = 0;  // of memory
    uint64_t entries = 0;
    uint64_t next_wal_number = 0;
    SequenceNumber last_sequence = 0;
  };
  struct ActiveJob;
  enum class Room : uint8_t { kFree, kSlow, kFull };
  // Delayed work holds this and finds the database gone, or begins as a job that Close waits for.
  struct Lifeline {
    Mutex mu;
    DbImpl* db VARVE_GUARDED_BY(mu) = nullptr;
  };

  DbImpl(std::string dir, Environment environment);

  // Open and close.
  static Result<std::unique_ptr<Db>> OpenOwned(const std::string& dir, const Options& options);
  Status OpenDirectory();
  Status Recover(const DirectoryListing& listing);
  void RemoveUnused(const DirectoryListing& listing, const ManifestState& state, uint64_t manifest_number);
  uint64_t NextNumber() { return next_number_.fetch_add(1, std::memory_order_relaxed); }
  // Call it after taking the view (see read_view.h).
  // A GetAsync that waits for the disk.
  struct AsyncRead {
    ReadOptions options;
    std::string key;
    GetCallback callback;
    bool announced = false;
  };

  Result<bool> GetFromMemory(const ReadOptions& options, std::string_view key, bool announce, PinnedValue* value);
  Status QueueRead(const ReadOptions& options, std::string_view key, bool announce, GetCallback* callback);
  void AnswerAsyncReads() VARVE_EXCLUDES(mu_);

  SequenceNumber SequenceOf(const ReadOptions& options) const {
    return options.snapshot != nullptr ? options.snapshot->sequence() : visible_.load(std::memory_order_acquire);
  }

  // Commit.
  Status CheckWritable() const;
  Status CheckBatch(const WriteBatch& batch) const;
  Status WriteIf(const WriteOptions& options, WriteBatch& batch, std::span<const std::string_view> keys,
                 SequenceNumber since);
  Result<SequenceNumber> WriteThenTell(WriteBatch& batch, DurableCallback on_durable);
  Status Commit(Writer* writer, bool may_wait);
  Status LeadCommit(Writer* leader, bool may_wait);
  Status CommitGroup(Writer* leader, bool may_wait, size_t* group);
  Status CheckUnchanged(std::span<const std::string_view> keys, SequenceNumber since, SequenceNumber* until) const;
  Status MakeRoom(bool may_wait, const WriteBatch& batch);
  bool HoldsWritersBack() const;
  void DelayLocked(size_t bytes) VARVE_REQUIRES(mu_);
  Status SealMemTable();
  Status InstallMemTable(std::shared_ptr<MemTable> fresh);
  Status LogAndApply(WriteBatch& batch);
  Status FencedAfter(const Status& status);
  Status Apply(const WriteBatch& batch);
  WriteBatch& Gather(Writer* leader);
  bool ActiveIsFull() const;
  Room RoomLocked() const VARVE_REQUIRES(mu_);
  Status SyncAndReport();
  void Fence(const Status& cause);
  // Its two halves, for where the listener must not be called yet: under the manifest's lock.
  void SetFence(const Status& cause);
  void TellFence();
  bool ScheduleDurable();
  void RunDurable();
  void SchedulePeriodicSyncLocked(WalSync mode) VARVE_REQUIRES(mu_);
  void PeriodicSync();
  void BackgroundSync();

  // Ingest.
  struct Incoming {
    std::string path;  // in the directory: a temporary name until Place gives it its number
    uint64_t table_id;
    TableFacts facts;
    uint64_t number = 0;
  };
  Result<Incoming> TakeIn(const std::string& path, bool link);
  Status TakeAllIn(std::span<const std::string> files, bool link, ActiveJob* job, std::vector<Incoming>* incoming);
  Status TakeInAndPlace(std::span<const std::string> files, const IngestOptions& options);
  Status Place(std::vector<Incoming>* incoming, const ActiveJob& job, bool* in_manifest);
  Status InstallIncoming(const std::vector<Incoming>& incoming, const ActiveJob& job, bool* in_manifest);
  Status FlushAllInTurn();
  int LevelForLocked(const TableFacts& facts) const VARVE_REQUIRES(mu_);

  Result<LiveFiles> ListLiveFiles();
  Status TakeOptions(const OptionChanges& changes);

  // Changes.
  class Hold;
  class Changes;
  struct LogSegment {
    uint64_t number;
    SequenceNumber first_sequence;
    uint64_t bytes;  // once the next one has begun
  };
  Result<std::unique_ptr<ChangeHold>> HoldFrom(SequenceNumber sequence, uint64_t bytes_max);
  void NoteSegmentLocked() VARVE_REQUIRES(mu_);
  Result<uint64_t> SegmentOfLocked(SequenceNumber sequence) const VARVE_REQUIRES(mu_);
  void ReleaseLog() noexcept;

  // Background.
  // Waits for `condition`, helping an executor that has no threads.
  template <typename Condition>
  void Await(Condition&& condition) VARVE_REQUIRES(mu_) {
    while (!condition()) {
      mu_.Unlock();
      const bool ran = executor_->RunPending();
      mu_.Lock();
      if (!ran && !condition()) changed_.Wait(&mu_);
    }
  }
  bool StoppedLocked() const VARVE_REQUIRES(mu_);
  bool BeginJob();  // false when Close has begun
  void EndJob();
  void ScheduleLocked(Lane lane, void (DbImpl::*work)()) VARVE_REQUIRES(mu_);
  void ScheduleLaterLocked(Lane lane, uint64_t delay_us, void (DbImpl::*work)()) VARVE_REQUIRES(mu_);
  void ScheduleWorkLocked() noexcept VARVE_REQUIRES(mu_);
  void ScheduleFlushLocked() VARVE_REQUIRES(mu_);
  void ScheduleCompactionLocked() VARVE_REQUIRES(mu_);
  void RetryLaterLocked() noexcept VARVE_REQUIRES(mu_);
  void TryAgainLocked() noexcept VARVE_REQUIRES(mu_);
  void RetryWork();
  void ForgetErrorLocked() VARVE_REQUIRES(mu_);
  void TryForgetErrorLocked() noexcept VARVE_REQUIRES(mu_);
  std::optional<CompactionPlan> PickLocked(const PickerOptions& options) const VARVE_REQUIRES(mu_);
  void AfterChangeLocked() VARVE_REQUIRES(mu_);
  size_t RoomForSealedLocked() noexcept VARVE_REQUIRES(mu_);
  void ForgetSealed();
  double GarbageShareLocked(const PickerOptions& options) const noexcept VARVE_REQUIRES(mu_);
  void NoteLoadLocked() VARVE_REQUIRES(mu_);
  void RunFlush();
  Status FlushAll();
  Status FlushOldest();
  void PrepareLog();
  void RunCompaction();
  Status DropTables();
  void StartNext(std::optional<CompactionPlan>* plan) noexcept;
  Flushing OldestLocked() const VARVE_REQUIRES(mu_);
  void WarmCache(std::span<const TableFileRef> files, uint64_t bytes);
  static std::pair<std::string, std::string> KeysOf(const Flushing& flushing);  // smallest and largest
  Status WriteLevel0(const Flushing& flushing, std::vector<SequenceNumber> snapshots, ActiveJob* job);
  void RunUrgent(const CompactionPlan& outer, uint64_t* fruitless);
  void StartLocked(CompactionPlan* plan) VARVE_REQUIRES(mu_);
  void EndLocked(const CompactionPlan& plan) VARVE_REQUIRES(mu_);
  Status CompactSteps(std::string_view begin, std::string_view end);
  Status StartRangeStep(RangeProgress* progress, std::optional<CompactionPlan>* plan);
  Status AwaitBackgroundWork();
  Status DoCompaction(CompactionPlan* plan);
  Status CarryOut(const CompactionPlan& plan, ActiveJob* job);
  Result<VersionEdit> MergeTables(const CompactionPlan& plan, ActiveJob* job);
  // Reclaiming (db_impl_reclaim.cc).
  SequenceNumber OldestSnapshotLocked() const VARVE_REQUIRES(mu_);
  bool IdleLocked() const VARVE_REQUIRES(mu_);
  void WatchIdleLocked() VARVE_REQUIRES(mu_);
  void IdleTick();
  Status DropCovered();
  Retention retention() const VARVE_REQUIRES(mu_);
  // Tables whose time has come, and why.
  struct Expired {
    std::vector<VersionEdit::Added> tables;
    const char* reason = "";
  };
  Expired ExpiredLocked() const VARVE_REQUIRES(mu_);
  void WatchExpiryLocked() VARVE_REQUIRES(mu_);
  void ExpiryTick();
  Status DropExpired();
  Status GiveUp(std::vector<VersionEdit::Added> tables, const char* reason);
  bool QuarantineLocked(const CompactionPlan& plan, const Status& status) noexcept VARVE_REQUIRES(mu_);
  void ReleaseQuarantineLocked(std::string_view begin, std::string_view end) VARVE_REQUIRES(mu_);
  void CheckQuarantineLocked() VARVE_REQUIRES(mu_);
  void EndCompactionLocked(const CompactionPlan& plan, const Status& status) VARVE_REQUIRES(mu_);
  // `flushed`: so many of the oldest sealed memtables are in the tables that it adds.
  Status InstallEdit(VersionEdit* edit, size_t flushed);
  // `*reached`: the manifest's writer had it, so that its files may be named on the disk.
  Status WriteEdit(VersionEdit* edit, size_t flushed, bool* reached);
  static void Discard(const VersionEdit& edit);
  bool Harmful(const Status& status) const VARVE_REQUIRES(manifest_mu_);
  void InstallState(const VersionEdit& edit, const std::set<uint64_t>& moved, ManifestState next, size_t flushed);
  void NoteEnds();
  void LeaveUnplaced(const VersionEdit& edit, const std::set<uint64_t>& moved) noexcept VARVE_REQUIRES(manifest_mu_);
  void BuryUnplaced() VARVE_REQUIRES(manifest_mu_);
  Status SettleManifest();
  Status RewriteManifest(ManifestState state) VARVE_REQUIRES(manifest_mu_);
  bool IsCurrent(const std::string& old, const std::string& next) const noexcept;
  bool RemoveIfPossible(const std::string& path) const noexcept;
  void InstallViewLocked() VARVE_REQUIRES(mu_);
  void ReportLocked(const Status& status, Status* error) noexcept VARVE_REQUIRES(mu_);
  Status BackgroundErrorLocked() const VARVE_REQUIRES(mu_);
  Status BlockingErrorLocked() const VARVE_REQUIRES(mu_);
  void RemoveBuried() noexcept;
  void RemoveReplayedWals(uint64_t below);
  TableOutputSetup OutputSetup(std::vector<TableFileRef> borders, ActiveJob* job);
  // Of the tables that take `keys` to level `to` from level `from` (-1: from a memtable).
  double FilterBitsFor(int from, int to, uint64_t keys) const VARVE_EXCLUDES(mu_);
  std::vector<SequenceNumber> SnapshotListLocked() const VARVE_REQUIRES(mu_);
  PickerOptions picker_options() const VARVE_REQUIRES(mu_);

  // Jobs (db_impl_jobs.cc).
  void StartJob(ActiveJob* job);
  void FinishJob(ActiveJob* job, const Status& status) noexcept;
  std::shared_ptr<const Job> CompletedJob(const ActiveJob& job, const VersionEdit& edit) const;
  Status BeforeTableWrite(ActiveJob* job, size_t bytes);
  std::vector<RunningJob> RunningJobs() const;
  void KeepRate(size_t bytes);

  // Space (db_impl_space.cc).
  struct Reserved {
    uint64_t left = 0, written = 0;
  };
  struct WriteRoom {
    uint64_t values = UINT64_MAX, deletes = UINT64_MAX;  // bytes
    // For `batch` behind others of `bytes_before` in one record.
    bool Has(size_t bytes_before, const WriteBatch& batch) const;
  };
  static bool OnlyDeletes(const WriteBatch& batch);
  uint64_t DiskBytes() const;
  uint64_t CompactionNeedLocked() const VARVE_REQUIRES(mu_);
  Reserved ReservedLocked() const VARVE_REQUIRES(mu_);
  uint64_t UnflushedBytesLocked() const VARVE_REQUIRES(mu_);
  uint64_t SpokenForLocked() const VARVE_REQUIRES(mu_);
  void SetSpaceLimitLocked(uint64_t max_disk_bytes) VARVE_REQUIRES(mu_);
  void UpdateSpaceLocked() VARVE_REQUIRES(mu_);
  uint64_t CompactionRoomLocked() const VARVE_REQUIRES(mu_);
  PickerOptions RoomyOptionsLocked() const VARVE_REQUIRES(mu_);
  Status SpaceErrorLocked() const VARVE_REQUIRES(mu_);
  Status NoRoomFor(const CompactionPlan& plan, uint64_t limit) const;
  WriteRoom FindWriteRoom() const;
  WriteRoom WriteRoomLocked() const VARVE_REQUIRES(mu_);
  Status NoRoomToWrite() const;
  void LookForSpace();
  void WatchSpaceLocked() VARVE_REQUIRES(mu_);
  void SpaceTick();
  Status AdmitFile(uint64_t bytes);
  void ReleaseFile(uint64_t bytes, bool removed);
  Status TakeSpace(ActiveJob* job, size_t bytes);
  void GiveBackSpace(const ActiveJob& job);
  // Calls the listener, if there is one, without the lock. What there is no memory to say it is not told.
  template <typename Call>
  void TellLocked(Call&& call) VARVE_REQUIRES(mu_) {
    if (env_.options.listener == nullptr) return;
    mu_.Unlock();
    IfMemoryAllows([&] { call(env_.options.listener); });
    mu_.Lock();
  }

  const std::string dir_;
  const Environment env_;                       // as opened: what cannot change
  Environment settings_ VARVE_GUARDED_BY(mu_);  // as SetOptions left them
  std::atomic<size_t> memtable_bytes_;          // copies of settings_, stored under mu_, for readers without it
  std::atomic<uint64_t> max_disk_bytes_;
  std::unique_ptr<Executor> own_executor_;
  Executor* executor_ = nullptr;
  std::shared_ptr<Lifeline> lifeline_ = std::make_shared<Lifeline>();
  std::unique_ptr<FileLock> lock_;
  std::unique_ptr<BlockCache> cache_;
  uint64_t filters_asked_ = 0;  // with an answer that spared a block, at the last flush; of the thread that flushes
  std::shared_ptr<TableContext> context_;
  std::unique_ptr<CurrentView> view_;
  std::unique_ptr<Wal> wal_;
  std::atomic<uint64_t> next_number_{1};
  std::atomic<SequenceNumber> visible_{0};  // stored by the leader (release) once a batch is applied
  std::atomic<bool> closing_{false};        // stored under mu_; jobs look at it now and then
  std::atomic<bool> closed_{false};
  std::atomic<bool> fenced_{false};  // stored under mu_
  std::atomic<WalSync> wal_sync_;
  uint64_t wal_tail_cut_bytes_ = 0;      // fixed after open
  SequenceNumber settled_sequence_ = 0;  // likewise (PickerOptions)
  ValueRules rules_;                     // likewise

  // The commit leader's.
  std::shared_ptr<MemTable> active_;  // replaced by the leader, under mu_
  SequenceNumber last_sequence_ = 0;
  uint64_t looked_for_space_us_ = 0;
  WriteRoom write_room_;  // as of the group of writers now committed
  WriteBatch gathered_;   // several writers' batches as one record
  Mutex commit_mu_;
  WriterQueue queue_ VARVE_GUARDED_BY(commit_mu_);

  mutable Mutex mu_;
  CondVar changed_;  // anything under mu_ that somebody may wait for
  ManifestState state_ VARVE_GUARDED_BY(mu_);
  std::deque<Sealed> sealed_ VARVE_GUARDED_BY(mu_);  // oldest first
  std::multiset<SequenceNumber> snapshots_ VARVE_GUARDED_BY(mu_);
  std::vector<uint64_t> replayed_wals_ VARVE_GUARDED_BY(mu_);  // segments of an earlier life, still needed
  std::deque<LogSegment> log_segments_ VARVE_GUARDED_BY(mu_);  // on the disk, oldest first; the last is written
  uint64_t log_bytes_at_segment_ VARVE_GUARDED_BY(mu_) = 0;    // appended when it began
  std::vector<Hold*> holds_ VARVE_GUARDED_BY(mu_);
  bool flush_scheduled_ VARVE_GUARDED_BY(mu_) = false;
  int compactions_scheduled_ VARVE_GUARDED_BY(mu_) = 0;
  std::vector<const CompactionPlan*> running_plans_ VARVE_GUARDED_BY(mu_);  // what is being compacted
  // Grows, under mu_, with every change that may give compaction something to do: another version, a plan begun or ended,
  // a table that can be tried again.
  std::atomic<uint64_t> work_epoch_{1};
  bool manual_running_ VARVE_GUARDED_BY(mu_) = false;  // one CompactRange at a time
  bool manual_waiting_ VARVE_GUARDED_BY(mu_) = false;  // for tables that are taken: automatic ones stand back
  Status flush_error_ VARVE_GUARDED_BY(mu_);           // of the last attempt: each heals when the
  Status compaction_error_ VARVE_GUARDED_BY(mu_);      // same kind of work succeeds later
  Status quarantine_error_ VARVE_GUARDED_BY(mu_);      // of a table that compaction leaves alone since
  Status fence_ VARVE_GUARDED_BY(mu_);
  // For when there is no memory to say more.
  Status fence_without_memory_ VARVE_GUARDED_BY(mu_) = Status::Fenced(
      "writing stopped, and memory ran out for the reason. Reads go on; reopen the database to write again");
  bool fence_told_ VARVE_GUARDED_BY(mu_) = false;  // the listener knows
  bool drop_due_ VARVE_GUARDED_BY(mu_) = false;    // range tombstones may cover tables that they did not before
  SequenceNumber drop_held_below_ VARVE_GUARDED_BY(mu_) = 0;  // and would cover more, but for snapshots below this
  bool expiry_scheduled_ VARVE_GUARDED_BY(mu_) = false;
  bool idle_scheduled_ VARVE_GUARDED_BY(mu_) = false;
  SequenceNumber watched_sequence_ VARVE_GUARDED_BY(mu_) = 0;          // at the last look
  SequenceNumber idle_sequence_ VARVE_GUARDED_BY(mu_) = kSequenceMax;  // as long as it is the last one: idle
  bool periodic_scheduled_ VARVE_GUARDED_BY(mu_) = false;
  // Bytes of sealed memtables: the most in this period, and in this and the one before. ForgetSealed ends a period.
  size_t sealed_peak_ VARVE_GUARDED_BY(mu_) = 0;
  size_t sealed_lately_ VARVE_GUARDED_BY(mu_) = 0;
  bool forget_scheduled_ VARVE_GUARDED_BY(mu_) = false;
  bool retry_scheduled_ VARVE_GUARDED_BY(mu_) = false;       // after an error: no new work of that kind until then
  std::deque<AsyncRead> async_reads_ VARVE_GUARDED_BY(mu_);  // wait for a reader
  size_t async_readers_ VARVE_GUARDED_BY(mu_) = 0;           // that run AnswerAsyncReads(), or will; each is a job
  std::atomic<size_t> async_waiting_{0};                     // async_reads_.size(), for those without the lock
  int jobs_ VARVE_GUARDED_BY(mu_) =
      0;  // what Close waits for: work of the executor (delayed work once it runs) and long calls
  std::vector<const ActiveJob*> running_ VARVE_GUARDED_BY(mu_);
  TokenBucket compaction_rate_ VARVE_GUARDED_BY(mu_);
  std::atomic<uint64_t> table_disk_bytes_{0};          // of table and value-log files in the directory, whole or begun
  std::atomic<uint64_t> manifest_disk_bytes_{0};       // stored under manifest_mu_
  std::atomic<uint64_t> replayed_disk_bytes_{0};       // of replayed_wals_
  uint64_t incoming_bytes_ VARVE_GUARDED_BY(mu_) = 0;  // of Ingest's files that no version names yet
  // What the disk may come to hold: the cap, or more as long as more is taken since the cap was set.
  uint64_t disk_ceiling_ VARVE_GUARDED_BY(mu_) = UINT64_MAX;
  // What deletes may have spoken for: the cap, or more as long as more was when the largest compaction ahead grew.
  uint64_t delete_ceiling_ VARVE_GUARDED_BY(mu_) = UINT64_MAX;
  uint64_t refused_room_ VARVE_GUARDED_BY(mu_) = 0;  // a compaction needed more: none begins before there is
  bool space_scheduled_ VARVE_GUARDED_BY(mu_) = false;
  uint64_t next_job_ VARVE_GUARDED_BY(mu_) = 1;
  uint64_t delay_debt_us_ VARVE_GUARDED_BY(mu_) = 0;  // admission delay owed but too short to wait for
  size_t level0_debt_ VARVE_GUARDED_BY(mu_) = 0;      // of state_.version
  double garbage_share_ VARVE_GUARDED_BY(mu_) = 0;    // likewise
  std::atomic<Room> room_{Room::kFree};  // RoomLocked() as of the last change; read by the leader without a lock

  Mutex manifest_mu_;  // held across the manifest's I/O
  std::unique_ptr<ManifestWriter> manifest_ VARVE_GUARDED_BY(manifest_mu_);
  // Files of edits that the manifest had no space for.
  std::vector<TableFileRef> unplaced_tables_ VARVE_GUARDED_BY(manifest_mu_);
  ValueLogFiles unplaced_value_logs_ VARVE_GUARDED_BY(manifest_mu_);

  Mutex durable_mu_;
  std::list<DurableCallback> durable_waiters_ VARVE_GUARDED_BY(durable_mu_);
  bool durable_scheduled_ VARVE_GUARDED_BY(durable_mu_) = false;
  std::atomic<uint64_t> sync_started_us_{0};  // of a background sync in progress; 0: none

  struct Counters {
    std::atomic<uint64_t> writes{0}, write_bytes{0}, flushes{0}, flush_bytes{0};
    std::atomic<uint64_t> compactions{0}, compaction_read_bytes{0}, compaction_write_bytes{0}, stall_us{0};
    std::atomic<uint64_t> value_log_moved_bytes{0};
  };
  Counters counters_;
};

}  // namespace varve::lsm
