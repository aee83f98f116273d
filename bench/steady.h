// bench/steady.h - overwriting until the tree is in its steady state: rate, bytes written per byte, space.
//
// Every key is loaded once; then as many random overwrites as there are keys, three times over. Rate and latencies are
// those of the last pass, and its rate over that of the pass before says how steady it was. CPU and bytes are those of
// all passes, from one settled tree to the next, so that work put off is counted. Space amplification is what the
// directory takes over what it takes once everything has been compacted: at the end, settled, and at the worst moment
// of the passes.
#pragma once

#include <algorithm>
#include <string>
#include <thread>

#include "bench/contenders.h"
#include "bench/group_end.h"
#include "bench/load.h"
#include "bench/plan.h"
#include "lsm/sync/mutex.h"

namespace varve::bench {

// Watches the size of a directory from a thread of its own, ten times a second.
class DirectoryWatch {
 public:
  explicit DirectoryWatch(const std::string& dir) : dir_(dir), thread_([this] { Watch(); }) {}
  // The largest size seen. Once.
  uint64_t Stop() {
    {
      lsm::MutexLock lock(&mu_);
      stopped_ = true;
    }
    wake_.Signal();
    thread_.join();
    return largest_;
  }

 private:
  void Watch() {
    for (bool stopped = false; !stopped;) {
      largest_ = std::max(largest_, DirectoryBytes(dir_));
      lsm::MutexLock lock(&mu_);
      if (!stopped_) wake_.WaitWithTimeout(&mu_, absl::Milliseconds(100));
      stopped = stopped_;
    }
  }

  const std::string dir_;
  lsm::Mutex mu_;
  lsm::CondVar wake_;
  bool stopped_ VARVE_GUARDED_BY(mu_) = false;
  uint64_t largest_ = 0;  // the thread's; read when it has ended
  std::thread thread_;    // last: it uses all of the above
};

template <class Engine>
class Steady {
 public:
  static constexpr int kPasses = 3;

  Steady(const Setup& setup, const Plan& plan, size_t value_size, Sink* sink)
      : setup_(setup),
        plan_(plan),
        entry_size_(kKeySize + value_size),
        count_(plan.EntriesOf(entry_size_)),
        sink_(*sink),
        engine_(setup),
        values_(value_size) {}

  void Run(const std::string& group, const std::string& workload) {
    Load(&engine_, count_, plan_.seed, &values_);
    DirectoryWatch watch(setup_.dir);
    const Usage before = ReadUsage();
    double last_rate = 0, rate = 0;
    Histogram latencies;
    for (int pass = 0; pass < kPasses; ++pass) {
      latencies = Histogram();
      last_rate = rate;
      rate = Overwrite(&latencies);
    }
    engine_.Settle();
    const Usage used = ReadUsage() - before;
    const uint64_t worst = watch.Stop();
    const uint64_t settled = RestingDirectoryBytes(setup_.dir);
    engine_.CompactAll();
    const double compacted = static_cast<double>(RestingDirectoryBytes(setup_.dir));

    const double writes = static_cast<double>(count_ * kPasses);
    sink_.Add(workload, "ops/s", Better::kHigher, rate);
    sink_.Add(workload, "ops/s, last pass over the one before", Better::kHigher, rate / last_rate);
    sink_.AddLatencies(workload, latencies);
    sink_.Add(workload, "CPU us/op", Better::kLower, used.cpu_s * 1e6 / writes);
    sink_.Add(workload, "bytes written per byte", Better::kLower,
              static_cast<double>(used.written_bytes) / (writes * static_cast<double>(entry_size_)));
    sink_.Add(workload, "space amplification", Better::kLower, static_cast<double>(settled) / compacted);
    sink_.Add(workload, "space amplification, worst", Better::kLower, static_cast<double>(worst) / compacted);
    sink_.Add(workload, "compacted MiB", Better::kLower, compacted / (1 << 20));
    EndGroup(group, setup_, &engine_, &sink_);
  }

 private:
  // One pass; its operations a second.
  double Overwrite(Histogram* latencies) {
    const uint64_t start = NowNanos();
    uint64_t before = start;
    for (uint64_t i = 0; i < count_; ++i) {
      engine_.Put(key_(Present(random_.Below(count_))), values_.Next(), /*sync=*/false);
      before = Lap(before, latencies);
    }
    return static_cast<double>(count_) * 1e9 / static_cast<double>(before - start);
  }

  const Setup setup_;
  const Plan& plan_;
  const size_t entry_size_;
  const uint64_t count_;
  Sink& sink_;
  Engine engine_;
  Values values_;
  KeyBuffer key_;
  Random random_{plan_.seed + 11};
};

}  // namespace varve::bench
