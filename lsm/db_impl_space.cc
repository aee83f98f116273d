// How much of the disk the database takes, and what it does so as not to take more than max_disk_bytes.
//
// The cap holds because each way to grow asks first. A write is admitted only if, with its log record and the flush of
// all memtables, there stays room for the largest compaction ahead: so whatever was admitted can be flushed, and
// compaction, which is what gives space back, can go on. Values leave a further sixteenth to deletes. A compaction is
// picked only where there is room for what it writes (PickerOptions::room_bytes), which is reserved when it starts; one
// that comes to need more after all ends without a trace, and none begins until there is more room than it had.
// Checked where bytes are written: writes by the commit leader, compactions by the thread that runs them.
#include <algorithm>

#include "lsm/db_impl_jobs.h"

namespace varve::lsm {

namespace {

constexpr uint64_t kDeleteShare = 16;              // of the cap, kept for deletes
constexpr uint64_t kLogSlack = uint64_t{1} << 20;  // of zeros that the log writes ahead, and the manifest
constexpr uint64_t kSpaceDelayUs = 1'000'000;      // between looks for space where it is wanted

uint64_t Less(uint64_t bytes, uint64_t taken) {
  return bytes > taken ? bytes - taken : 0;
}

}  // namespace

uint64_t DbImpl::DiskBytes() const {
  return table_disk_bytes_.load(std::memory_order_relaxed) + manifest_disk_bytes_.load(std::memory_order_relaxed) +
         replayed_disk_bytes_.load(std::memory_order_relaxed) + wal_->disk_bytes();
}

// What the largest compaction ahead may write.
uint64_t DbImpl::CompactionNeedLocked() const {
  const Version& version = *state_.version;
  const PickerOptions options = picker_options();
  uint64_t tables = incoming_bytes_;
  for (int n = 0; n < kLevels; ++n) tables += version.level_bytes(n);
  const uint64_t values = std::min(version.value_log_live_bytes(), kValueLogTables * options.table_bytes);
  switch (options.style) {
    case CompactionStyle::kLeveled:  // tables of other options may be larger than a job is now
      return std::min(tables, std::max(options.JobBytes(), 2 * version.largest_table_bytes())) + values;
    case CompactionStyle::kSizeTiered: return tables + values;  // all runs may become one
    case CompactionStyle::kFifo: return 0;
  }
  return tables;
}

// Of all compactions under way: what is still to come, and what is there already.
DbImpl::Reserved DbImpl::ReservedLocked() const {
  Reserved reserved;
  for (const CompactionPlan* plan : running_plans_) reserved.left += plan->reserved_bytes;
  for (const ActiveJob* job : running_) {
    if (job->plan == nullptr) continue;
    const uint64_t written = job->meter.bytes_written.load(std::memory_order_relaxed);
    reserved.written += written;
    reserved.left -= std::min(written, job->plan->reserved_bytes);
  }
  return reserved;
}

uint64_t DbImpl::UnflushedBytesLocked() const {
  uint64_t bytes = active_->memory_bytes();
  for (const Sealed& sealed : sealed_) bytes += sealed.table->memory_bytes();
  return bytes;
}

// What is taken, with all that must still find room before the next write does.
uint64_t DbImpl::SpokenForLocked() const {
  const Reserved reserved = ReservedLocked();
  const uint64_t compactions = std::max(CompactionNeedLocked(), reserved.left + reserved.written);
  // Unflushed data is merged once more on its way to the base level.
  return Less(DiskBytes(), reserved.written) + 2 * UnflushedBytesLocked() + kLogSlack + compactions;
}

// A cap that is set below what is taken already leaves deletes and compactions the room they need to come down to it.
void DbImpl::SetSpaceLimitLocked(uint64_t max_disk_bytes) {
  max_disk_bytes_.store(max_disk_bytes, std::memory_order_relaxed);
  const bool holds = DiskBytes() + UnflushedBytesLocked() + kLogSlack <= max_disk_bytes;
  disk_ceiling_ = holds ? max_disk_bytes : UINT64_MAX;
  delete_ceiling_ = UINT64_MAX;
  refused_room_ = 0;
  UpdateSpaceLocked();
}

void DbImpl::UpdateSpaceLocked() {
  const uint64_t limit = max_disk_bytes_.load(std::memory_order_relaxed);
  if (limit == 0 || delete_ceiling_ == limit) return;
  const uint64_t spoken_for = SpokenForLocked();
  const uint64_t ceiling = spoken_for <= limit ? limit : spoken_for + limit / kDeleteShare;
  disk_ceiling_ = std::min(disk_ceiling_, ceiling);
  delete_ceiling_ = std::min(delete_ceiling_, ceiling);
}

// Bytes that compactions may write now, beyond what is reserved.
uint64_t DbImpl::CompactionRoomLocked() const {
  if (max_disk_bytes_.load(std::memory_order_relaxed) == 0) return UINT64_MAX;
  return Less(disk_ceiling_, DiskBytes() + ReservedLocked().left + UnflushedBytesLocked() + kLogSlack);
}

PickerOptions DbImpl::RoomyOptionsLocked() const {
  PickerOptions options = picker_options();
  options.room_bytes = CompactionRoomLocked();
  if (options.room_bytes <= refused_room_) options.room_bytes = 0;
  return options;
}

// Not OK when a compaction is due and only the cap is in its way.
Status DbImpl::SpaceErrorLocked() const {
  const uint64_t limit = max_disk_bytes_.load(std::memory_order_relaxed);
  if (limit == 0 || compactions_scheduled_ > 0 || !running_plans_.empty() || PickLocked(RoomyOptionsLocked())) {
    return Status::Ok();
  }
  const auto plan = PickLocked(picker_options());
  return plan ? NoRoomFor(*plan, limit) : Status::Ok();
}

Status DbImpl::NoRoomFor(const CompactionPlan& plan, uint64_t limit) const {
  return Status::NoSpace(dir_ + ": a compaction of " + std::to_string(plan.input_bytes()) +
                         " bytes has no room below max_disk_bytes, " + std::to_string(limit) + ": " +
                         std::to_string(DiskBytes()) +
                         " are taken. It begins when there is more: delete ranges, release snapshots and iterators, or "
                         "raise the cap");
}

bool DbImpl::OnlyDeletes(const WriteBatch& batch) {
  WriteBatch::Reader reader(batch.bytes());
  WriteBatch::Operation op;
  while (reader.Next(&op)) {
    if (op.kind != ValueKind::kDelete && op.kind != ValueKind::kRangeDelete) return false;
  }
  return true;
}

// The commit leader's: how many bytes of batches the disk has room for, for values and for deletes.
DbImpl::WriteRoom DbImpl::FindWriteRoom() const {
  if (max_disk_bytes_.load(std::memory_order_relaxed) == 0) [[likely]]
    return {};
  MutexLock lock(&mu_);
  return WriteRoomLocked();
}

DbImpl::WriteRoom DbImpl::WriteRoomLocked() const {
  const uint64_t limit = max_disk_bytes_.load(std::memory_order_relaxed);
  if (limit == 0) return {};
  const uint64_t taken = SpokenForLocked();
  // Half: a batch goes into the log and into a table.
  return {.values = Less(limit, taken + limit / kDeleteShare) / 2,
          .deletes = std::min(Less(delete_ceiling_, taken), CompactionRoomLocked()) / 2};
}

bool DbImpl::WriteRoom::Has(size_t bytes_before, const WriteBatch& batch) const {
  const uint64_t bytes = bytes_before + batch.size_bytes();
  return bytes <= values || (bytes <= deletes && OnlyDeletes(batch));
}

Status DbImpl::NoRoomToWrite() const {
  return Status::NoSpace(dir_ + ": takes " + std::to_string(DiskBytes()) + " bytes of max_disk_bytes, " +
                         std::to_string(max_disk_bytes_.load(std::memory_order_relaxed)) +
                         ", and the rest is kept for flushes, compactions and deletes. Delete ranges and call "
                         "ReclaimSpace, or raise the cap");
}

// The commit leader's, when a write found no room: deletes that wait in the memtable are of no use there, nor are files
// that an iterator held until now. Once a second, however many writers knock.
void DbImpl::LookForSpace() {
  const uint64_t now_us = env_.clock->MonotonicMicros();
  if (looked_for_space_us_ != 0 && now_us < looked_for_space_us_ + kSpaceDelayUs) return;
  looked_for_space_us_ = std::max<uint64_t>(now_us, 1);
  view_->Reap();
  RemoveBuried();
  {
    MutexLock lock(&mu_);
    if (active_->empty() || !sealed_.empty()) return;
  }
  Status ignored = SealMemTable();  // what prevents it, the next write meets as well
  (void)ignored.ok();
}

// Compactions that are held back begin as soon as files are removed; those that readers let go of are found here.
void DbImpl::WatchSpaceLocked() {
  if (space_scheduled_ || StoppedLocked() || SpaceErrorLocked().ok()) return;
  ScheduleLaterLocked(Lane::kCompact, kSpaceDelayUs, &DbImpl::SpaceTick);
  space_scheduled_ = true;
}

void DbImpl::SpaceTick() {
  view_->Reap();
  RemoveBuried();
  MutexLock lock(&mu_);
  space_scheduled_ = false;
  ScheduleWorkLocked();
}

// Counts a file of Ingest before it is there, and once more as what compactions will merge: several are taken in before
// a version names the first.
Status DbImpl::AdmitFile(uint64_t bytes) {
  MutexLock lock(&mu_);
  if (WriteRoomLocked().values < bytes) return NoRoomToWrite();
  incoming_bytes_ += bytes;
  table_disk_bytes_.fetch_add(bytes, std::memory_order_relaxed);
  return Status::Ok();
}

// A version names it, or it was removed.
void DbImpl::ReleaseFile(uint64_t bytes, bool removed) {
  MutexLock lock(&mu_);
  incoming_bytes_ -= bytes;
  if (removed) table_disk_bytes_.fetch_sub(bytes, std::memory_order_relaxed);
}

// Counts bytes that a flush or a compaction is about to write to a table or value-log file. Flushes found their room when
// their writes were admitted.
Status DbImpl::TakeSpace(ActiveJob* job, size_t bytes) {
  const uint64_t limit = max_disk_bytes_.load(std::memory_order_relaxed);
  if (limit != 0 && job->plan != nullptr) {
    const uint64_t written = job->meter.bytes_written.load(std::memory_order_relaxed);
    MutexLock lock(&mu_);
    if (Less(bytes, Less(job->plan->reserved_bytes, written)) > CompactionRoomLocked()) {
      job->plan->refused = true;
      return NoRoomFor(*job->plan, limit);
    }
  }
  job->meter.bytes_written.fetch_add(bytes, std::memory_order_relaxed);
  table_disk_bytes_.fetch_add(bytes, std::memory_order_relaxed);
  return Status::Ok();
}

// The files that a job wrote were removed.
void DbImpl::GiveBackSpace(const ActiveJob& job) {
  table_disk_bytes_.fetch_sub(job.meter.bytes_written.load(std::memory_order_relaxed), std::memory_order_relaxed);
}

}  // namespace varve::lsm
