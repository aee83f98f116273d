// The commit path: queue, room, log, memtable, visibility, durability. See lsm/README.md, "The life of a write".
#include <algorithm>
#include <array>
#include <cmath>

#include "lsm/conflict_check.h"
#include "lsm/db_impl.h"
#include "lsm/out_of_memory.h"

namespace varve::lsm {

namespace {

constexpr size_t kGatherBytesMax = size_t{1} << 20;  // one log record of several writers' batches
constexpr uint64_t kDelayStepUs = 1000;              // shorter admission delays add up until they are worth a wait
constexpr uint64_t kDelayMaxUs = 50'000;             // no single write is delayed longer
constexpr double kSlowBytesPerSecondMax = 64 << 20;  // admitted at the first sign of pressure ...
constexpr double kSlowBytesPerSecondMin = 2 << 20;   // ... and just before writers have to wait
constexpr size_t kConflictKeyShown = 40;             // bytes of a key in a message
constexpr uint64_t kRangeDeletesMax = 4096;          // in a memtable: reads look through all that overlap
constexpr size_t kProbedBytesMin = size_t{64} << 10;
constexpr uint64_t kSyncPeriodUs = 1'000'000;
constexpr uint64_t kSyncOverdueUs = 1'000'000;  // later than this, writers wait for it: at most 2 s are unsynced

}  // namespace

Status DbImpl::CheckWritable() const {
  if (closed_.load(std::memory_order_acquire) || closing_.load(std::memory_order_acquire)) return Status::Closed();
  if (!fenced_.load(std::memory_order_acquire)) return Status::Ok();
  MutexLock lock(&mu_);
  return fence_;
}

Status DbImpl::CheckBatch(const WriteBatch& batch) const {
  VARVE_TRY(batch.CheckLimits());
  if (batch.has_merge() && rules_.merge_operator == nullptr) [[unlikely]] {
    return Status::InvalidArgument(dir_ + ": a merge needs an operator; set Options::merge_operator");
  }
  return Status::Ok();
}

Status DbImpl::Write(const WriteOptions& options, WriteBatch& batch) {
  return OrOutOfMemory([&] { return WriteIf(options, batch, {}, 0); });
}

Status DbImpl::WriteIfUnchanged(const WriteOptions& options, WriteBatch& batch, std::span<const std::string_view> keys,
                                SequenceNumber since) {
  return OrOutOfMemory([&] { return WriteIf(options, batch, keys, since); });
}

Status DbImpl::WriteIf(const WriteOptions& options, WriteBatch& batch, std::span<const std::string_view> keys,
                       SequenceNumber since) {
  VARVE_TRY(CheckWritable());
  VARVE_TRY(CheckBatch(batch));
  Writer writer(&batch);
  writer.unchanged_keys = keys;
  // What is old enough to be on the disk is looked at before the queue: inside it only what came since.
  if (!keys.empty()) VARVE_TRY(CheckUnchanged(keys, since, &writer.unchanged_since));
  if (!batch.empty()) VARVE_TRY(Commit(&writer, /*may_wait=*/true));
  if (options.sync || wal_sync_.load(std::memory_order_relaxed) == WalSync::kAlways) return SyncAndReport();
  return Status::Ok();
}

// kConflict when one of `keys` was written above `since`. *until is how far this looked.
Status DbImpl::CheckUnchanged(std::span<const std::string_view> keys, SequenceNumber since,
                              SequenceNumber* until) const {
  // The sequence before the view, which then holds every version up to it: what the view lacks is above *until.
  *until = visible_.load(std::memory_order_acquire);
  if (*until == since) return Status::Ok();
  CurrentView::Pin view(view_.get());
  for (const std::string_view key : keys) {
    auto written = WrittenSince(*view, key, since);
    if (!written.ok()) return written.status();
    if (*written) {
      return Status::Conflict("key '" + std::string(key.substr(0, kConflictKeyShown)) +
                              "' was written by somebody else since the transaction began");
    }
  }
  return Status::Ok();
}

Result<SequenceNumber> DbImpl::WriteAsync(WriteBatch& batch, DurableCallback on_durable) {
  return OrOutOfMemory([&] { return WriteThenTell(batch, std::move(on_durable)); });
}

Result<SequenceNumber> DbImpl::WriteThenTell(WriteBatch& batch, DurableCallback on_durable) {
  if (Status s = CheckWritable(); !s.ok()) return s;
  if (Status s = CheckBatch(batch); !s.ok()) return s;
  std::list<DurableCallback> waiter;  // whatever needs memory comes before the commit
  if (on_durable) waiter.push_back(std::move(on_durable));
  if (!batch.empty()) {
    if (HoldsWritersBack()) return Status::Busy("the write controller holds writers back until compaction catches up");
    Writer writer(&batch);
    if (Status s = Commit(&writer, /*may_wait=*/false); !s.ok()) return s;
  }
  const SequenceNumber last =
      batch.empty() ? visible_.load(std::memory_order_acquire) : batch.sequence() + batch.count() - 1;
  if (!waiter.empty()) {
    bool schedule = false;
    {
      MutexLock lock(&durable_mu_);
      durable_waiters_.splice(durable_waiters_.end(), waiter);
      schedule = !std::exchange(durable_scheduled_, true);
    }
    if (schedule && !ScheduleDurable()) RunDurable();
  }
  return last;
}

// False when there is nobody to do it: Close may have stopped waiting for the executor, or there is no memory.
bool DbImpl::ScheduleDurable() {
  MutexLock lock(&mu_);
  if (closing_.load(std::memory_order_relaxed)) return false;
  try {
    ScheduleLocked(Lane::kLogSync, &DbImpl::RunDurable);
    return true;
  } catch (const std::bad_alloc&) {
    return false;
  }
}

Status DbImpl::Commit(Writer* writer, bool may_wait) {
  if (uint64_t started = sync_started_us_.load(std::memory_order_relaxed); started != 0) [[unlikely]] {
    if (env_.clock->MonotonicMicros() > started + kSyncOverdueUs) {
      if (!may_wait) return Status::Busy("the log's last sync has not returned for 1 s; writers wait for the disk");
      VARVE_TRY(SyncAndReport());
    }
  }
  commit_mu_.Lock();
  queue_.Push(writer);
  while (!writer->done && queue_.front != writer) writer->wake.Wait(&commit_mu_);
  const bool done = writer->done;
  commit_mu_.Unlock();
  return done ? std::move(writer->status) : LeadCommit(writer, may_wait);
}

DbImpl::Turn::Turn(DbImpl* db) : db_(db) {
  MutexLock lock(&db->commit_mu_);
  db->queue_.Push(&writer_);
  while (db->queue_.front != &writer_) writer_.wake.Wait(&db->commit_mu_);
}

DbImpl::Turn::~Turn() {
  MutexLock lock(&db_->commit_mu_);
  db_->queue_.Pop();
  if (!db_->queue_.empty()) db_->queue_.front->wake.Signal();
}

// Whatever happens, the leader and those it wrote for leave the queue.
Status DbImpl::LeadCommit(Writer* leader, bool may_wait) {
  size_t group = 1;
  Status status = OrOutOfMemory([&] { return CommitGroup(leader, may_wait, &group); });
  MutexLock lock(&commit_mu_);
  for (size_t i = 0; i < group; ++i) {
    Writer* writer = queue_.front;
    queue_.Pop();
    if (writer == leader) continue;
    writer->status = status;
    writer->done = true;
    writer->wake.Signal();
  }
  if (!queue_.empty()) queue_.front->wake.Signal();
  return status;
}

// *group: how many writers of the queue, from its head, the status speaks for.
Status DbImpl::CommitGroup(Writer* leader, bool may_wait, size_t* group) {
  VARVE_TRY(CheckWritable());  // once more: since the caller looked, Close may have had its turn
  VARVE_TRY(MakeRoom(may_wait, *leader->batch));
  write_room_ = FindWriteRoom();
  if (!write_room_.Has(0, *leader->batch)) {
    LookForSpace();
    return NoRoomToWrite();
  }
  if (!leader->unchanged_keys.empty()) {
    SequenceNumber until = 0;
    VARVE_TRY(CheckUnchanged(leader->unchanged_keys, leader->unchanged_since, &until));
  }
  WriteBatch& batch = Gather(leader);
  Status status = LogAndApply(batch);
  if (&batch != &gathered_) return status;
  // Each writer learns its own sequence.
  MutexLock lock(&commit_mu_);
  SequenceNumber next = batch.sequence();
  uint32_t left = batch.count();
  *group = 0;
  for (Writer* writer = queue_.front; left > 0; writer = writer->next) {
    writer->batch->SetSequence(next);
    next += writer->batch->count();
    left -= writer->batch->count();
    ++*group;
  }
  return status;
}

WriteBatch& DbImpl::Gather(Writer* leader) {
  MutexLock lock(&commit_mu_);
  if (leader->next == nullptr || leader->batch->size_bytes() > kGatherBytesMax) return *leader->batch;
  gathered_.Clear();
  size_t bytes = 0;
  for (Writer* writer = leader; writer != nullptr; writer = writer->next) {
    if (writer->batch->empty()) break;                               // a turn of Flush, which is to lead
    if (writer != leader && !writer->unchanged_keys.empty()) break;  // its check sees us only once we are applied
    bytes += writer->batch->size_bytes();
    if (bytes > kGatherBytesMax) break;
    if (writer != leader && !write_room_.Has(bytes - writer->batch->size_bytes(), *writer->batch)) break;
    gathered_.Append(*writer->batch);
  }
  return gathered_;
}

Status DbImpl::LogAndApply(WriteBatch& batch) {
  if (fenced_.load(std::memory_order_acquire)) return CheckWritable();
  // Behind the log a want of memory ends in a fence: a large batch had better meet it here.
  if (batch.size_bytes() > kProbedBytesMin) Arena().Allocate(batch.size_bytes());
  batch.SetSequence(last_sequence_ + 1);
  if (Status s = wal_->Append(batch.bytes()); !s.ok()) {
    return FencedAfter(s);
  }
  if (Status s = OrOutOfMemory([&] { return Apply(batch); }); !s.ok()) {
    // The log holds what the memtable does not: nothing may follow it but a replay.
    Fence(s);
    return CheckWritable();
  }
  last_sequence_ = batch.sequence() + batch.count() - 1;
  visible_.store(last_sequence_, std::memory_order_release);
  counters_.writes.fetch_add(batch.count(), std::memory_order_relaxed);
  counters_.write_bytes.fetch_add(batch.size_bytes(), std::memory_order_relaxed);
  return Status::Ok();
}

// What the log's error means. A full disk, or memory, leaves the log's end where it was; anything else leaves us not
// knowing what is on the disk, and so does either when the log stops there.
Status DbImpl::FencedAfter(const Status& status) {
  const bool harmless = status.Is(StatusCode::kNoSpace) || status.Is(StatusCode::kOutOfMemory);
  if (harmless && !wal_->fenced()) return status;
  Fence(status);
  return CheckWritable();
}

Status DbImpl::Apply(const WriteBatch& batch) {
  SequenceNumber seq = batch.sequence();
  WriteBatch::Reader reader(batch.bytes());
  WriteBatch::Operation op;
  std::array<MemTable::Placed, VersionTree::kTogether> group;
  size_t size = 0;
  const auto finish_group = [&] {
    active_->Link({group.data(), size});
    active_->Index({group.data(), size});
    size = 0;
  };
  for (; reader.Next(&op); ++seq) {
    if (op.kind == ValueKind::kRangeDelete) {
      active_->AddRangeDelete(seq, op.key, op.value);
      continue;
    }
    group[size++] = active_->Place(seq, op.kind, op.key, op.value);
    if (size == group.size()) finish_group();
  }
  finish_group();
  return Status::Ok();
}

// However small the limit is, a memtable takes one batch.
bool DbImpl::ActiveIsFull() const {
  if (active_->range_tombstone_count() >= kRangeDeletesMax) return true;
  return active_->memory_bytes() >= memtable_bytes_.load(std::memory_order_relaxed) && !active_->empty();
}

DbImpl::Room DbImpl::RoomLocked() const {
  const bool memtables_full = ActiveIsFull() && sealed_.size() >= kSealedMax;
  if (level0_debt_ >= kLevel0Stop || garbage_share_ >= kGarbageStop || memtables_full) return Room::kFull;
  return level0_debt_ >= kLevel0Slow || garbage_share_ >= kGarbageUrgent ? Room::kSlow : Room::kFree;
}

WritePressure DbImpl::Pressure() const {
  MutexLock lock(&mu_);
  switch (RoomLocked()) {
    case Room::kFree: return {};
    case Room::kSlow: return {.level = 1, .suggested_delay_us = kDelayStepUs};
    case Room::kFull: return {.level = 2, .suggested_delay_us = 10 * kDelayStepUs};
  }
  return {};
}

// Whether somebody who may not wait would have to. Where an error is in the way instead, nobody waits for long.
bool DbImpl::HoldsWritersBack() const {
  MutexLock lock(&mu_);
  return RoomLocked() == Room::kFull && BlockingErrorLocked().ok();
}

Status DbImpl::MakeRoom(bool may_wait, const WriteBatch& batch) {
  if (!ActiveIsFull() && room_.load(std::memory_order_relaxed) == Room::kFree) [[likely]] {
    return Status::Ok();
  }
  bool delayed = false;
  for (;;) {
    {
      MutexLock lock(&mu_);
      const uint64_t start_us = env_.clock->MonotonicMicros();
      while (RoomLocked() == Room::kFull) {
        if (fenced_.load(std::memory_order_relaxed)) return fence_;
        if (closing_.load(std::memory_order_relaxed)) return Status::Closed();
        if (Status s = BlockingErrorLocked(); !s.ok()) {
          TryAgainLocked();
          // Deletes are what helps where compactions lack space.
          const bool helps = s.Is(StatusCode::kNoSpace) && flush_error_.ok() && OnlyDeletes(batch);
          if (helps && sealed_.size() < kSealedMax) break;
          return s;
        }
        if (!may_wait) return Status::Busy("flushes and compactions are behind");
        const std::string why =
            level0_debt_ >= kLevel0Stop      ? "level 0 is " + std::to_string(level0_debt_) + " sublevels deep"
            : garbage_share_ >= kGarbageStop ? "a third of the value log is garbage"
                                             : std::to_string(sealed_.size()) + " memtables wait for their flush";
        TellLocked([&](EventListener* listener) { listener->OnStallBegin(why); });
        Await([this]() VARVE_REQUIRES(mu_) {
          return RoomLocked() != Room::kFull || StoppedLocked() || !BlockingErrorLocked().ok();
        });
        const uint64_t held_us = env_.clock->MonotonicMicros() - start_us;
        TellLocked([&](EventListener* listener) { listener->OnStallEnd(held_us); });
      }
      if (RoomLocked() == Room::kSlow && may_wait && !delayed) DelayLocked(batch.size_bytes());
      delayed = true;
      counters_.stall_us.fetch_add(env_.clock->MonotonicMicros() - start_us, std::memory_order_relaxed);
    }
    if (!ActiveIsFull()) return Status::Ok();
    VARVE_TRY(SealMemTable());
  }
}

// Admits bytes at a rate that falls slowly at the first sign of pressure and steeply before the point where writers wait:
// so it meets what compactions can do well before that point, and level 0 is still deep enough to be merged cheaply.
void DbImpl::DelayLocked(size_t bytes) {
  const double level0 = (static_cast<double>(level0_debt_) - kLevel0Slow) / (kLevel0Stop - kLevel0Slow);
  const double garbage = (garbage_share_ - kGarbageUrgent) / (kGarbageStop - kGarbageUrgent);
  const double near = std::clamp(std::max(level0, garbage), 0.0, 1.0);
  const auto rate = static_cast<uint64_t>(kSlowBytesPerSecondMax *
                                          std::pow(kSlowBytesPerSecondMin / kSlowBytesPerSecondMax, near * near));
  delay_debt_us_ = std::min(delay_debt_us_ + bytes * 1'000'000 / rate, kDelayMaxUs);
  if (delay_debt_us_ < kDelayStepUs) return;
  const uint64_t until_us = env_.clock->MonotonicMicros() + std::exchange(delay_debt_us_, 0);
  while (RoomLocked() == Room::kSlow && !StoppedLocked()) {
    mu_.Unlock();
    const bool ran = executor_->RunPending();
    mu_.Lock();
    if (ran) continue;
    const uint64_t now_us = env_.clock->MonotonicMicros();
    if (now_us >= until_us) return;
    // On a timeout the delay is over, even when the clock was not told so.
    if (changed_.WaitWithTimeout(&mu_, absl::Microseconds(until_us - now_us))) return;
  }
}

Status DbImpl::SealMemTable() {
  auto fresh = std::make_shared<MemTable>();
  if (Status s = wal_->Rotate(); !s.ok()) {
    return FencedAfter(s);
  }
  Status status = OrOutOfMemory([&] { return InstallMemTable(std::move(fresh)); });
  if (status.ok()) return status;
  // Writers write into what readers do not look at, or the segment is not known: nothing may be written there.
  Fence(status);
  return CheckWritable();
}

Status DbImpl::InstallMemTable(std::shared_ptr<MemTable> fresh) {
  MutexLock lock(&mu_);
  sealed_.push_back({active_, wal_->current_number(), last_sequence_});
  active_ = std::move(fresh);
  NoteSegmentLocked();
  InstallViewLocked();
  AfterChangeLocked();
  ScheduleWorkLocked();
  return Status::Ok();
}

Status DbImpl::SyncAndReport() {
  Status s = wal_->Sync();
  if (s.ok()) return s;
  Fence(s);
  return CheckWritable();
}

Status DbImpl::SyncWal() {
  if (closed_.load(std::memory_order_acquire)) return Status::Closed();
  VARVE_TRY(CheckWritable());
  return SyncAndReport();
}

void DbImpl::Fence(const Status& cause) {
  SetFence(cause);
  TellFence();
}

void DbImpl::SetFence(const Status& cause) {
  MutexLock lock(&mu_);
  if (fenced_.load(std::memory_order_relaxed)) return;
  fence_ = OrOutOfMemory([&] {
    return Status::Fenced("writing stopped after: " + cause.ToString() +
                          ". Reads go on; reopen the database to write again");
  });
  if (!fence_.Is(StatusCode::kFenced)) fence_ = fence_without_memory_;
  fenced_.store(true, std::memory_order_release);
  changed_.SignalAll();
}

void DbImpl::TellFence() {
  MutexLock lock(&mu_);
  if (!fenced_.load(std::memory_order_relaxed) || std::exchange(fence_told_, true)) return;
  TellLocked([cause = fence_](EventListener* listener) { listener->OnBackgroundError(cause); });
}

void DbImpl::BackgroundSync() {
  sync_started_us_.store(env_.clock->MonotonicMicros(), std::memory_order_relaxed);
  Status s = wal_->Sync();
  sync_started_us_.store(0, std::memory_order_relaxed);
  if (!s.ok()) Fence(s);
}

void DbImpl::RunDurable() {
  for (;;) {
    std::list<DurableCallback> waiters;
    {
      MutexLock lock(&durable_mu_);
      waiters.swap(durable_waiters_);
      if (waiters.empty()) {
        durable_scheduled_ = false;
        break;
      }
    }
    if (!fenced_.load(std::memory_order_acquire)) BackgroundSync();
    Status status;
    if (fenced_.load(std::memory_order_acquire)) {
      MutexLock lock(&mu_);
      status = fence_;
    }
    for (const DurableCallback& waiter : waiters) waiter(status);
  }
}

void DbImpl::SetWalSync(WalSync mode) {
  MutexLock lock(&mu_);
  SchedulePeriodicSyncLocked(mode);  // before the mode holds: there may be no memory for it
  wal_sync_.store(mode, std::memory_order_relaxed);
}

void DbImpl::SchedulePeriodicSyncLocked(WalSync mode) {
  if (periodic_scheduled_ || closing_.load(std::memory_order_relaxed)) return;
  if (mode != WalSync::kEverySecond) return;
  ScheduleLaterLocked(Lane::kLogSync, kSyncPeriodUs, &DbImpl::PeriodicSync);
  periodic_scheduled_ = true;
}

void DbImpl::PeriodicSync() {
  if (!fenced_.load(std::memory_order_acquire) && wal_->NeedsSync()) BackgroundSync();
  const Status status = OrOutOfMemory([&] {
    MutexLock lock(&mu_);
    periodic_scheduled_ = false;
    SchedulePeriodicSyncLocked(wal_sync_.load(std::memory_order_relaxed));
    return Status::Ok();
  });
  if (status.ok()) return;
  // Nobody would sync what is written from now on, so nothing is; and what came since is synced here.
  Fence(status);
  BackgroundSync();
}

}  // namespace varve::lsm
