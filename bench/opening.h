// bench/opening.h - how long it takes to open a database: a large one that was closed in order, and one with a long
// log.
//
// Both are opened with their files in the page cache. "to the first read" ends when one entry has been read: an engine
// that puts work off until then does not get it for nothing.
#pragma once

#include <algorithm>
#include <optional>
#include <vector>

#include "bench/contenders.h"
#include "bench/group_end.h"
#include "bench/load.h"
#include "bench/plan.h"

namespace varve::bench {

template <class Engine>
class Opening {
 public:
  Opening(const Setup& setup, const Plan& plan, Sink* sink) : setup_(setup), plan_(plan), sink_(*sink) {}

  // 10 GB on the disk: values of 1000 bytes that nothing can be taken from. Closed with nothing left to replay.
  void OpenClean() {
    constexpr size_t kRecordSize = 1000;
    constexpr size_t kOpens = 5;
    const uint64_t count = std::max<uint64_t>(plan_.open_bytes / (kKeySize + kRecordSize), 1);
    Values values(kRecordSize, /*copies=*/1);
    engine_.emplace(setup_);
    Load(&*engine_, count, plan_.seed, &values);
    std::vector<uint64_t> open_nanos, read_nanos;
    for (size_t i = 0; i < kOpens; ++i) {
      engine_.reset();
      const uint64_t start = NowNanos();
      engine_.emplace(setup_);
      open_nanos.push_back(NowNanos() - start);
      MustRead(random_.Below(count));
      read_nanos.push_back(NowNanos() - start);
    }
    sink_.Add("open clean", "ms", Better::kLower, MedianMillis(open_nanos));
    sink_.Add("open clean", "ms to the first read", Better::kLower, MedianMillis(read_nanos));
    sink_.Add("open clean", "disk MiB", Better::kLower, MiB(DirectoryBytes(setup_.dir)));
    EndGroup("open", setup_, &*engine_, &sink_);
  }

  // The memtable has room for all of the log, so that nothing is flushed before. LevelDB's is at most 1 GiB: its log of
  // 7 million usual entries just fits.
  void Replay() {
    const uint64_t count = std::max<uint64_t>(plan_.log_bytes / kEntrySize, 1);
    setup_.memtable = 2 * plan_.log_bytes;
    setup_.memory_budget = 4 * setup_.memtable;
    const Permutation order(count, plan_.seed);
    Values values(kValueSize);
    engine_.emplace(setup_);
    for (uint64_t i = 0; i < count; ++i) engine_->Put(key_(Present(order(i))), values.Next(), /*sync=*/false);
    engine_.reset();
    const uint64_t start = NowNanos();
    engine_.emplace(setup_);
    const double seconds = static_cast<double>(NowNanos() - start) / 1e9;
    MustRead(random_.Below(count));
    sink_.Add("log replay", "GB/s", Better::kHigher, static_cast<double>(count * kEntrySize) / seconds / 1e9);
    sink_.Add("log replay", "seconds", Better::kLower, seconds);
    EndGroup("replay", setup_, &*engine_, &sink_);
  }

 private:
  static double MedianMillis(std::vector<uint64_t> nanos) {
    std::nth_element(nanos.begin(), nanos.begin() + static_cast<ptrdiff_t>(nanos.size() / 2), nanos.end());
    return static_cast<double>(nanos[nanos.size() / 2]) / 1e6;
  }
  void MustRead(uint64_t index) {
    if (!typename Engine::Reader(&*engine_).Get(key_(Present(index)))) Fatal("opened without what was written");
  }

  Setup setup_;
  const Plan& plan_;
  Sink& sink_;
  std::optional<Engine> engine_;
  KeyBuffer key_;
  Random random_{plan_.seed + 12};
};

}  // namespace varve::bench
