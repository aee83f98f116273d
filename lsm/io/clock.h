// lsm/io/clock.h - time and randomness, injected so that a seed and a commit replay the same run.
#pragma once

#include <cstdint>

namespace varve::lsm {

class Clock {
 public:
  virtual ~Clock() = default;
  virtual uint64_t MonotonicMicros() = 0;  // never steps back; for delays and durations
  virtual int64_t WallMillis() = 0;        // Unix time; for expiry and file facts; may step
};

class RandomSource {
 public:
  virtual ~RandomSource() = default;
  virtual uint64_t Next() = 0;  // 64 uniform bits; any thread
};

Clock* SystemClock();          // never destroyed
RandomSource* SystemRandom();  // seeded from the operating system; never destroyed

// A clock that moves only when told. Any thread.
class ManualClock;
// A reproducible source (splitmix64 under a mutex-free atomic counter). Any thread.
class SeededRandom;

}  // namespace varve::lsm
