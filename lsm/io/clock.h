// lsm/io/clock.h - time and randomness, injected so that a seed and a commit replay the same run.
#pragma once

#include <atomic>
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
class ManualClock final : public Clock {
 public:
  static constexpr int64_t kWallStartMillis = 1'700'000'000'000;  // 2023-11-14, an ordinary day

  explicit ManualClock(int64_t wall_ms = kWallStartMillis) : wall_start_us_(wall_ms * 1000) {}
  uint64_t MonotonicMicros() override { return monotonic_us_.load(std::memory_order_acquire); }
  int64_t WallMillis() override {
    return (wall_start_us_.load(std::memory_order_acquire) + static_cast<int64_t>(MonotonicMicros())) / 1000;
  }
  // Time passes: both clocks go on.
  void AdvanceMicros(uint64_t us) { monotonic_us_.fetch_add(us, std::memory_order_acq_rel); }
  void AdvanceMillis(uint64_t ms) { AdvanceMicros(ms * 1000); }
  // Somebody sets the wall clock; the monotonic one does not notice.
  void StepWallMillis(int64_t ms) { wall_start_us_.fetch_add(ms * 1000, std::memory_order_acq_rel); }

 private:
  std::atomic<uint64_t> monotonic_us_{0};
  std::atomic<int64_t> wall_start_us_;  // wall time when the monotonic clock read 0
};

// A reproducible source: splitmix64, whose state is a counter, so that one atomic add serves any thread.
class SeededRandom final : public RandomSource {
 public:
  explicit SeededRandom(uint64_t seed) : state_(seed) {}
  uint64_t Next() override {
    uint64_t z = state_.fetch_add(kStep, std::memory_order_relaxed) + kStep;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
  }

 private:
  static constexpr uint64_t kStep = 0x9e3779b97f4a7c15;
  std::atomic<uint64_t> state_;
};

}  // namespace varve::lsm
