// Verification, statistics of the owner's database.
#include "lsm/db_impl.h"
#include "lsm/inspect.h"
#include "lsm/out_of_memory.h"

namespace varve::lsm {

Result<VerifyReport> DbImpl::Verify(const VerifyProgress& on_progress) {
  if (closed_.load(std::memory_order_acquire)) return Status::Closed();
  auto view = view_->Share();
  return OrOutOfMemory([&]() -> Result<VerifyReport> { return VerifyVersion(*view->version, on_progress); });
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
  stats.disk_bytes = DiskBytes();
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
