// Background work: what is due and when it runs, its errors and when it is tried again.
#include <algorithm>

#include "lsm/compact/filter_bits.h"
#include "lsm/db_impl.h"
#include "lsm/db_impl_jobs.h"
#include "lsm/out_of_memory.h"

namespace varve::lsm {

namespace {
constexpr uint64_t kRetryDelayUs = 1'000'000;  // after an error of background work
constexpr int kZstdLevel = 1;
constexpr size_t kMemTableOvershoot = size_t{256} << 10;  // of the arena's last block
constexpr uint64_t kSealedPeriodUs = 30'000'000;          // see RoomForSealedLocked
constexpr size_t kCacheShareMin = 16;                     // the cache keeps this part of the budget, come what may
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
  const size_t active = std::max(active_->memory_bytes(), settings_.memtable_bytes + kMemTableOvershoot);
  const size_t memtables = active + RoomForSealedLocked();
  const size_t budget = settings_.options.memory_budget;
  const size_t least = budget / kCacheShareMin;
  cache_->SetCapacity(budget > memtables + least ? budget - memtables : least);
  UpdateSpaceLocked();
  changed_.SignalAll();
}

// The cache does not follow every flush: what it gives up lies in pieces between what stays, so that little of it goes
// back to the system, and memtables would come on top of all that it ever had (docs/experiments.md).
size_t DbImpl::RoomForSealedLocked() noexcept {
  size_t sealed_bytes = 0;
  for (const Sealed& sealed : sealed_) sealed_bytes += sealed.table->memory_bytes();
  sealed_peak_ = std::max(sealed_peak_, sealed_bytes);
  sealed_lately_ = std::max(sealed_lately_, sealed_bytes);
  if (sealed_lately_ > sealed_bytes && !forget_scheduled_ && !closing_.load(std::memory_order_relaxed)) {
    try {
      ScheduleLaterLocked(Lane::kFlush, kSealedPeriodUs, &DbImpl::ForgetSealed);
      forget_scheduled_ = true;
    } catch (const std::bad_alloc&) {  // after the next change, then
    }
  }
  // One that was much larger than they usually are gave back all it had.
  const size_t usual = kSealedMax * (settings_.memtable_bytes + kMemTableOvershoot);
  return std::max(sealed_bytes, std::min(sealed_lately_, usual));
}

void DbImpl::ForgetSealed() {
  MutexLock lock(&mu_);
  forget_scheduled_ = false;
  sealed_lately_ = std::exchange(sealed_peak_, 0);
  AfterChangeLocked();
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
