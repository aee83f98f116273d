// Flushes: from memtables to level 0.
#include <algorithm>

#include "absl/cleanup/cleanup.h"

#include "lsm/compact/memtable_output.h"
#include "lsm/db_impl.h"
#include "lsm/db_impl_jobs.h"
#include "lsm/out_of_memory.h"

namespace varve::lsm {

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
  PrepareLog();
  return Status::Ok();
}

// For the writer who fills the memtable that took this one's place. Without space for it that writer tries again.
void DbImpl::PrepareLog() {
  const Status status = OrOutOfMemory([&] { return wal_->Prepare(); });
  const bool harmless = status.Is(StatusCode::kNoSpace) || status.Is(StatusCode::kOutOfMemory);
  if (!status.ok() && !harmless) Fence(status);
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
  if (!cache_->HasRoom(bytes)) return;
  for (const TableFileRef& file : files) {
    if (!file->Open().ok()) return;  // whoever needs it will say so
    TableIterator it(file->shared_table(), ReadTier{});
    for (it.SeekToFirst(); it.Valid(); it.Next()) continue;
  }
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

}  // namespace varve::lsm
