// bench/compaction_speed.h - how many bytes compaction writes for each second of one core.
//
// A compacted tree of random entries, nothing compressed; above it a table or two of level 0 with newer versions of keys
// from everywhere, too few for an engine to compact them by itself; then everything is merged into the lowest level. Counted are the bytes written to files meanwhile and the CPU time of the whole process, the kernel's part
// included; the main thread only waits.
#pragma once

#include <string>

#include "bench/contenders.h"
#include "bench/group_end.h"
#include "bench/load.h"
#include "bench/plan.h"

namespace varve::bench {

template <class Engine>
class CompactionSpeed {
 public:
  CompactionSpeed(const Setup& setup, const Plan& plan, size_t value_size, Sink* sink)
      : setup_(Adjusted(setup, plan)),
        entry_size_(kKeySize + value_size),
        count_(plan.EntriesOf(entry_size_)),
        seed_(plan.seed),
        sink_(*sink),
        engine_(setup_),
        values_(value_size) {}

  void Run(const std::string& group, const std::string& workload) {
    Load(&engine_, count_, seed_, &values_);
    engine_.CompactAll();
    PutNewer();
    const Usage before = ReadUsage();
    engine_.CompactAll();
    const Usage used = ReadUsage() - before;
    if (used.written_bytes == 0) Fatal(workload + ": there was nothing to compact");
    sink_.Add(workload, "MB/s per core", Better::kHigher, static_cast<double>(used.written_bytes) / used.cpu_s / 1e6);
    sink_.Add(workload, "MiB written", Better::kLower, MiB(used.written_bytes));
    EndGroup(group, setup_, &engine_, &sink_);
  }

 private:
  // Memtables of a twentieth of the data, so that one or two are a tenth of it or less, as between two levels.
  static constexpr size_t kMemtableShare = 20;

  static Setup Adjusted(Setup setup, const Plan& plan) {
    setup.compression = false;
    setup.memtable = plan.num * kEntrySize / kMemtableShare;
    setup.memory_budget = 8 * setup.memtable;
    return setup;
  }

  // At most two memtables in an engine that keeps no more than 64 bytes with an entry; and flushes. Four tables of level
  // 0 would be compacted at once.
  void PutNewer() {
    const uint64_t newer = 2 * setup_.memtable / (entry_size_ + 64);
    KeyBuffer key;
    Random random(seed_ + 13);
    for (uint64_t i = 0; i < newer; ++i) {
      engine_.Put(key(Present(random.Below(count_))), values_.Next(), /*sync=*/false);
    }
    engine_.Settle();
  }

  const Setup setup_;
  const size_t entry_size_;
  const uint64_t count_;
  const uint64_t seed_;
  Sink& sink_;
  Engine engine_;
  Values values_;
};

}  // namespace varve::bench
