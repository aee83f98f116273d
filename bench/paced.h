// bench/paced.h - how long writes wait at 70 % of the rate that an engine can hold.
//
// All keys are loaded. Then the peak: overwriting at random as fast as it goes, for a fifth of the time, so that
// compactions are part of it. Then, from a settled tree, each write is due at its own moment; latencies count from that
// moment, so a write that stands behind a slow one waits as well. "longest single wait" is that of one call, from its
// start. An engine that falls behind is not waited for: the time is fixed, and "ops/s" says what was held.
#pragma once

#include <algorithm>

#include "bench/contenders.h"
#include "bench/group_end.h"
#include "bench/load.h"
#include "bench/plan.h"

namespace varve::bench {

template <class Engine>
class PacedWrites {
 public:
  PacedWrites(const Setup& setup, const Plan& plan, Sink* sink)
      : setup_(setup), plan_(plan), sink_(*sink), engine_(setup) {}

  void Run() {
    constexpr const char* kName = "writes at 70 % of peak";
    Load(&engine_, plan_.num, plan_.seed, &values_);
    const double interval_nanos = NanosPerWriteAtPeak() / 0.7;
    engine_.Settle();
    Histogram latencies;
    uint64_t longest_nanos = 0, count = 0;
    const uint64_t start = NowNanos(), end = start + Span(plan_.paced_seconds);
    for (;; ++count) {
      const uint64_t due = start + static_cast<uint64_t>(static_cast<double>(count) * interval_nanos);
      uint64_t now = NowNanos();
      if (std::max(now, due) >= end) break;
      while (now < due) now = NowNanos();  // a sleep would be late by more than a write takes
      Put();
      const uint64_t done = NowNanos();
      latencies.Add(done - due);
      longest_nanos = std::max(longest_nanos, done - now);
    }
    sink_.Add(kName, "ops/s", Better::kHigher, static_cast<double>(count) * 1e9 / static_cast<double>(end - start));
    sink_.Add(kName, "ops/s, share of those due", Better::kHigher,
              static_cast<double>(count) * interval_nanos / static_cast<double>(end - start));
    sink_.AddLatencies(kName, latencies);
    sink_.Add(kName, "longest single wait ms", Better::kLower, static_cast<double>(longest_nanos) / 1e6);
    EndGroup("paced", setup_, &engine_, &sink_);
  }

 private:
  static uint64_t Span(double seconds) { return static_cast<uint64_t>(seconds * 1e9); }

  void Put() { engine_.Put(key_(Present(random_.Below(plan_.num))), values_.Next(), /*sync=*/false); }

  double NanosPerWriteAtPeak() {
    const uint64_t start = NowNanos(), end = start + Span(plan_.paced_seconds / 5);
    uint64_t count = 0, now = start;
    for (; now < end; now = NowNanos()) {
      for (int i = 0; i < 16; ++i, ++count) Put();
    }
    return static_cast<double>(now - start) / static_cast<double>(count);
  }

  const Setup setup_;
  const Plan& plan_;
  Sink& sink_;
  Engine engine_;
  Values values_{kValueSize};
  KeyBuffer key_;
  Random random_{plan_.seed + 9};
};

}  // namespace varve::bench
