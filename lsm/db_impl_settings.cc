// Changing options while the database runs.
#include "lsm/db_impl.h"
#include "lsm/out_of_memory.h"

namespace varve::lsm {

Options DbImpl::GetOptions() const {
  MutexLock lock(&mu_);
  Options options = settings_.options;
  options.wal_sync = wal_sync_.load(std::memory_order_relaxed);
  return options;
}

Status DbImpl::SetOptions(const OptionChanges& changes) {
  return OrOutOfMemory([&] { return TakeOptions(changes); });
}

Status DbImpl::TakeOptions(const OptionChanges& changes) {
  VARVE_TRY(CheckWritable());
  {
    MutexLock lock(&mu_);
    Options next = settings_.options;
    const auto take = [](const auto& change, auto* option) {
      if (change) *option = *change;
    };
    take(changes.memory_budget, &next.memory_budget);
    take(changes.background_threads, &next.background_threads);
    take(changes.compression, &next.compression);
    take(changes.filter_bits_per_key, &next.filter_bits_per_key);
    take(changes.block_size, &next.block_size);
    take(changes.table_size, &next.table_size);
    take(changes.memtable_size, &next.memtable_size);
    take(changes.compaction_bytes_per_second, &next.compaction_bytes_per_second);
    take(changes.max_disk_bytes, &next.max_disk_bytes);
    take(changes.value_log_threshold, &next.value_log_threshold);
    take(changes.fifo_bytes_max, &next.fifo_bytes_max);
    take(changes.fifo_age_max_s, &next.fifo_age_max_s);
    auto resolved = ResolveOptions(next);
    if (!resolved.ok()) return resolved.status();
    if (next.compaction_bytes_per_second != settings_.options.compaction_bytes_per_second) compaction_rate_.Reset();
    executor_->WantThreads(Lane::kCompact, resolved->compaction_threads);
    settings_ = std::move(resolved).value();
    memtable_bytes_.store(settings_.memtable_bytes, std::memory_order_relaxed);
    delete_ceiling_ = UINT64_MAX;  // where compactions become larger, deletes are not to be refused for it
    if (changes.max_disk_bytes) SetSpaceLimitLocked(next.max_disk_bytes);
    AfterChangeLocked();
    ScheduleWorkLocked();
  }
  if (changes.wal_sync) SetWalSync(*changes.wal_sync);
  return Status::Ok();
}

}  // namespace varve::lsm
