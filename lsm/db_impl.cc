// Open, close, reads and snapshots of the owner's database.
#include "lsm/db_impl.h"

#include <algorithm>
#include <optional>
#include <thread>

#include "lsm/io/path.h"
#include "lsm/out_of_memory.h"
#include "lsm/version/file_names.h"

namespace varve::lsm {

static_assert(kLevelCount == kLevels);

namespace {

constexpr size_t kBudgetMin = size_t{4} << 20;
constexpr size_t kMemTableMin = size_t{1} << 20;
constexpr size_t kMemTableMax = size_t{64} << 20;
constexpr size_t kAsyncReadsMax = 1024;     // GetAsync says so to its users
constexpr size_t kAsyncAnnouncedMax = 128;  // keeps a disk busy, and its queue (of 256, as a rule) from filling up
constexpr size_t kAsyncReadersMax = 8;      // as many as the lane has threads
constexpr size_t kAsyncReadsPerReader =
    16;  // that wait before another thread is worth waking: most find their block there
constexpr size_t kReplayedFlushesMax = 4;  // that come on top of a full level 0 when a log is replayed
constexpr uint64_t kRateMin = uint64_t{64} << 10;
constexpr uint64_t kDiskMin = uint64_t{4} << 20;
constexpr uint64_t kMemTablesPerDisk = 32;
// Zeros written before a fresh log segment's records: a quarter of what its memtable will ask for, within these.
constexpr size_t kWriteAheadMin = size_t{16} << 10;
constexpr size_t kWriteAheadMax = size_t{1} << 20;

}  // namespace

Result<Environment> ResolveOptions(const Options& options) {
  if (options.memory_budget < kBudgetMin) {
    return Status::InvalidArgument("memory_budget is " + std::to_string(options.memory_budget) +
                                   " bytes, want at least " + std::to_string(kBudgetMin));
  }
  if (options.block_size < 256 || options.block_size > (size_t{1} << 20)) {
    return Status::InvalidArgument("block_size is " + std::to_string(options.block_size) +
                                   " bytes, want 256 to 1048576");
  }
  if (options.table_size < (size_t{64} << 10)) {
    return Status::InvalidArgument("table_size is " + std::to_string(options.table_size) +
                                   " bytes, want at least 65536");
  }
  if (options.merge_operator != nullptr &&
      (options.merge_operator->name().empty() || options.merge_operator->name().size() > kMergeOperatorNameMax)) {
    return Status::InvalidArgument("the merge operator's name is " +
                                   std::to_string(options.merge_operator->name().size()) + " bytes, want 1 to " +
                                   std::to_string(kMergeOperatorNameMax));
  }
  if (options.filter_bits_per_key < 0 || options.filter_bits_per_key > 32) {
    return Status::InvalidArgument("filter_bits_per_key is " + std::to_string(options.filter_bits_per_key) +
                                   ", want 0 to 32");
  }
  if (options.compaction != CompactionStyle::kFifo && (options.fifo_bytes_max != 0 || options.fifo_age_max_s != 0)) {
    return Status::InvalidArgument("fifo_bytes_max and fifo_age_max_s are of CompactionStyle::kFifo alone");
  }
  if (options.compaction_bytes_per_second != 0 && options.compaction_bytes_per_second < kRateMin) {
    return Status::InvalidArgument("compaction_bytes_per_second is " +
                                   std::to_string(options.compaction_bytes_per_second) + ", want 0 or at least " +
                                   std::to_string(kRateMin));
  }
  if (options.max_disk_bytes != 0 && options.max_disk_bytes < kDiskMin) {
    return Status::InvalidArgument("max_disk_bytes is " + std::to_string(options.max_disk_bytes) +
                                   ", want 0 or at least " + std::to_string(kDiskMin));
  }
  Environment environment;
  environment.options = options;
  environment.file_system = options.file_system != nullptr ? options.file_system : PosixFileSystem();
  environment.clock = options.clock != nullptr ? options.clock : SystemClock();
  environment.random = options.random != nullptr ? options.random : SystemRandom();
  environment.memtable_bytes = options.memtable_size != 0
                                   ? options.memtable_size
                                   : std::clamp(options.memory_budget / 8, kMemTableMin, kMemTableMax);
  if (options.memtable_size == 0 && options.max_disk_bytes != 0) {  // several of them lie in the log at a time
    environment.memtable_bytes =
        std::min<size_t>(environment.memtable_bytes, options.max_disk_bytes / kMemTablesPerDisk);
  }
  const int cores = static_cast<int>(std::thread::hardware_concurrency());
  environment.compaction_threads =
      options.background_threads > 0 ? options.background_threads : std::clamp(cores / 2, 1, 8);
  return environment;
}

Result<ValueRules> ResolveRules(const Environment& environment, const std::string& dir, const ManifestState& state) {
  ValueRules rules{.merge_operator = environment.options.merge_operator, .clock = environment.clock};
  if (rules.merge_operator == nullptr) {
    rules.merge_operator = FindMergeOperator(state.merge_operator);
  } else if (!state.merge_operator.empty() && state.merge_operator != rules.merge_operator->name()) {
    return Status::InvalidArgument(dir + ": was written with merge operator '" + state.merge_operator +
                                   "', but Options::merge_operator is '" + std::string(rules.merge_operator->name()) +
                                   "'; open it with its own");
  }
  return rules;
}

DbImpl::DbImpl(std::string dir, Environment environment)
    : dir_(std::move(dir)),
      env_(std::move(environment)),
      settings_(env_),
      memtable_bytes_(env_.memtable_bytes),
      max_disk_bytes_(env_.options.max_disk_bytes),
      wal_sync_(env_.options.wal_sync) {
  executor_ = env_.options.executor;
  if (executor_ == nullptr) {
    own_executor_ = NewThreadExecutor(env_.compaction_threads);
    executor_ = own_executor_.get();
  }
  cache_ = std::make_unique<BlockCache>(env_.options.memory_budget);
  context_ = std::make_shared<TableContext>();
  context_->file_system = env_.file_system;
  context_->cache = cache_.get();
  context_->dir = dir_;
  MutexLock lock(&lifeline_->mu);
  lifeline_->db = this;
}

Result<std::unique_ptr<Db>> DbImpl::Open(const std::string& dir, const Options& options) {
  return OrOutOfMemory([&] { return OpenOwned(dir, options); });
}

Result<std::unique_ptr<Db>> DbImpl::OpenOwned(const std::string& dir, const Options& options) {
  auto environment = ResolveOptions(options);
  if (!environment.ok()) return environment.status();
  std::unique_ptr<DbImpl> db(new DbImpl(WithoutTrailingSlashes(dir), std::move(environment).value()));
  if (Status s = db->OpenDirectory(); !s.ok()) return s;
  return std::unique_ptr<Db>(std::move(db));
}

Status DbImpl::OpenDirectory() {
  FileSystem* fs = env_.file_system;
  auto exists = fs->Exists(dir_);
  if (!exists.ok()) return exists.status();
  DirectoryListing listing;
  if (*exists) {
    // Looked at before LOCK is made, so that a directory that is not ours stays untouched.
    auto before = ListDirectory(fs, dir_);
    if (!before.ok()) return before.status();
    VARVE_TRY(CheckNotBeheaded(dir_, *before));
    if (!before->has_current && !before->foreign.empty()) {
      return Status::InvalidArgument(dir_ + ": holds no database, but other files (such as '" +
                                     before->foreign.front() + "'); choose an empty or new directory");
    }
    if (before->has_current && env_.options.error_if_exists) {
      return Status::InvalidArgument(dir_ + ": a database is there already (error_if_exists is set)");
    }
    listing = std::move(before).value();
  }
  if (!listing.has_current && !env_.options.create_if_missing) return Status::NotFound(dir_ + ": no database there");
  if (!*exists) VARVE_TRY(fs->CreateDir(dir_));
  // Not only when the directory was made just now: whoever made it may have died before this.
  if (!listing.has_current) VARVE_TRY(fs->SyncDir(ParentOf(dir_)));
  auto lock = fs->Lock(LockFileName(dir_));
  if (!lock.ok()) return lock.status();
  lock_ = std::move(lock).value();
  auto again = ListDirectory(fs, dir_);  // the owner before us may have changed it until now
  if (!again.ok()) return again.status();
  return Recover(*again);
}

Status DbImpl::Recover(const DirectoryListing& listing) {
  ManifestState state;
  state.wal_number = 1;
  if (listing.has_current) {
    ManifestReader reader;
    VARVE_TRY(reader.Open(context_));
    state = reader.state();
    for (int n = 0; n < kLevels; ++n) {
      for (const TableFileRef& file : state.version->level(n)) {
        if (!std::binary_search(listing.tables.begin(), listing.tables.end(), file->number())) {
          return Status::Corruption(file->path() + ": " + reader.name() + " names this table, but the file is missing");
        }
      }
    }
    for (const ValueLogFileRef& file : state.version->value_logs()) {
      if (!std::binary_search(listing.value_logs.begin(), listing.value_logs.end(), file->number())) {
        return Status::Corruption(file->path() + ": " + reader.name() +
                                  " names this value-log file, but it is missing");
      }
    }
  }
  auto rules = ResolveRules(env_, dir_, state);
  if (!rules.ok()) return rules.status();
  rules_ = *rules;
  if (rules_.merge_operator != nullptr) state.merge_operator = rules_.merge_operator->name();
  next_number_ = std::max(state.next_number, listing.largest_number + 1);
  std::vector<uint64_t> segments;
  for (uint64_t number : listing.wals) {
    if (number >= state.wal_number) segments.push_back(number);
  }
  auto log = ReplayLog(env_.file_system, dir_, state, segments, env_.memtable_bytes, executor_);
  if (!log.ok()) return log.status();
  VARVE_TRY(CleanTail(env_.file_system, dir_, *log));
  wal_tail_cut_bytes_ = log->cut_bytes;
  last_sequence_ = log->last_sequence;
  visible_ = log->last_sequence;

  // The manifest comes before the segment: a crash in between must not leave a log without a database around it.
  const uint64_t manifest_number = NextNumber();
  if (log->memtables.empty()) {  // nothing of the old log is needed; the new one begins behind what it held
    state.wal_number = next_number_;
    state.flushed_sequence = log->last_sequence;
  }
  state.next_number = next_number_;
  state.durable_sequence = log->last_sequence;
  auto manifest = ManifestWriter::Create(env_.file_system, env_.random, dir_, manifest_number, state);
  if (!manifest.ok()) return manifest.status();
  {
    MutexLock manifest_lock(&manifest_mu_);
    manifest_ = std::move(manifest).value();
    manifest_disk_bytes_ = manifest_->size();
  }

  Wal::Setup wal;
  wal.file_system = env_.file_system;
  wal.random = env_.random;
  wal.dir = dir_;
  wal.file_name = [this](uint64_t number) { return WalFileName(dir_, number); };
  wal.next_number = [this] { return NextNumber(); };
  wal.write_ahead_bytes = std::clamp(env_.memtable_bytes / 4, kWriteAheadMin, kWriteAheadMax);
  auto created = Wal::Create(std::move(wal));
  if (!created.ok()) return created.status();
  wal_ = std::move(created).value();

  RemoveUnused(listing, state, manifest_number);

  MutexLock lock(&mu_);
  active_ = std::make_shared<MemTable>();
  for (RecoveredMemTable& memtable : log->memtables) {
    const uint64_t next_wal = memtable.next_wal_number != 0 ? memtable.next_wal_number : wal_->current_number();
    sealed_.push_back({std::move(memtable.table), next_wal, memtable.last_sequence});
  }
  for (uint64_t number : segments) {
    const bool cut = std::find(log->cut_segments.begin(), log->cut_segments.end(), number) != log->cut_segments.end();
    if (cut || number < state.wal_number) continue;
    replayed_wals_.push_back(number);
    replayed_disk_bytes_ += env_.file_system->FileSize(WalFileName(dir_, number)).value_or(0);
  }
  for (int n = 0; n < kLevels; ++n) table_disk_bytes_ += state.version->level_bytes(n);
  for (const ValueLogFileRef& file : state.version->value_logs()) table_disk_bytes_ += file->facts().file_size;
  for (const auto& job : state.jobs) next_job_ = std::max(next_job_, job->id + 1);
  for (const RecoveredLog::Segment& segment : log->replayed) {
    if (segment.number >= state.wal_number)
      log_segments_.push_back({segment.number, segment.first_sequence, segment.end});
  }
  NoteSegmentLocked();
  state_ = std::move(state);
  // More than writers of this style are let leave behind was left by another style: they are not held up for it. (What
  // they did leave counts, or a database that is opened for a moment at a time would grow level 0 without end.)
  if (Level0Debt(*state_.version, picker_options()) > kLevel0Stop + kReplayedFlushesMax) {
    settled_sequence_ = last_sequence_;
  }
  view_ = std::make_unique<CurrentView>(std::make_shared<ReadView>());
  InstallViewLocked();
  SetSpaceLimitLocked(env_.options.max_disk_bytes);
  AfterChangeLocked();
  drop_due_ = !state_.version->with_range_tombstones().empty();
  ScheduleWorkLocked();
  SchedulePeriodicSyncLocked(wal_sync_.load(std::memory_order_relaxed));
  return Status::Ok();
}

// Removes what no version names: left from a crash, or from a clean-up that failed. Errors are harmless: the next open
// tries again.
void DbImpl::RemoveUnused(const DirectoryListing& listing, const ManifestState& state, uint64_t manifest_number) {
  std::vector<std::string> unused;
  std::set<uint64_t> live;
  for (int n = 0; n < kLevels; ++n) {
    for (const TableFileRef& file : state.version->level(n)) live.insert(file->number());
  }
  for (uint64_t number : listing.tables) {
    if (!live.contains(number)) unused.push_back(TableFileName(dir_, number));
  }
  for (uint64_t number : listing.value_logs) {
    if (FindValueLog(state.version->value_logs(), number) == nullptr) unused.push_back(ValueLogFileName(dir_, number));
  }
  for (uint64_t number : listing.wals) {
    if (number < state.wal_number) unused.push_back(WalFileName(dir_, number));
  }
  for (uint64_t number : listing.manifests) {
    if (number != manifest_number) unused.push_back(dir_ + "/" + ManifestName(number));
  }
  for (const std::string& name : listing.temporaries) unused.push_back(dir_ + "/" + name);
  for (const std::string& path : unused) {
    Status ignored = env_.file_system->Remove(path);
    (void)ignored.ok();
  }
}

DbImpl::~DbImpl() {
  Status ignored = Close();
  (void)ignored.ok();
  own_executor_.reset();  // not in Close: whoever waits there for background work still asks it
}

Status DbImpl::Close() {
  if (closed_.load(std::memory_order_acquire)) return Status::Ok();
  {
    MutexLock lock(&mu_);
    closing_.store(true, std::memory_order_release);
    changed_.SignalAll();
  }
  // Writers before us in the queue finish; those behind us find that we are closing.
  { const Turn turn(this); }
  {
    MutexLock lock(&mu_);
    Await([this]() VARVE_REQUIRES(mu_) { return jobs_ == 0; });
  }
  {
    MutexLock lock(&lifeline_->mu);
    lifeline_->db = nullptr;
  }
  Status status;
  if (wal_ != nullptr && !fenced_.load(std::memory_order_acquire)) {
    status = wal_->Sync();
    if (status.ok() && view_ != nullptr) IfMemoryAllows([&] { NoteEnds(); });  // null: Open has failed
    wal_->GiveUpPrepared();
  }
  closed_.store(true, std::memory_order_release);
  lock_.reset();
  return status;
}

// Says in the manifest how far the log reaches, and in CURRENT how far the manifest does, so that files that lose their
// ends are not taken for shorter ones. Without that nothing is lost but the warning, so errors are harmless.
void DbImpl::NoteEnds() {
  SequenceNumber known = 0;
  {
    MutexLock lock(&mu_);
    known = std::max(state_.flushed_sequence, state_.durable_sequence);
  }
  Status status;
  if (last_sequence_ > known) {
    VersionEdit edit;
    edit.durable_sequence = last_sequence_;
    bool reached = false;
    status = WriteEdit(&edit, 0, &reached);
  }
  MutexLock manifest_lock(&manifest_mu_);
  if (status.ok() && !manifest_->fenced()) status = manifest_->NoteEnd();
  (void)status.ok();
}

Result<bool> DbImpl::Get(const ReadOptions& options, std::string_view key, PinnedValue* value) {
  if (closed_.load(std::memory_order_relaxed)) return Status::Closed();
  const ReadTier tier{.memory_only = false, .fill_cache = options.fill_cache};
  return OrOutOfMemory([&] {
    CurrentView::Pin view(view_.get());
    return GetFrom(*view, options, SequenceOf(options), tier, key, value);
  });
}

Result<bool> DbImpl::TryGet(const ReadOptions& options, std::string_view key, PinnedValue* value) {
  return GetFromMemory(options, key, /*announce=*/false, value);
}

Result<bool> DbImpl::GetFromMemory(const ReadOptions& options, std::string_view key, bool announce,
                                   PinnedValue* value) {
  if (closed_.load(std::memory_order_relaxed)) return Status::Closed();
  const ReadTier tier{.memory_only = true, .fill_cache = options.fill_cache, .announce = announce};
  return OrOutOfMemory([&] {
    CurrentView::Pin view(view_.get());
    return GetFrom(*view, options, SequenceOf(options), tier, key, value);
  });
}

// The block that is missing is announced at once, so the disk works on as many reads as wait, however few threads answer.
// Only the first kAsyncAnnouncedMax are: announcing more would wait for a place in the disk's queue. Readers do it for
// those that come among them.
Status DbImpl::GetAsync(const ReadOptions& options, std::string_view key, GetCallback callback) {
  PinnedValue value;
  const bool announce = async_waiting_.load(std::memory_order_relaxed) < kAsyncAnnouncedMax;
  Result<bool> found = GetFromMemory(options, key, announce, &value);
  if (!found.status().Is(StatusCode::kWouldBlock)) {
    callback(std::move(found), std::move(value));
    return Status::Ok();
  }
  Status queued = OrOutOfMemory([&] { return QueueRead(options, key, announce, &callback); });
  if (!queued.Is(StatusCode::kClosed)) return queued;
  callback(std::move(queued), {});
  return Status::Ok();
}

Status DbImpl::QueueRead(const ReadOptions& options, std::string_view key, bool announce, GetCallback* callback) {
  MutexLock lock(&mu_);
  if (async_reads_.size() >= kAsyncReadsMax) return Status::Busy("1024 reads wait for the disk already");
  if (closing_.load(std::memory_order_relaxed)) return Status::Closed();
  AsyncRead read{options, std::string(key), std::move(*callback), announce};
  // The reader before what it reads: with nobody to answer it, nothing may be left behind.
  if (async_readers_ < kAsyncReadersMax && async_reads_.size() >= async_readers_ * kAsyncReadsPerReader) {
    executor_->Schedule(Lane::kRead, [this] { AnswerAsyncReads(); });
    ++async_readers_;
    ++jobs_;
  }
  async_reads_.push_back(std::move(read));
  async_waiting_.store(async_reads_.size(), std::memory_order_relaxed);
  return Status::Ok();
}

// Until none is left: as long as one waits, a reader is there or on its way, and Close waits for readers.
void DbImpl::AnswerAsyncReads() {
  for (;;) {
    AsyncRead read;
    std::optional<std::string> nearer;  // the key to announce
    {
      MutexLock lock(&mu_);
      if (async_reads_.empty()) {
        --async_readers_;
        break;
      }
      read = std::move(async_reads_.front());
      async_reads_.pop_front();
      async_waiting_.store(async_reads_.size(), std::memory_order_relaxed);
      if (async_reads_.size() >= kAsyncAnnouncedMax && !async_reads_[kAsyncAnnouncedMax - 1].announced) {
        IfMemoryAllows([&, &far = async_reads_[kAsyncAnnouncedMax - 1].key] { nearer = far; });
      }
    }
    if (nearer.has_value()) {
      PinnedValue unused;
      // Not by its options: another reader may answer it by now, and then what they name is gone.
      (void)GetFromMemory({}, *nearer, /*announce=*/true, &unused);
    }
    PinnedValue value;
    Result<bool> found = Get(read.options, read.key, &value);
    read.callback(std::move(found), std::move(value));
  }
  EndJob();
}

void DbImpl::Prefetch(std::span<const std::string_view> keys) {
  if (closed_.load(std::memory_order_relaxed)) return;
  CurrentView::Pin view(view_.get());
  PrefetchFrom(*view, keys);
}

std::vector<Result<bool>> DbImpl::MultiGet(const ReadOptions& options, std::span<const std::string_view> keys,
                                           std::span<PinnedValue> values) {
  if (closed_.load(std::memory_order_relaxed)) {
    std::vector<Result<bool>> closed;
    for (size_t i = 0; i < keys.size(); ++i) closed.emplace_back(Status::Closed());
    return closed;
  }
  CurrentView::Pin view(view_.get());
  return MultiGetFrom(*view, options, SequenceOf(options), keys, values);
}

Iterator DbImpl::NewIterator(const ReadOptions& options) {
  if (closed_.load(std::memory_order_relaxed)) return Iterator(Status::Closed());
  auto view = view_->Share();
  try {
    return IterateOver(std::move(view), options, SequenceOf(options));
  } catch (const std::bad_alloc&) {
    return Iterator(Status::OutOfMemory());
  }
}

class DbImpl::SnapshotHandle final : public Snapshot {
 public:
  SnapshotHandle(DbImpl* db, SequenceNumber sequence) : db_(db), sequence_(sequence) {}
  ~SnapshotHandle() override {
    MutexLock lock(&db_->mu_);
    db_->snapshots_.erase(db_->snapshots_.find(sequence_));
    if (sequence_ >= db_->drop_held_below_ || db_->snapshots_.contains(sequence_)) return;
    db_->drop_due_ = true;
    db_->ScheduleWorkLocked();
  }
  SequenceNumber sequence() const override { return sequence_; }

 private:
  DbImpl* const db_;
  const SequenceNumber sequence_;
};

std::unique_ptr<Snapshot> DbImpl::GetSnapshot() {
  MutexLock lock(&mu_);
  const SequenceNumber sequence = visible_.load(std::memory_order_acquire);
  const auto place = snapshots_.insert(sequence);
  try {
    return std::make_unique<SnapshotHandle>(this, sequence);
  } catch (const std::bad_alloc&) {
    snapshots_.erase(place);
    throw;
  }
}

}  // namespace varve::lsm
