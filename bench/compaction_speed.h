// bench/compaction_speed.h - how many bytes compaction writes for each second of one core.
//
// A settled tree of random entries, nothing compressed, half of them written again; then everything is compacted into the
// lowest level. Counted are the bytes written to files meanwhile and the CPU time of the whole process, the kernel's part
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
      : setup_(Uncompressed(setup)),
        count_(plan.EntriesOf(kKeySize + value_size)),
        seed_(plan.seed),
        sink_(*sink),
        engine_(setup_),
        values_(value_size) {}

  void Run(const std::string& group, const std::string& workload) {
    Load(&engine_, count_, seed_, &values_);
    Load(&engine_, count_ / 2, seed_ + 1, &values_);
    const Usage before = ReadUsage();
    engine_.CompactAll();
    const Usage used = ReadUsage() - before;
    if (used.written_bytes == 0) Fatal(workload + ": there was nothing to compact");
    sink_.Add(workload, "MB/s per core", Better::kHigher, static_cast<double>(used.written_bytes) / used.cpu_s / 1e6);
    sink_.Add(workload, "MiB", Better::kLower, MiB(used.written_bytes));
    EndGroup(group, setup_, &engine_, &sink_);
  }

 private:
  static Setup Uncompressed(Setup setup) {
    setup.compression = false;
    return setup;
  }

  const Setup setup_;
  const uint64_t count_;
  const uint64_t seed_;
  Sink& sink_;
  Engine engine_;
  Values values_;
};

}  // namespace varve::bench
