// Flushes and compactions: from memtables to level 0, and down the levels.
#include <algorithm>

#include "absl/cleanup/cleanup.h"

#include "lsm/compact/filter_bits.h"
#include "lsm/compact/memtable_output.h"
#include "lsm/db_impl.h"
#include "lsm/db_impl_jobs.h"
#include "lsm/out_of_memory.h"
#include "lsm/version/file_names.h"

namespace varve::lsm {

namespace {
constexpr uint64_t kRetryDelayUs = 1'000'000;  // after an error of background work
constexpr int kZstdLevel = 1;
constexpr size_t kMemTableOvershoot = size_t{256} << 10;  // of the arena's last block
constexpr size_t kCacheShareMin = 16;                     // the cache keeps this part of the budget, come what may
constexpr uint64_t kUrgentPart = 4;                       // a tier merge lets pass what is at most this part of it

// Numbers of the tables that only change their level: the edit removes and adds them.
std::set<uint64_t> MovedTables(const VersionEdit& edit) {
  std::set<uint64_t> added, moved;
  for (const VersionEdit::Added& table : edit.added) added.insert(table.file->number());
  for (const VersionEdit::Removed& table : edit.removed) {
    if (added.contains(table.number)) moved.insert(table.number);
  }
  return moved;
}
}  // namespace

bool DbImpl::StoppedLocked() const {
  return closing_.load(std::memory_order_relaxed) || fenced_.load(std::memory_order_relaxed);
}

void DbImpl::ScheduleLocked(Lane lane, void (DbImpl::*work)()) {
  executor_->Schedule(lane, [this, work] {
    (this->*work)();
    EndJob();
  });
  ++jobs_;  // only now: there may be no memory for it
}

void DbImpl::ScheduleLaterLocked(Lane lane, uint64_t delay_us, void (DbImpl::*work)()) {
  executor_->ScheduleAfter(lane, delay_us, [lifeline = lifeline_, work] {
    DbImpl* db;
    {
      // Not across the work: one lane would wait for another's disk.
      MutexLock lock(&lifeline->mu);
      db = lifeline->db;
      if (db == nullptr || !db->BeginJob()) return;
    }
    (db->*work)();
    db->EndJob();
  });
}

bool DbImpl::BeginJob() {
  MutexLock lock(&mu_);
  if (closing_.load(std::memory_order_relaxed)) return false;
  ++jobs_;
  return true;
}

void DbImpl::EndJob() {
  MutexLock lock(&mu_);
  --jobs_;
  changed_.SignalAll();
}

PickerOptions DbImpl::picker_options() const {
  return {.memtable_bytes = settings_.memtable_bytes,
          .table_bytes = settings_.options.table_size,
          .moves = env_.options.compaction_filter == nullptr,  // with one every value is looked at on its way down
          .style = settings_.options.compaction,
          .settled_sequence = settled_sequence_};
}

std::optional<CompactionPlan> DbImpl::PickLocked(const PickerOptions& options) const {
  if (StoppedLocked() || manual_waiting_) return std::nullopt;
  std::optional<CompactionPlan> plan;
  const bool urgent = garbage_share_ >= kGarbageUrgent;
  if (urgent) plan = PickCollection(*state_.version, options, running_plans_);
  if (!plan) plan = PickCompaction(*state_.version, options, running_plans_);
  if (!plan && !urgent) plan = PickCollection(*state_.version, options, running_plans_);
  if (!plan) {
    plan = PickReclaim(*state_.version, options, running_plans_, OldestSnapshotLocked(), IdleLocked());
  }
  return plan;
}

// What there is no memory to schedule is tried again like work that failed.
void DbImpl::ScheduleWorkLocked() noexcept {
  if (StoppedLocked()) return;
  Status* error = &flush_error_;
  try {
    ScheduleFlushLocked();
    error = &compaction_error_;
    ScheduleCompactionLocked();
    WatchIdleLocked();
    WatchExpiryLocked();
    WatchSpaceLocked();
  } catch (const std::bad_alloc&) {
    ReportLocked(Status::OutOfMemory(), error);
  }
}

void DbImpl::ScheduleFlushLocked() {
  if (sealed_.empty() || flush_scheduled_ || (retry_scheduled_ && !flush_error_.ok())) return;
  ScheduleLocked(Lane::kFlush, &DbImpl::RunFlush);
  flush_scheduled_ = true;
}

void DbImpl::ScheduleCompactionLocked() {
  if ((retry_scheduled_ && !compaction_error_.ok()) || compactions_scheduled_ >= settings_.compaction_threads) return;
  if (!drop_due_ && ExpiredLocked().tables.empty() && !PickLocked(RoomyOptionsLocked())) return;
  ScheduleLocked(Lane::kCompact, &DbImpl::RunCompaction);
  ++compactions_scheduled_;
}

// As it was, where there is no memory to find out.
double DbImpl::GarbageShareLocked(const PickerOptions& options) const noexcept try {
  return GarbageShare(*state_.version, options);
} catch (const std::bad_alloc&) {
  return garbage_share_;
}

// Once for each change of the version, and when its tables or files turn out unreadable or come back: writers ask for
// this all the time.
void DbImpl::NoteLoadLocked() {
  work_epoch_.fetch_add(1, std::memory_order_relaxed);
  const PickerOptions options = picker_options();
  level0_debt_ = Level0Debt(*state_.version, options);
  garbage_share_ = GarbageShareLocked(options);
  room_.store(RoomLocked() == Room::kFree ? Room::kFree : Room::kSlow, std::memory_order_relaxed);
}

void DbImpl::AfterChangeLocked() {
  NoteLoadLocked();
  // What the memtables leave, as large as they are or may still become.
  size_t memtables = std::max(active_->memory_bytes(), settings_.memtable_bytes + kMemTableOvershoot);
  for (const Sealed& sealed : sealed_) memtables += sealed.table->memory_bytes();
  const size_t budget = settings_.options.memory_budget;
  const size_t least = budget / kCacheShareMin;
  cache_->SetCapacity(budget > memtables + least ? budget - memtables : least);
  UpdateSpaceLocked();
  changed_.SignalAll();
}

void DbImpl::ReportLocked(const Status& status, Status* error) noexcept {
  if (status.Is(StatusCode::kClosed)) return;
  *error = status;
  if (!status.ok()) RetryLaterLocked();
  changed_.SignalAll();
  if (!status.ok()) TellLocked([&](EventListener* listener) { listener->OnBackgroundError(status); });
}

// Where there is no memory for that, whoever meets the error tries again.
void DbImpl::RetryLaterLocked() noexcept {
  if (retry_scheduled_ || StoppedLocked()) return;
  try {
    ScheduleLaterLocked(Lane::kFlush, kRetryDelayUs, &DbImpl::RetryWork);
    retry_scheduled_ = true;
  } catch (const std::bad_alloc&) {  // see above
  }
}

// Called by whoever meets an error: what failed for want of memory, and was not put off for want of memory either, is
// tried again.
void DbImpl::TryAgainLocked() noexcept {
  if (retry_scheduled_) return;
  for (Status* error : {&flush_error_, &compaction_error_}) {
    if (error->Is(StatusCode::kOutOfMemory)) *error = Status::Ok();
  }
  ScheduleWorkLocked();
}

Status DbImpl::BackgroundErrorLocked() const {
  for (const Status* error : {&flush_error_, &compaction_error_, &quarantine_error_}) {
    if (!error->ok()) return *error;
  }
  return SpaceErrorLocked();
}

// What keeps writers from getting room: a compaction that fails is in nobody's way until level 0 or the
// value log is full.
Status DbImpl::BlockingErrorLocked() const {
  const bool full = level0_debt_ >= kLevel0Stop || garbage_share_ >= kGarbageStop;
  return full ? BackgroundErrorLocked() : flush_error_;
}

void DbImpl::TryForgetErrorLocked() noexcept {
  try {
    ForgetErrorLocked();
  } catch (const std::bad_alloc&) {  // at the next retry, then
  }
}

// When what failed is not wanted any more: garbage has become a smaller share.
void DbImpl::ForgetErrorLocked() {
  if (compaction_error_.ok() || compactions_scheduled_ > 0 || drop_due_ || PickLocked(RoomyOptionsLocked())) return;
  compaction_error_ = Status::Ok();
  changed_.SignalAll();
}

void DbImpl::RetryWork() {
  MutexLock lock(&mu_);
  retry_scheduled_ = false;
  TryForgetErrorLocked();
  ScheduleWorkLocked();
}

void DbImpl::InstallViewLocked() {
  auto view = std::make_shared<ReadView>();
  view->active = active_;
  for (auto it = sealed_.rbegin(); it != sealed_.rend(); ++it) view->sealed.push_back(it->table);
  view->version = state_.version;
  view->rules = rules_;
  view_->Install(std::move(view));
}

std::vector<SequenceNumber> DbImpl::SnapshotListLocked() const {
  std::vector<SequenceNumber> list(snapshots_.begin(), snapshots_.end());
  list.erase(std::unique(list.begin(), list.end()), list.end());
  return list;
}

TableOutputSetup DbImpl::OutputSetup(std::vector<TableFileRef> borders, ActiveJob* job) {
  const Options options = GetOptions();
  TableOutputSetup setup;
  setup.file_system = env_.file_system;
  setup.random = env_.random;
  setup.clock = env_.clock;
  setup.context = context_;
  setup.builder.block_size = options.block_size;
  setup.builder.compression = options.compression;
  setup.builder.zstd_level = kZstdLevel;
  setup.borders = std::move(borders);
  setup.values.threshold = options.value_log_threshold;
  setup.values.file_bytes = kValueLogTables * options.table_size;
  setup.values.compression = options.compression;
  setup.values.zstd_level = kZstdLevel;
  setup.values.bytes_moved = &counters_.value_log_moved_bytes;
  setup.next_number = [this] { return NextNumber(); };
  setup.cancelled = &closing_;
  setup.meter = &job->meter;
  setup.builder.before_write = [this, job](size_t bytes) { return BeforeTableWrite(job, bytes); };
  setup.values.before_write = setup.builder.before_write;
  return setup;
}

double DbImpl::FilterBitsFor(int from, int to, uint64_t keys) const {
  std::array<uint64_t, kLevels> after{};
  MutexLock lock(&mu_);
  for (int n = 0; n < kLevels; ++n) after[static_cast<size_t>(n)] = state_.version->level_entries(n);
  if (from >= 0) after[static_cast<size_t>(from)] -= keys;
  after[static_cast<size_t>(to)] += keys;
  return FilterBits(after, to, settings_.options.filter_bits_per_key);
}

void DbImpl::RunFlush() {
  const Status status = OrOutOfMemory([&] { return FlushOldest(); });
  view_->Reap();
  RemoveBuried();
  MutexLock lock(&mu_);
  flush_scheduled_ = false;
  ReportLocked(status, &flush_error_);
  ScheduleWorkLocked();
}

// The oldest sealed memtable, and those behind it that make one of usual size with it: a replay leaves small ones.
DbImpl::Flushing DbImpl::OldestLocked() const {
  Flushing flushing;
  for (const Sealed& sealed : sealed_) {
    const size_t bytes = sealed.table->memory_bytes();
    if (!flushing.tables.empty() && flushing.bytes + bytes > settings_.memtable_bytes) break;
    flushing.tables.push_back(sealed.table);
    flushing.bytes += bytes;
    flushing.entries += sealed.table->count();
    flushing.next_wal_number = sealed.next_wal_number;
    flushing.last_sequence = sealed.last_sequence;
  }
  return flushing;
}

std::pair<std::string, std::string> DbImpl::KeysOf(const Flushing& flushing) {
  std::string smallest, largest;
  for (const auto& table : flushing.tables) {
    MemTable::Iterator it(table.get());
    it.SeekToFirst();
    if (!it.Valid()) continue;
    if (smallest.empty() || it.key() < smallest) smallest.assign(it.key());
    it.SeekToLast();
    largest = std::max(largest, std::string(it.key()));
  }
  return {smallest, largest};
}

Status DbImpl::FlushOldest() {
  Flushing flushing;
  std::vector<SequenceNumber> snapshots;
  {
    MutexLock lock(&mu_);
    if (sealed_.empty() || StoppedLocked()) return Status::Closed();
    flushing = OldestLocked();
    snapshots = SnapshotListLocked();
  }
  VARVE_TRY(SettleManifest());
  ActiveJob job;
  job.facts.kind = JobKind::kFlush;
  job.facts.from_level = -1;
  job.facts.reason = "memtable of " + std::to_string(flushing.entries) + " entries";
  job.bytes_total = flushing.bytes;
  job.entries_total = flushing.entries;
  StartJob(&job);
  const Status status = OrOutOfMemory([&] { return WriteLevel0(flushing, std::move(snapshots), &job); });
  FinishJob(&job, status);
  VARVE_TRY(status);
  counters_.flushes.fetch_add(1, std::memory_order_relaxed);
  ReleaseLog();
  return Status::Ok();
}

Status DbImpl::WriteLevel0(const Flushing& flushing, std::vector<SequenceNumber> snapshots, ActiveJob* job) {
  const auto [smallest, largest] = KeysOf(flushing);
  std::vector<TableFileRef> guides;
  uint64_t piece_bytes;
  int level;
  {
    MutexLock lock(&mu_);
    guides = FlushGuides(*state_.version, picker_options());
    piece_bytes = picker_options().FlushPieceBytes();
    level = SettlingLevel(*state_.version, picker_options(), smallest, largest);
  }
  TableOutputSetup setup = OutputSetup(std::move(guides), job);
  setup.border_bytes = piece_bytes;
  setup.builder.filter_bits_per_key = FilterBitsFor(-1, level, flushing.entries);
  auto output = WriteMemTables(flushing.tables, std::move(snapshots), rules_, std::move(setup));
  if (!output.ok()) {
    GiveBackSpace(*job);
    return output.status();
  }

  IfMemoryAllows([&] { WarmCache(output->files, flushing.bytes); });

  VersionEdit edit;
  edit.value_logs = std::move(output->value_logs);
  absl::Cleanup discard = [&] {
    for (const TableFileRef& file : output->files) file->MarkObsolete();
    Discard(edit);
  };
  edit.wal_number = flushing.next_wal_number;
  edit.flushed_sequence = flushing.last_sequence;
  for (const TableFileRef& file : output->files) edit.added.push_back({0, file});
  edit.jobs.push_back(CompletedJob(*job, edit));
  std::move(discard).Cancel();
  return InstallEdit(&edit, flushing.tables.size());
}

// What was written last is read soon: while there are point reads, and room for all of it, a flush's blocks are in the
// cache before the first of them looks there.
void DbImpl::WarmCache(std::span<const TableFileRef> files, uint64_t bytes) {
  const uint64_t asked = cache_->filter_useful();
  if (std::exchange(filters_asked_, asked) == asked) return;
  if (cache_->block_bytes() + cache_->table_memory_bytes() + bytes > cache_->capacity()) return;
  for (const TableFileRef& file : files) {
    if (!file->Open().ok()) return;  // whoever needs it will say so
    TableIterator it(file->shared_table(), ReadTier{});
    for (it.SeekToFirst(); it.Valid(); it.Next()) continue;
  }
}

Status DbImpl::InstallEdit(VersionEdit* edit, size_t flushed) {
  bool reached = false;
  Status status = OrOutOfMemory([&] { return WriteEdit(edit, flushed, &reached); });
  if (!status.ok() && !reached) Discard(*edit);
  EventListener* listener = env_.options.listener;
  if (listener == nullptr) return status;
  if (!status.ok()) TellFence();
  if (!status.ok()) return status;
  IfMemoryAllows([&] {
    const std::set<uint64_t> moved = MovedTables(*edit);
    for (const VersionEdit::Added& added : edit->added) {
      if (!moved.contains(added.file->number())) listener->OnTableCreated(added.file->number(), added.file->path());
    }
  });
  return status;
}

Status DbImpl::WriteEdit(VersionEdit* edit, size_t flushed, bool* reached) {
  const std::set<uint64_t> moved = MovedTables(*edit);
  MutexLock manifest_lock(&manifest_mu_);
  ManifestState next;
  {
    MutexLock lock(&mu_);
    if (fenced_.load(std::memory_order_relaxed)) return fence_;
    next = state_;
  }
  if (manifest_->WantsRewrite()) VARVE_TRY(RewriteManifest(next));
  edit->next_number = next_number_.load(std::memory_order_relaxed);
  VARVE_TRY(ApplyEdit(*edit, dir_ + ": edit", &next));
  *reached = true;
  if (Status s = manifest_->Append(*edit); !s.ok()) {
    if (Harmful(s)) SetFence(s);
    // The edit may have reached the disk nevertheless, so its new files stay until the next one has overwritten it.
    LeaveUnplaced(*edit, moved);
    return s;
  }
  BuryUnplaced();
  const Status status = OrOutOfMemory([&] {
    InstallState(*edit, moved, std::move(next), flushed);
    return Status::Ok();
  });
  if (status.ok()) return status;
  SetFence(status);  // what is in the manifest is not all here, nor what readers see all that is
  MutexLock lock(&mu_);
  return fence_;
}

// The files that the edit would have added, which nothing on the disk names, go.
void DbImpl::Discard(const VersionEdit& edit) {
  for (const VersionEdit::Added& added : edit.added) {
    const bool moved = std::any_of(edit.removed.begin(), edit.removed.end(), [&](const VersionEdit::Removed& removed) {
      return removed.number == added.file->number();
    });
    if (!moved) added.file->MarkObsolete();
  }
  for (const ValueLogFileRef& file : edit.value_logs) file->MarkObsolete();
}

// Those that there is no memory to remember stay until the next open.
void DbImpl::LeaveUnplaced(const VersionEdit& edit, const std::set<uint64_t>& moved) noexcept try {
  for (const VersionEdit::Added& added : edit.added) {
    if (!moved.contains(added.file->number())) unplaced_tables_.push_back(added.file);
  }
  unplaced_value_logs_.insert(unplaced_value_logs_.end(), edit.value_logs.begin(), edit.value_logs.end());
} catch (const std::bad_alloc&) {
}

// Whether the manifest may not go on: not where there was no room, or memory, for an edit, and the next one takes its
// place.
bool DbImpl::Harmful(const Status& status) const {
  return manifest_->fenced() || (!status.Is(StatusCode::kNoSpace) && !status.Is(StatusCode::kOutOfMemory));
}

void DbImpl::InstallState(const VersionEdit& edit, const std::set<uint64_t>& moved, ManifestState next,
                          size_t flushed) {
  MutexLock lock(&mu_);
  for (const VersionEdit::Removed& removed : edit.removed) {
    if (moved.contains(removed.number)) continue;
    for (const TableFileRef& file : state_.version->level(removed.level)) {
      if (file->number() == removed.number) file->MarkObsolete();
    }
  }
  for (const ValueLogFileRef& file : state_.version->value_logs()) {
    if (FindValueLog(next.version->value_logs(), file->number()) == nullptr) file->MarkObsolete();
  }
  state_ = std::move(next);
  if (!edit.added.empty() && !state_.version->with_range_tombstones().empty()) drop_due_ = true;
  CheckQuarantineLocked();
  sealed_.erase(sealed_.begin(), sealed_.begin() + static_cast<std::ptrdiff_t>(flushed));
  InstallViewLocked();
  // What Ingest adds is visible once it is there, in one step for whoever takes a snapshot or drops what nobody sees.
  if (visible_.load(std::memory_order_relaxed) < state_.flushed_sequence) {
    visible_.store(state_.flushed_sequence, std::memory_order_release);
  }
  AfterChangeLocked();
}

// The manifest's end is known again.
void DbImpl::BuryUnplaced() {
  manifest_disk_bytes_.store(manifest_->size(), std::memory_order_relaxed);
  for (const TableFileRef& file : std::exchange(unplaced_tables_, {})) file->MarkObsolete();
  for (const ValueLogFileRef& file : std::exchange(unplaced_value_logs_, {})) file->MarkObsolete();
}

// Before a job writes anything: as long as the manifest has no space for its edit, each retry would leave its files behind
// for the sake of an edit that may have reached the disk. An empty edit in its place, and they can go.
Status DbImpl::SettleManifest() {
  Status status;
  {
    MutexLock manifest_lock(&manifest_mu_);
    if (unplaced_tables_.empty() && unplaced_value_logs_.empty()) return Status::Ok();
    VersionEdit nothing;
    nothing.names_format = true;
    status = manifest_->Append(nothing);
    if (status.ok()) {
      BuryUnplaced();
    } else if (Harmful(status)) {
      SetFence(status);
    }
  }
  if (!status.ok()) TellFence();
  RemoveBuried();
  return status;
}

// Begins a fresh manifest. Where a full disk has no place for one, or memory, the old one goes on.
Status DbImpl::RewriteManifest(ManifestState state) {
  const uint64_t number = NextNumber();
  state.next_number = number + 1;
  const std::string old = manifest_->path(), next = dir_ + "/" + ManifestName(number);
  const std::string temporary = CurrentFileName(dir_) + ".tmp";
  auto fresh =
      OrOutOfMemory([&] { return ManifestWriter::Create(env_.file_system, env_.random, dir_, number, state); });
  if (fresh.ok()) {
    manifest_ = std::move(fresh).value();
    RemoveIfPossible(old);
    return Status::Ok();
  }
  const bool harmless = fresh.status().Is(StatusCode::kNoSpace) || fresh.status().Is(StatusCode::kOutOfMemory);
  if (!harmless || !IsCurrent(old, next)) {
    SetFence(fresh.status());  // after a crash CURRENT may name either
    return fresh.status();
  }
  RemoveIfPossible(next);
  RemoveIfPossible(temporary);
  return Status::Ok();
}

// Whether CURRENT is known to name the manifest `old`, not the one that was to follow it.
bool DbImpl::IsCurrent(const std::string& old, const std::string& next) const noexcept {
  bool known = false;
  IfMemoryAllows([&] {
    const bool begun = env_.file_system->Exists(next).value_or(true);
    const auto current = ReadCurrent(env_.file_system, dir_);
    known = !begun || (current.ok() && dir_ + "/" + current->manifest == old);
  });
  return known;
}

// What cannot be removed now goes at the next open.
bool DbImpl::RemoveIfPossible(const std::string& path) const noexcept {
  bool removed = false;
  IfMemoryAllows([&] { removed = env_.file_system->Remove(path).ok(); });
  return removed;
}

void DbImpl::RemoveBuried() noexcept {
  bool any = false;
  for (const auto& [path, size] : context_->graveyard->TakeAll()) {
    if (!RemoveIfPossible(path)) continue;
    any = true;
    table_disk_bytes_.fetch_sub(size, std::memory_order_relaxed);
    if (env_.options.listener == nullptr) continue;
    const ParsedName parsed = ParseFileName(std::string_view(path).substr(dir_.size() + 1));
    if (parsed.kind != FileKind::kTable) continue;
    IfMemoryAllows(
        [this, number = parsed.number, &removed = path] { env_.options.listener->OnTableDeleted(number, removed); });
  }
  if (!any || max_disk_bytes_.load(std::memory_order_relaxed) == 0) return;
  MutexLock lock(&mu_);
  UpdateSpaceLocked();
  work_epoch_.fetch_add(1, std::memory_order_relaxed);
  ScheduleWorkLocked();  // what there was no room for
  changed_.SignalAll();
}

void DbImpl::RemoveReplayedWals(uint64_t below) {
  std::vector<uint64_t> removed;
  {
    MutexLock lock(&mu_);
    auto keep = std::partition(replayed_wals_.begin(), replayed_wals_.end(), [&](uint64_t n) { return n >= below; });
    removed.assign(keep, replayed_wals_.end());
    replayed_wals_.erase(keep, replayed_wals_.end());
    if (replayed_wals_.empty()) replayed_disk_bytes_.store(0, std::memory_order_relaxed);
  }
  std::sort(removed.begin(), removed.end());  // oldest first: what is left after a crash is a suffix
  for (uint64_t number : removed) RemoveIfPossible(WalFileName(dir_, number));
}

// Takes the tables, and the room for what the plan writes: its tables, and the values of files to be emptied.
void DbImpl::StartLocked(CompactionPlan* plan) {
  running_plans_.reserve(running_plans_.size() + 1);
  plan->room_bytes = CompactionRoomLocked();
  plan->reserved_bytes = plan->OutputBytes();
  if (!plan->trivial_move) {
    PickerOptions beside = picker_options();
    beside.room_bytes = plan->room_bytes - std::min(plan->room_bytes, plan->reserved_bytes);
    plan->collected = FilesToCollect(*state_.version, beside);
  }
  for (const auto* files : {&plan->inputs, &plan->below}) {
    for (const TableFileRef& file : *files) {
      file->being_compacted = true;
      for (const ValueLogReference& reference : file->facts().value_logs) {
        const bool moved = std::binary_search(plan->collected.begin(), plan->collected.end(), reference.file_number);
        if (moved) plan->reserved_bytes += reference.bytes;
      }
    }
  }
  running_plans_.push_back(plan);
  work_epoch_.fetch_add(1, std::memory_order_relaxed);
}

void DbImpl::EndLocked(const CompactionPlan& plan) {
  for (const auto* files : {&plan.inputs, &plan.below}) {
    for (const TableFileRef& file : *files) file->being_compacted = false;
  }
  std::erase(running_plans_, &plan);
  work_epoch_.fetch_add(1, std::memory_order_relaxed);
}

void DbImpl::RunCompaction() {
  const Status dropped = OrOutOfMemory([&] { return DropTables(); });
  if (!dropped.ok()) {
    MutexLock lock(&mu_);
    drop_due_ = true;
    ReportLocked(dropped, &compaction_error_);
  }
  std::optional<CompactionPlan> plan;
  if (dropped.ok()) StartNext(&plan);
  const bool fruitless = !plan;
  if (plan) {
    const Status status = OrOutOfMemory([&] { return DoCompaction(&*plan); });
    MutexLock lock(&mu_);
    EndCompactionLocked(*plan, status);
  }
  plan.reset();
  view_->Reap();
  RemoveBuried();
  MutexLock lock(&mu_);
  --compactions_scheduled_;  // only now: whoever waits for it finds the old tables gone
  if (fruitless && !retry_scheduled_) TryForgetErrorLocked();
  ScheduleWorkLocked();
  changed_.SignalAll();
}

Status DbImpl::DropTables() {
  bool covered;
  {
    MutexLock lock(&mu_);
    covered = drop_due_;
  }
  if (covered) VARVE_TRY(DropCovered());
  return DropExpired();
}

// The compaction that is due, if there is one; it stays where it is while it runs.
void DbImpl::StartNext(std::optional<CompactionPlan>* plan) noexcept {
  MutexLock lock(&mu_);
  try {
    *plan = PickLocked(RoomyOptionsLocked());
    if (!*plan) return;
    StartLocked(&**plan);
  } catch (const std::bad_alloc&) {
    plan->reset();
    ReportLocked(Status::OutOfMemory(), &compaction_error_);
  }
  ScheduleWorkLocked();  // there may be work for another thread beside this
}

// Inside a deeper compaction or a large merge of level 0, on its thread: what is urgent goes first, however few threads
// there are. (Flushes have a thread of their own.) The outer one's tables stay taken meanwhile. `*fruitless` is the last
// epoch in which there was nothing to do.
void DbImpl::RunUrgent(const CompactionPlan& outer, uint64_t* fruitless) {
  if (work_epoch_.load(std::memory_order_relaxed) == *fruitless) return;
  std::optional<CompactionPlan> plan;
  {
    MutexLock lock(&mu_);
    if (StoppedLocked() || manual_waiting_ || !compaction_error_.ok()) return;
    if (compactions_scheduled_ < settings_.compaction_threads) return;  // another thread does it
    const uint64_t bytes_max = outer.level > 0 ? UINT64_MAX : outer.input_bytes() / kUrgentPart;
    plan = PickUrgent(*state_.version, RoomyOptionsLocked(), running_plans_, bytes_max);
    if (!plan) {
      *fruitless = work_epoch_.load(std::memory_order_relaxed);
      return;
    }
    plan->urgent = true;
    StartLocked(&*plan);
  }
  const Status status = OrOutOfMemory([&] { return DoCompaction(&*plan); });
  MutexLock lock(&mu_);
  EndCompactionLocked(*plan, status);
  ScheduleWorkLocked();  // what its tables kept from others
}

Status DbImpl::DoCompaction(CompactionPlan* running) {
  const CompactionPlan& plan = *running;
  VARVE_TRY(SettleManifest());
  ActiveJob job;
  job.plan = running;
  job.facts.kind = plan.trivial_move ? JobKind::kMove : JobKind::kCompaction;
  job.facts.from_level = plan.level;
  job.facts.to_level = plan.output_level;
  job.facts.reason = plan.reason;
  for (const auto* files : {&plan.inputs, &plan.below}) {
    for (const TableFileRef& file : *files) {
      job.facts.inputs.push_back(file->number());
      job.entries_total += file->facts().entries;
    }
  }
  job.bytes_total = plan.input_bytes();
  StartJob(&job);
  const Status status = OrOutOfMemory([&] { return CarryOut(plan, &job); });
  FinishJob(&job, status);
  return status;
}

Status DbImpl::CarryOut(const CompactionPlan& plan, ActiveJob* job) {
  VersionEdit edit;
  absl::Cleanup discard = [&] { Discard(edit); };
  if (plan.trivial_move) {
    for (const TableFileRef& file : plan.inputs) edit.removed.push_back({plan.level, file->number()});
    for (const TableFileRef& file : plan.inputs) edit.added.push_back({plan.output_level, file});
  } else {
    auto merged = MergeTables(plan, job);
    if (!merged.ok()) return merged.status();
    edit = std::move(merged).value();
    counters_.compaction_read_bytes.fetch_add(plan.input_bytes(), std::memory_order_relaxed);
  }
  if (!plan.trivial_move) {
    for (const TableFileRef& file : plan.inputs) edit.removed.push_back({plan.level, file->number()});
  }
  for (const TableFileRef& file : plan.below) edit.removed.push_back({plan.output_level, file->number()});
  edit.jobs.push_back(CompletedJob(*job, edit));
  std::move(discard).Cancel();
  VARVE_TRY(InstallEdit(&edit, 0));
  counters_.compactions.fetch_add(1, std::memory_order_relaxed);
  return Status::Ok();
}

Result<VersionEdit> DbImpl::MergeTables(const CompactionPlan& plan, ActiveJob* job) {
  const ReadTier tier{.memory_only = false, .fill_cache = false};
  std::vector<RangeTombstone> ranges;
  for (const auto* files : {&plan.inputs, &plan.below}) {
    for (const TableFileRef& file : *files) {
      auto table = file->Open();
      if (!table.ok()) return table.status();
      if ((*table)->range_tombstones() != nullptr) (*table)->range_tombstones()->AppendTo(&ranges);
    }
  }
  std::vector<MergeSource> sources;
  std::vector<std::vector<TableFileRef>> runs;
  if (plan.level == 0) {
    runs = DisjointRuns(plan.inputs);
    for (const auto& run : runs) sources.emplace_back(LevelIterator(run, tier));
  } else {
    sources.emplace_back(LevelIterator(plan.inputs, tier));
  }
  if (!plan.below.empty()) sources.emplace_back(LevelIterator(plan.below, tier));
  std::vector<SequenceNumber> snapshots;
  TableOutputSetup setup = OutputSetup(plan.KeepsBorders() ? plan.below : plan.grandparents, job);
  std::shared_ptr<const Version> version;  // holds the value-log files that pointers lead to
  {
    MutexLock lock(&mu_);
    snapshots = SnapshotListLocked();
    setup.values.version = version = state_.version;
    setup.table_bytes = plan.TableBytes(picker_options());
    setup.keeps_borders = plan.KeepsBorders();
  }
  const RangeTombstones tombstones = RangeTombstones::Fragmented(std::move(ranges), &snapshots);
  MergeIterator input(std::move(sources));
  VersionFilter filter(std::move(snapshots), &tombstones, plan.bottommost);
  uint64_t keys = 0;
  for (const TableFileRef& file : plan.inputs) keys += file->facts().entries;
  VersionStream stream({.input = &input,
                        .filter = &filter,
                        .rules = rules_,
                        .value_logs = &version->value_logs(),
                        .user_filter = env_.options.compaction_filter,
                        .level = plan.output_level});
  setup.values.collected = plan.collected;
  // Nothing yields inside what is urgent, so no more than two compactions lie on one stack.
  if (!plan.urgent && (plan.level > 0 || env_.options.compaction == CompactionStyle::kSizeTiered)) {
    setup.yield = [this, &plan, fruitless = uint64_t{0}]() mutable { RunUrgent(plan, &fruitless); };
  }
  setup.builder.filter_bits_per_key = FilterBitsFor(plan.level, plan.output_level, keys);
  TableOutput output(std::move(setup), &tombstones);
  auto files = output.Run(&stream);
  if (!files.ok()) {
    GiveBackSpace(*job);
    return files.status();
  }
  VersionEdit edit;
  edit.value_logs = output.TakeValueLogs();
  absl::Cleanup discard = [&] {
    for (const TableFileRef& file : *files) file->MarkObsolete();
    Discard(edit);
  };
  for (const TableFileRef& file : *files) edit.added.push_back({plan.output_level, file});
  std::move(discard).Cancel();
  return edit;
}

Status DbImpl::Flush() {
  return OrOutOfMemory([&] { return FlushAll(); });
}

Status DbImpl::FlushAll() {
  VARVE_TRY(CheckWritable());
  // Waits before it takes its turn: no writer is to wait for a flush behind it. Writers may fill the room meanwhile;
  // then this call's memtable is one more, and no further one is begun before the call returns.
  {
    MutexLock lock(&mu_);
    TryAgainLocked();
    Await([this]()
              VARVE_REQUIRES(mu_) { return sealed_.size() < kSealedMax || StoppedLocked() || !flush_error_.ok(); });
    if (sealed_.size() >= kSealedMax && !flush_error_.ok()) return flush_error_;
  }
  // Sealing is the commit leader's work.
  {
    const Turn turn(this);
    VARVE_TRY(CheckWritable());
    if (!active_->empty()) VARVE_TRY(SealMemTable());
  }
  MutexLock lock(&mu_);
  Await([this]() VARVE_REQUIRES(mu_) { return sealed_.empty() || StoppedLocked() || !flush_error_.ok(); });
  if (sealed_.empty()) return Status::Ok();
  if (fenced_.load(std::memory_order_relaxed)) return fence_;
  return closing_.load(std::memory_order_relaxed) ? Status::Closed() : flush_error_;
}

Status DbImpl::CompactRange(std::string_view begin, std::string_view end) {
  return OrOutOfMemory([&] { return CompactSteps(begin, end); });
}

Status DbImpl::CompactSteps(std::string_view begin, std::string_view end) {
  VARVE_TRY(FlushAll());
  RangeProgress progress;
  progress.begin = begin;
  progress.end = end;
  progress.up_to = visible_.load(std::memory_order_acquire);
  {
    MutexLock lock(&mu_);
    Await([this]() VARVE_REQUIRES(mu_) { return !manual_running_ || StoppedLocked(); });
    if (StoppedLocked()) return closing_.load(std::memory_order_relaxed) ? Status::Closed() : fence_;
    manual_running_ = true;
    ++jobs_;
  }
  Status status;
  for (;;) {
    std::optional<CompactionPlan> plan;  // stays where it is while it runs: running_plans_ points to it
    if (status.ok()) status = OrOutOfMemory([&] { return StartRangeStep(&progress, &plan); });
    if (!status.ok() || !plan) break;
    status = OrOutOfMemory([&] { return DoCompaction(&*plan); });
    {
      MutexLock lock(&mu_);
      EndLocked(*plan);
      QuarantineLocked(*plan, status);
      NoteLoadLocked();
      ScheduleWorkLocked();
      changed_.SignalAll();
    }
    plan.reset();
    view_->Reap();
    RemoveBuried();  // after each step: the whole never takes more room than its largest step
  }
  MutexLock lock(&mu_);
  manual_running_ = manual_waiting_ = false;
  ScheduleWorkLocked();
  --jobs_;
  changed_.SignalAll();
  return status;
}

// The next step of a CompactRange, once its tables are free; none when all is done or the database stops. Automatic
// compactions go on beside it; only while it waits for their tables no new one begins.
Status DbImpl::StartRangeStep(RangeProgress* progress, std::optional<CompactionPlan>* plan) {
  MutexLock lock(&mu_);
  bool busy = false, refused = false;
  Await([&]() VARVE_REQUIRES(mu_) {
    if (StoppedLocked()) return true;
    ReleaseQuarantineLocked(progress->begin, progress->end);
    PickerOptions options = picker_options();
    options.room_bytes = CompactionRoomLocked();
    *plan = PickRange(*state_.version, options, running_plans_, progress, &busy);
    if (busy && running_plans_.empty()) {  // nothing is going to make room: would it begin if there were?
      RangeProgress same = *progress;
      bool taken = false;
      refused = PickRange(*state_.version, picker_options(), running_plans_, &same, &taken).has_value();
    }
    manual_waiting_ = busy;
    return !busy || refused;
  });
  manual_waiting_ = false;
  if (StoppedLocked()) {
    plan->reset();
    return closing_.load(std::memory_order_relaxed) ? Status::Closed() : fence_;
  }
  if (refused) return NoRoomToWrite();
  if (*plan) StartLocked(&**plan);
  return Status::Ok();
}

Status DbImpl::WaitForBackgroundWork() {
  if (closed_.load(std::memory_order_acquire)) return Status::Closed();
  return OrOutOfMemory([&] { return AwaitBackgroundWork(); });
}

Status DbImpl::AwaitBackgroundWork() {
  MutexLock lock(&mu_);
  TryAgainLocked();
  Await([this]() VARVE_REQUIRES(mu_) {
    return StoppedLocked() || !BackgroundErrorLocked().ok() ||
           (sealed_.empty() && !flush_scheduled_ && compactions_scheduled_ == 0 && !drop_due_ &&
            ExpiredLocked().tables.empty() && !PickLocked(RoomyOptionsLocked()));
  });
  return BackgroundErrorLocked();
}

}  // namespace varve::lsm
