// Space given back without need for room: tables under range tombstones, tables whose time has come, tables dense with
// tombstones, and what is done with tables that cannot be read.
#include <algorithm>

#include "lsm/compact/covered.h"
#include "lsm/compact/expired_tables.h"
#include "lsm/db_impl.h"
#include "lsm/db_impl_jobs.h"
#include "lsm/out_of_memory.h"

namespace varve::lsm {

namespace {
// A database without a write for this long is idle.
constexpr uint64_t kIdleUs = 1'000'000;
// Range tombstones that are looked at together; beyond that, those of the newest tables.
constexpr uint64_t kTombstonesMax = 4096;
// Looks for tables whose time has come are not more often than this, and not less: the clock may be set.
constexpr int64_t kExpiryDelayMinMs = 1000;
constexpr int64_t kExpiryDelayMaxMs = 60'000;
constexpr uint64_t kAgeMaxS = uint64_t{1} << 40;  // keeps sums of times in range

Status LeftAlone(const Status& status) noexcept try {
  return {status.code(), std::string(status.message()) +
                             "; compaction leaves this table alone until the database is reopened or CompactRange is "
                             "called"};
} catch (const std::bad_alloc&) {
  return status;
}

// Whether the message does.
bool Names(const Status& status, const TableFile& file) {
  bool names = false;
  IfMemoryAllows([&] { names = status.message().find(file.path()) != std::string_view::npos; });
  return names;
}
}  // namespace

SequenceNumber DbImpl::OldestSnapshotLocked() const {
  return snapshots_.empty() ? kSequenceMax : *snapshots_.begin();
}

bool DbImpl::IdleLocked() const {
  return visible_.load(std::memory_order_relaxed) == idle_sequence_;
}

// As long as there are tombstones to be got rid of, one look in each period whether anything was written in it.
void DbImpl::WatchIdleLocked() {
  if (idle_scheduled_ || StoppedLocked()) return;
  if (IdleLocked() && snapshots_.empty()) return;  // else their release may free some
  if (!AnyReclaimable(*state_.version)) return;
  ScheduleLaterLocked(Lane::kCompact, kIdleUs, &DbImpl::IdleTick);
  idle_scheduled_ = true;
  watched_sequence_ = visible_.load(std::memory_order_relaxed);
}

void DbImpl::IdleTick() {
  MutexLock lock(&mu_);
  idle_scheduled_ = false;
  if (visible_.load(std::memory_order_relaxed) == watched_sequence_) idle_sequence_ = watched_sequence_;
  ScheduleWorkLocked();
}

// What the tombstones of the newest tables cover now goes by one edit of the manifest.
Status DbImpl::DropCovered() {
  std::shared_ptr<const Version> version;
  std::vector<SequenceNumber> snapshots;
  {
    MutexLock lock(&mu_);
    drop_due_ = false;
    drop_held_below_ = 0;
    version = state_.version;
    snapshots = SnapshotListLocked();  // one taken from here on sees all tombstones of the version
  }
  std::vector<RangeTombstone> ranges;
  for (const TableFileRef& file : version->with_range_tombstones()) {
    if (ranges.size() > kTombstonesMax) break;
    auto table = file->Open();
    if (!table.ok()) continue;  // one that cannot be read hides less; whoever needs it reports it
    (*table)->range_tombstones()->AppendTo(&ranges);
  }
  CoveredTables covered = FindCovered(*version, RangeTombstones::Fragmented(std::move(ranges)), snapshots);
  {
    MutexLock lock(&mu_);
    drop_held_below_ = covered.held_below;
    const auto below = [&](const std::vector<SequenceNumber>& list) {
      return std::lower_bound(list.begin(), list.end(), covered.held_below) - list.begin();
    };
    if (below(SnapshotListLocked()) < below(snapshots)) drop_due_ = true;  // one went while we looked
  }
  return GiveUp(std::move(covered.tables), "covered by range deletes");
}

Status DbImpl::DropExpired() {
  Expired expired;
  {
    MutexLock lock(&mu_);
    expired = ExpiredLocked();
  }
  return GiveUp(std::move(expired.tables), expired.reason);
}

DbImpl::Expired DbImpl::ExpiredLocked() const {
  const int64_t now_ms = env_.clock->WallMillis();
  auto tables = FindExpiredTables(*state_.version, now_ms, OldestSnapshotLocked());
  if (!tables.empty()) return {std::move(tables), "all values have expired"};
  if (env_.options.compaction != CompactionStyle::kFifo) return {};
  return {FindRetired(*state_.version, retention(), now_ms), "beyond what is to be kept"};
}

Retention DbImpl::retention() const {
  return {.bytes_max = settings_.options.fifo_bytes_max,
          .age_max_ms = static_cast<int64_t>(std::min(settings_.options.fifo_age_max_s, kAgeMaxS) * 1000)};
}

void DbImpl::WatchExpiryLocked() {
  if (expiry_scheduled_ || StoppedLocked()) return;
  const int64_t now_ms = std::max<int64_t>(env_.clock->WallMillis(), 0);
  int64_t next_ms = NextTableExpiry(*state_.version, now_ms);
  if (env_.options.compaction == CompactionStyle::kFifo) {
    next_ms = std::min(next_ms, NextRetirement(*state_.version, retention()));
  }
  // A table that has expired and is still there waits for what it hides, or for a snapshot.
  if (next_ms == kNever && state_.version->earliest_expiry_ms() == 0) return;
  const int64_t delay_ms = std::clamp(next_ms - now_ms, kExpiryDelayMinMs, kExpiryDelayMaxMs);
  ScheduleLaterLocked(Lane::kCompact, static_cast<uint64_t>(delay_ms) * 1000, &DbImpl::ExpiryTick);
  expiry_scheduled_ = true;
}

void DbImpl::ExpiryTick() {
  MutexLock lock(&mu_);
  expiry_scheduled_ = false;
  ScheduleWorkLocked();
}

// Removes tables that are free and still there, by one edit of the manifest.
Status DbImpl::GiveUp(std::vector<VersionEdit::Added> tables, const char* reason) {
  VersionEdit edit;
  ActiveJob job;
  job.facts.kind = JobKind::kDrop;
  job.facts.reason = reason;
  {
    MutexLock lock(&mu_);
    const Version& version = *state_.version;
    std::erase_if(tables, [&](const VersionEdit::Added& table) {
      const auto& files = version.level(table.level);
      return table.file->being_compacted || std::find(files.begin(), files.end(), table.file) == files.end();
    });
    if (tables.empty() || StoppedLocked()) return Status::Ok();
    for (const VersionEdit::Added& table : tables) {
      edit.removed.push_back({table.level, table.file->number()});
      job.facts.inputs.push_back(table.file->number());
    }
    for (const VersionEdit::Added& table : tables) table.file->being_compacted = true;
  }
  job.facts.from_level = job.facts.to_level = tables.front().level;
  const Status status = OrOutOfMemory([&] {
    StartJob(&job);
    edit.jobs.push_back(CompletedJob(job, edit));
    return InstallEdit(&edit, 0);
  });
  FinishJob(&job, status);
  MutexLock lock(&mu_);
  for (const VersionEdit::Added& table : tables) table.file->being_compacted = false;
  return status;
}

Status DbImpl::ReclaimSpace(std::string_view begin, std::string_view end) {
  VARVE_TRY(Flush());
  {
    MutexLock lock(&mu_);
    if (StoppedLocked()) return closing_.load(std::memory_order_relaxed) ? Status::Closed() : fence_;
    ++jobs_;
  }
  const Status status = OrOutOfMemory([&] { return DropCovered(); });  // costs nothing, and makes room for the rest
  view_->Reap();
  RemoveBuried();
  {
    MutexLock lock(&mu_);
    if (!status.ok()) drop_due_ = true;
    ScheduleWorkLocked();
    --jobs_;
    changed_.SignalAll();
  }
  return status.ok() ? CompactRange(begin, end) : status;
}

// The tables that a compaction found rotten, or that could not be read too often, are left alone from now on, so that
// the others go on and the same one is not read again every second. Until the database is reopened, or somebody asks for
// a CompactRange over them. False when there are none.
bool DbImpl::QuarantineLocked(const CompactionPlan& plan, const Status& status) noexcept {
  const bool rot = status.Is(StatusCode::kCorruption);
  if (!rot && !status.Is(StatusCode::kIoError)) return false;
  bool any = false, named = false;
  for (const auto* files : {&plan.inputs, &plan.below}) {
    for (const TableFileRef& file : *files) {
      if (!Names(status, *file)) continue;
      named = true;
      if (rot || ++file->read_errors >= kReadErrorsMax) file->quarantined = any = true;
    }
  }
  if (rot && !named) {  // it may be any
    for (const auto* files : {&plan.inputs, &plan.below}) {
      for (const TableFileRef& file : *files) file->quarantined = any = true;
    }
  }
  if (!any) return false;
  quarantine_error_ = LeftAlone(status);
  return true;
}

void DbImpl::ReleaseQuarantineLocked(std::string_view begin, std::string_view end) {
  if (quarantine_error_.ok()) return;
  for (int n = 0; n < kLevels; ++n) {
    for (const TableFileRef& file : state_.version->level(n)) {
      if (file->EndsBefore(begin) || (!end.empty() && file->StartsAfter(end))) continue;
      file->quarantined = false;
      file->read_errors = 0;
    }
  }
  CheckQuarantineLocked();
  NoteLoadLocked();
}

// The error stands as long as there is such a table.
void DbImpl::CheckQuarantineLocked() {
  if (quarantine_error_.ok()) return;
  for (int n = 0; n < kLevels; ++n) {
    for (const TableFileRef& file : state_.version->level(n)) {
      if (file->quarantined) return;
    }
  }
  quarantine_error_ = Status::Ok();
}

void DbImpl::EndCompactionLocked(const CompactionPlan& plan, const Status& status) {
  EndLocked(plan);
  const bool quarantined = QuarantineLocked(plan, status);
  NoteLoadLocked();  // it may have found values that cannot be read, too
  if (status.ok() && !plan.trivial_move) refused_room_ = 0;
  if (plan.refused) {
    refused_room_ = std::max(refused_room_, plan.room_bytes);
  } else if (quarantined) {
    compaction_error_ = Status::Ok();  // of the same tables, as a rule
  } else {
    return ReportLocked(status, &compaction_error_);
  }
  changed_.SignalAll();
  TellLocked([&](EventListener* listener) { listener->OnBackgroundError(status); });
}

}  // namespace varve::lsm
