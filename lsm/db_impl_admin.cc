// Checkpoint, verification, statistics of the owner's database.
#include <algorithm>

#include "lsm/db_impl.h"
#include "lsm/inspect.h"
#include "lsm/version/file_names.h"

namespace varve::lsm {

namespace {

// Takes away a checkpoint that was never finished. A directory that holds anything else is left alone.
Status RemoveUnfinished(FileSystem* fs, const std::string& dir) {
  auto exists = fs->Exists(dir);
  if (!exists.ok()) return exists.status();
  if (!*exists) return Status::Ok();
  auto names = fs->List(dir);
  if (!names.ok()) return names.status();
  for (const std::string& name : *names) {
    if (ParseFileName(name).kind == FileKind::kForeign) {
      return Status::InvalidArgument(dir + ": is in the way of the checkpoint and holds '" + name +
                                     "', which is no part of one");
    }
  }
  for (const std::string& name : *names) VARVE_TRY(fs->Remove(dir + "/" + name));
  return fs->RemoveDir(dir);
}

}  // namespace

Status DbImpl::Checkpoint(const std::string& given_dir) {
  FileSystem* fs = env_.file_system;
  const std::string dir = WithoutTrailingSlashes(given_dir);
  auto exists = fs->Exists(dir);
  if (!exists.ok()) return exists.status();
  if (*exists) return Status::InvalidArgument(dir + ": exists already; a checkpoint wants a new directory");
  VARVE_TRY(Flush());  // then the tables alone hold everything acknowledged so far
  ManifestState state;
  {
    MutexLock lock(&mu_);
    if (closing_.load(std::memory_order_relaxed)) return Status::Closed();
    ++jobs_;
    state = state_;  // its version keeps the tables from being removed
  }
  Status status = LinkCheckpoint(dir, std::move(state));
  MutexLock lock(&mu_);
  --jobs_;
  changed_.SignalAll();
  return status;
}

Status DbImpl::LinkCheckpoint(const std::string& dir, ManifestState state) {
  FileSystem* fs = env_.file_system;
  // Built under another name, so that a crash leaves no half checkpoint under the one asked for.
  const std::string temporary = dir + ".tmp";
  VARVE_TRY(RemoveUnfinished(fs, temporary));
  Status status = FillCheckpoint(temporary, std::move(state));
  if (status.ok()) status = fs->Rename(temporary, dir);
  if (!status.ok()) {
    Status ignored = RemoveUnfinished(fs, temporary);  // else the next attempt does it
    (void)ignored.ok();
    return status;
  }
  return fs->SyncDir(ParentOf(dir));
}

Status DbImpl::FillCheckpoint(const std::string& temporary, ManifestState state) {
  FileSystem* fs = env_.file_system;
  VARVE_TRY(fs->CreateDir(temporary));
  state.next_number = NextNumber() + 1;
  state.wal_number = state.next_number;
  for (int n = 0; n < kLevels; ++n) {
    for (const TableFileRef& file : state.version->level(n)) {
      VARVE_TRY(fs->Link(file->path(), TableFileName(temporary, file->number())));
    }
  }
  for (const ValueLogFileRef& file : state.version->value_logs()) {
    VARVE_TRY(fs->Link(file->path(), ValueLogFileName(temporary, file->number())));
  }
  auto manifest = ManifestWriter::Create(fs, env_.random, temporary, state.next_number - 1, state);
  return manifest.ok() ? Status::Ok() : manifest.status();
}

Result<VerifyReport> DbImpl::Verify(const VerifyProgress& on_progress) {
  if (closed_.load(std::memory_order_acquire)) return Status::Closed();
  auto view = view_->Share();
  return VerifyVersion(*view->version, on_progress);
}

DbStats DbImpl::Stats() const {
  DbStats stats;
  {
    MutexLock lock(&mu_);
    CountLevels(*state_.version, &stats);
    if (active_ != nullptr) stats.memtable_bytes = active_->memory_bytes();
    for (const Sealed& sealed : sealed_) stats.memtable_bytes += sealed.table->memory_bytes();
    if (const Status error = BackgroundErrorLocked(); !error.ok()) stats.background_error = error.ToString();
  }
  stats.jobs = RunningJobs();
  stats.last_sequence = visible_.load(std::memory_order_acquire);
  stats.cache_bytes = cache_->block_bytes();
  stats.table_memory_bytes = cache_->table_memory_bytes();
  stats.cache_hits = cache_->hits();
  stats.cache_misses = cache_->misses();
  stats.filter_useful = cache_->filter_useful();
  stats.filter_false_positives = cache_->filter_false_positives();
  stats.writes = counters_.writes.load(std::memory_order_relaxed);
  stats.write_bytes = counters_.write_bytes.load(std::memory_order_relaxed);
  stats.wal_bytes = wal_->appended_bytes();
  stats.wal_syncs = wal_->syncs();
  stats.flushes = counters_.flushes.load(std::memory_order_relaxed);
  stats.flush_bytes = counters_.flush_bytes.load(std::memory_order_relaxed);
  stats.compactions = counters_.compactions.load(std::memory_order_relaxed);
  stats.compaction_read_bytes = counters_.compaction_read_bytes.load(std::memory_order_relaxed);
  stats.compaction_write_bytes = counters_.compaction_write_bytes.load(std::memory_order_relaxed);
  stats.value_log_moved_bytes = counters_.value_log_moved_bytes.load(std::memory_order_relaxed);
  stats.stall_us = counters_.stall_us.load(std::memory_order_relaxed);
  stats.wal_tail_cut_bytes = wal_tail_cut_bytes_;
  stats.fenced = fenced_.load(std::memory_order_acquire);
  return stats;
}

std::vector<TableFileFacts> DbImpl::TableFiles() const {
  auto view = view_->Share();
  return ListTables(*view->version);
}

uint64_t DbImpl::ApproximateSize(std::string_view begin, std::string_view end) const {
  auto view = view_->Share();
  return ApproximateBytes(*view->version, begin, end);
}

Status DbImpl::CatchUp() {
  return closed_.load(std::memory_order_acquire) ? Status::Closed() : Status::Ok();
}

}  // namespace varve::lsm
